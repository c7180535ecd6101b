# Every target sets up what it needs; `make demo` and `make install` are all a newcomer has to type, `make test` a developer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := demo
# Where editors for tests are kept.
export DG_EDITORS ?= $(CURDIR)/.editors
# `make install` links the commands into PREFIX/bin, which should be on PATH.
PREFIX ?= $(HOME)/.local
# What the extension for VS Code knows of the place where it was built, to find the server there; empty: nothing.
CHECKOUT ?= $(CURDIR)
# PyTorch's own index of wheels without CUDA, for machines without an NVIDIA GPU.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu

.PHONY: demo install test test-editors neovim screenshots lint bench corpus vscode clean

demo: $(VENV)/.engine
	@$(BIN)/dg-lsp demo

install: $(VENV)/.engine
	@mkdir -p "$(PREFIX)/bin"
	@for name in dg-lsp dg-engine; do \
		link="$(PREFIX)/bin/$$name"; \
		if [ -e "$$link" ] && [ ! -L "$$link" ]; then \
			echo "make: $$link is there already and no link: move it away, or set PREFIX="; exit 1; \
		fi; \
		ln -sfn "$(CURDIR)/$(BIN)/$$name" "$$link"; \
	done
	@echo "dg-lsp and dg-engine are linked into $(PREFIX)/bin."
	@case ":$$PATH:" in *":$(PREFIX)/bin:"*) ;; \
		*) echo "That folder is not on PATH. For this terminal, and in ~/.profile for later ones:"; \
		echo '  export PATH="$(PREFIX)/bin:$$PATH"' ;; \
	esac

# No more processes than that: each has PyTorch, which uses all cores by itself.
test: $(VENV)/.dev
	$(BIN)/pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile

# Real editors: what cannot be had is skipped, or fails with REQUIRE_EDITORS=1. They are many processes whose timing nobody
# holds in hand: a test that fails is tried once more, and the summary names it.
test-editors: $(VENV)/.editors neovim $(DG_EDITORS)/vscode/node $(DG_EDITORS)/helix/bin/hx $(DG_EDITORS)/emacs/bin/emacs-nox \
		$(DG_EDITORS)/kate/bin/kate
	@tests/editors/get_plugins.sh $(DG_EDITORS)/plugins || echo "make: no completion menus for Neovim, their tests are skipped"
	@$(MAKE) vscode || echo "make: no extension for VS Code, its tests are skipped"
	$(BIN)/pytest -rsR --reruns 1 --numprocesses=2 --dist=loadfile tests/editors

# Pictures of the demo and of real editors for the documentation. On a quiet machine.
screenshots: $(VENV)/.editors neovim $(DG_EDITORS)/vscode/node vscode
	PYTHONPATH=.:tests/e2e:tests/editors $(BIN)/python tests/editors/screenshots_demo.py
	PYTHONPATH=.:tests/e2e:tests/editors $(BIN)/python tests/editors/screenshots.py
	PYTHONPATH=.:tests/e2e:tests/editors $(BIN)/python tests/editors/screenshots_vscode.py

neovim: $(DG_EDITORS)/neovim-0.12/bin/nvim $(DG_EDITORS)/neovim-0.10/bin/nvim

$(DG_EDITORS)/neovim-0.12/bin/nvim: SUITE := forky
$(DG_EDITORS)/neovim-0.10/bin/nvim: SUITE := trixie
$(DG_EDITORS)/neovim-%/bin/nvim:
	@echo "Fetching Neovim $* ..."
	@tests/editors/get_debian.sh $(DG_EDITORS)/neovim-$* $(SUITE) nvim neovim || echo "make: no Neovim $*, its tests are skipped"

$(DG_EDITORS)/helix/bin/hx:
	@tests/editors/get_debian.sh $(DG_EDITORS)/helix forky hx hx || echo "make: no Helix, its tests are skipped"

$(DG_EDITORS)/emacs/bin/emacs-nox:
	@tests/editors/get_debian.sh $(DG_EDITORS)/emacs forky emacs-nox emacs-nox elpa-lsp-mode || \
		echo "make: no Emacs, its tests are skipped"

$(DG_EDITORS)/kate/bin/kate:
	@tests/editors/get_kate.sh $(DG_EDITORS)/kate || echo "make: no Kate, its tests are skipped"

$(DG_EDITORS)/vscode/node:
	@tests/editors/get_vscode.sh $(DG_EDITORS)/vscode || echo "make: no VS Code, its tests are skipped"

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.dev
	$(BIN)/dg-engine bench
	$(BIN)/python -m dg_lsp.benchmark

corpus: $(VENV)/.dev
	$(BIN)/python -m engine.training.corpus build var/corpus

vscode: editors/vscode/dg-lsp.vsix

clean:
	rm -rf $(VENV) build dist *.egg-info editors/vscode/node_modules editors/vscode/dist editors/vscode/server editors/vscode/checkout editors/vscode/*.vsix

$(VENV)/.python:
	@command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) not found; install Python 3.10 or newer, or set PYTHON="; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "make: $(PYTHON) is older than 3.10; set PYTHON="; exit 1; }
	@echo "Creating $(VENV) ..."
	@$(PYTHON) -m venv $(VENV) || { echo "make: $(PYTHON) -m venv failed; on Debian: apt install python3-venv"; exit 1; }
	@touch $@

# The pinned versions come first, so that nothing pulls in another build of PyTorch by itself.
$(VENV)/.engine: $(VENV)/.python pyproject.toml requirements/engine.txt requirements/install_engine.py
	@echo "Installing dg-lsp with its engine ..."
	@$(BIN)/python requirements/install_engine.py $(TORCH_INDEX)
	@$(BIN)/pip install -q --disable-pip-version-check --no-deps -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.engine requirements/dev.txt
	@echo "Installing the test tools ..."
	@$(BIN)/pip install -q --disable-pip-version-check -r requirements/dev.txt
	@touch $@

$(VENV)/.editors: $(VENV)/.dev requirements/editors.txt
	@$(BIN)/pip install -q --disable-pip-version-check -r requirements/editors.txt && touch $@ || \
		echo "make: what drives editors cannot be installed, their tests are skipped"

VSCODE_SOURCES := $(wildcard editors/vscode/src/*.ts editors/vscode/*.json editors/vscode/*.m* editors/vscode/media/*) \
	editors/vscode/generate_settings.py editors/vscode/.vscodeignore
PYTHON_SOURCES := $(shell find dg_lsp engine -name '*.py' -o -name '*.scm' -o -path '*/default_model/*' -type f) pyproject.toml

# The wheel of dg-lsp travels in the extension, so that one file is all there is to install.
editors/vscode/server: $(VENV)/.python $(PYTHON_SOURCES)
	@rm -rf $@ build && mkdir $@
	@$(BIN)/pip wheel -q --disable-pip-version-check --no-deps -w $@ .
	@rm -rf build && touch $@

editors/vscode/dg-lsp.vsix: $(VSCODE_SOURCES) dg_lsp/settings.py docs/editors.md editors/vscode/server
	@command -v npm >/dev/null || { echo "make: npm not found; install Node 20 or newer"; exit 1; }
	$(PYTHON) editors/vscode/generate_settings.py
	cp LICENSE editors/vscode/LICENSE
	@rm -f editors/vscode/checkout; [ -z "$(CHECKOUT)" ] || echo "$(CHECKOUT)" >editors/vscode/checkout
	cd editors/vscode && npm ci --ignore-scripts --loglevel=error && npm run -s typecheck && npm run -s bundle && \
		node notices.mjs && npm run -s package
