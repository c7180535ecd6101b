"""Times this server beside a bare pygls one, without a model: `python -m dg_lsp.benchmark`."""
