"""What `dg-lsp demo` says at its end: how to go on from here."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from dg_lsp.demo_view import Screen

_PLUGIN = Path(__file__).parents[1] / "editors" / "nvim"
"""In a checkout; what pip installs has no plugins."""


def name_editors(screen: Screen) -> None:
    """Say how editors get it, and how the engine ends."""
    screen.say("\nIn your editor", "bold")
    if _PLUGIN.is_dir():
        screen.say("Neovim, in init.lua:")
        screen.code(
            f'  vim.opt.runtimepath:prepend("{_PLUGIN}")\n  require("dg").setup({{ keys = {{ accept = "<C-l>" }} }})'
        )
        screen.say("VS Code: `make vscode`, then install editors/vscode/dg-lsp.vsix.")
    screen.say("Other editors: docs/editors.md and editors/README.md. What they start:")
    screen.code(f"  {_command('dg-lsp')}")
    if not shutil.which("dg-lsp"):
        screen.say("`make install` makes dg-lsp and dg-engine commands that can be typed anywhere.")
    screen.say("The engine leaves after 30 idle minutes; this ends it now:")
    screen.code(f"  {_command('dg-engine')} stop")


def _command(name: str) -> str:
    """What to type, or to have an editor start: the whole path where a command is not found by its name."""
    return name if shutil.which(name) else str(Path(sys.executable).with_name(name))
