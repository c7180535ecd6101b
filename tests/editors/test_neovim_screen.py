"""What a user of Neovim sees in a terminal: tmux shows the screen with its colours."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from lsp_session import SLOW, STUB, ScriptedEngines, eventually, short_folder
from needed import need
from terminal import Terminal

pytestmark = pytest.mark.timeout(300)

Engines = tuple[Path, ScriptedEngines]


@pytest.fixture
def terminal(version: str, engines: Engines) -> Iterator[Terminal]:
    """A Neovim in a terminal, on `sample.py`, a file with two functions; its status is in the ruler's line."""
    import nvim

    need(shutil.which("tmux"), "tmux is not installed")
    engines[1].start("--middle", "return 0")
    with short_folder() as home:
        (home / "sample.py").write_text(STUB)
        options = {"keys": {"accept": "<C-l>"}, "settings": {"inline": {"deadline_ms": 20000}}}
        environment = nvim.environment(home, engines[0], options)
        status = "set laststatus=2 termguicolors statusline=[%{v:lua.require'dg'.status()}]"
        opened = Terminal(home, [*nvim.command(version), "-c", status, str(home / "sample.py")], environment)
        try:
            opened.wait_for("[dg]")
            yield opened
        finally:
            opened.close()


def test_ghost_text_has_a_colour_of_its_own(terminal: Terminal) -> None:
    terminal.keys("jcc")
    terminal.wait_for("    return 0")
    line = next(line for line in terminal.colours().splitlines() if "return 0" in line)
    assert re.search(r"\x1b\[[0-9;]*m *return 0", line), repr(line)
    terminal.keys("C-l")
    terminal.keys("Escape")
    eventually(
        lambda: "\x1b" not in first_line_with("return", terminal).split("return", 1)[0].lstrip("\x1b[0123456789;m ")
    )


def first_line_with(text: str, terminal: Terminal) -> str:
    return next(line for line in terminal.colours().splitlines() if text in line)


def test_the_canvas_settles_on_the_screen(terminal: Terminal, engines: Engines) -> None:
    engines[1].start(*SLOW, "--middle", "return width * height" * 40)
    terminal.keys(":Dg watch", "Enter")
    # One slot a step. From the 11th on they read "return widt".
    terminal.until(lambda screen: bool(re.search(r"step (1[1-9]|[2-9]\d)/1000, \1 of 840 slots settled", screen)))
    screen = terminal.colours()
    row = next(line for line in screen.splitlines() if "return widt" in re.sub(r"\x1b\[[0-9;]*m", "", line))
    colours = re.findall(r"\x1b\[([0-9;]*)m", row)
    assert len(set(colours)) >= 2, repr(row)  # what has settled, and what has not
    terminal.keys("C-c")
    eventually(lambda: "slots settled" not in terminal.screen())
    assert "    pass" in terminal.screen()
