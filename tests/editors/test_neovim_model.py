"""The plugin in a real Neovim with the real server, the real engine and the default model."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from lsp_session import eventually, short_folder

if TYPE_CHECKING:
    from nvim import Neovim

pytestmark = pytest.mark.timeout(300)

Start = Callable[..., "Neovim"]

PATIENT = {"inline": {"deadline_ms": 20000}}
"""Settings for a machine that is busy."""

TOTAL = "def total(numbers):\n    result = 0\n    for number in numbers:\n        result += number\n    return res"
AREA = 'def area(width, height):\n    """The area of a rectangle."""\n    pass\n'


@pytest.fixture(scope="module")
def runtime() -> Iterator[Path]:
    """Where the servers start one engine, which ends with the module."""
    with short_folder() as folder:
        yield folder
        stop = [sys.executable, "-m", "engine.cli", "stop"]
        subprocess.run(stop, env={**os.environ, "DG_RUNTIME_DIR": str(folder)}, check=False, capture_output=True)


@pytest.fixture
def editor(neovim: Start, runtime: Path) -> Neovim:
    return neovim(runtime=runtime, settings=PATIENT)


def test_ghost_text_in_a_python_file_is_accepted(editor: Neovim) -> None:
    editor.open("total.py", TOTAL)
    editor.until_ready()
    editor.type("A")
    assert editor.wait_for_ghost() == "ult"
    editor.act("accept")
    eventually(lambda: editor.text == TOTAL + "ult", "the text is accepted")
    namespace: dict[str, Callable[[list[int]], int]] = {}
    exec(editor.text, namespace)
    assert namespace["total"]([1, 2, 3]) == 6


def test_the_canvas_of_the_real_model_is_watched(editor: Neovim) -> None:
    editor.open("area.py", AREA)
    editor.until_ready()
    editor.type("gg")
    editor.command("Dg watch")
    eventually(lambda: editor.lua("return #require('dg.watch').seen()") > 1, "steps are shown")
    steps = [seen["step"] for seen in editor.lua("return require('dg.watch').seen()")]
    assert steps == list(range(1, len(steps) + 1))
    # What the model makes of it is its own affair: it is put into the text, or the user is told why there is nothing.
    eventually(lambda: editor.lua("return require('dg.watch').done()"), "the fill ends")
    if editor.lua("return require('dg.watch').active()"):
        editor.command("Dg watch accept")
        assert "pass" not in editor.text
        ast.parse(editor.text)
    else:
        assert [line for line in editor.said() if "Nothing to watch: " in line]
        assert editor.text == AREA.rstrip("\n")


def test_when_the_engine_is_killed_the_status_tells_and_the_next_one_serves(editor: Neovim) -> None:
    editor.open("total.py", TOTAL)
    editor.until_ready()
    pid = editor.lua(
        "local of, got = require('dg.client'), nil;"
        "of.request(of.get(0), 'dg/status', vim.empty_dict(), function(_, it) got = it end, 0);"
        "vim.wait(20000, function() return got end, 10); return got.engine_pid"
    )
    editor.lua("_G.statuses = {}")
    editor.type("A")
    os.kill(pid, signal.SIGKILL)
    editor.type("u<BS>")
    eventually(lambda: [s for s in editor.lua("return _G.statuses") if s not in ("dg", "dg …")], "the status tells")

    def typed_on() -> bool:
        editor.type("u<BS>")
        time.sleep(1)
        return editor.ghost() == "ult"

    eventually(typed_on, "the next engine serves")
    assert editor.status() == "dg"


@pytest.mark.parametrize("cmd", [["dg-lsp"], [sys.executable, "-m", "dg_lsp"]])
def test_the_engine_is_stopped_and_a_request_starts_another(neovim: Start, runtime: Path, cmd: list[str]) -> None:
    """`dg-lsp` is a link to where both programs are."""
    editor = neovim(runtime=runtime, settings=PATIENT, cmd=cmd)
    (editor.home / "dg-lsp").symlink_to(Path(sys.executable).with_name("dg-lsp"))
    editor.lua("vim.env.PATH = ... .. ':' .. vim.env.PATH", str(editor.home))
    editor.open("total.py", TOTAL)
    editor.until_ready()
    editor.command("Dg stop_engine")
    eventually(lambda: "dg: engine stopped" in editor.said(), "the engine is stopped")
    editor.command("Dg stop_engine")
    eventually(lambda: "dg: engine not running" in editor.said(), "there is none to stop")
    editor.type("A")
    editor.act("trigger")
    assert editor.wait_for_ghost().startswith("ult")


def test_without_an_engine_beside_the_server_stopping_it_says_so(neovim: Start) -> None:
    editor = neovim(cmd=["true"], filetypes=["none"])
    editor.type(":Dg stop_engine<CR>")
    eventually(lambda: "dg: there is no dg-engine beside `true`" in editor.said(), "the user is told")
