"""`python -m dg_lsp` is `dg-lsp`."""

import sys

from dg_lsp.cli import main

sys.exit(main())
