"""VS Code with the scripted engine: what depends on the engine's answers and on its time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lsp_session import SLOW, ScriptedEngines, eventually, short_folder
from vscode import Code, code

pytestmark = pytest.mark.timeout(300)

TWO_HOLES = "def one():\n    pa|ss\n\n\ndef two():\n    pass\n"


@pytest.fixture(scope="module")
def opened(vscode_is_there: None) -> Iterator[tuple[Code, ScriptedEngines]]:
    with short_folder() as root:
        engines = ScriptedEngines(root)
        engines.start()
        try:
            with code(root) as window:
                window.open("first.py", "")
                window.wait_until_ready()
                yield window, engines
        finally:
            engines.end()


@pytest.fixture
def window(opened: tuple[Code, ScriptedEngines]) -> Iterator[Code]:
    yield opened[0]
    opened[0].clear()


@pytest.fixture
def engines(opened: tuple[Code, ScriptedEngines]) -> ScriptedEngines:
    return opened[1]


def test_the_status_bar_shows_how_far_the_model_is_loaded(window: Code, engines: ScriptedEngines) -> None:
    engines.start("--load-ms", "10000")
    window.command("dg.restart")
    window.wait_for_status("Loading model, ")
    assert "%" in window.page.locator('.statusbar-item[id="dg-lsp.dg-lsp.dg.status"]').inner_text()
    window.wait_for_status("Ready: scripted")


def test_of_several_holes_each_can_be_declined(window: Code, engines: ScriptedEngines) -> None:
    engines.start("--middle", "return 1")
    file = window.open("holes.py", TWO_HOLES)
    window.api("vscode.commands.executeCommand('dg.fillFileHoles')")
    holes = window.page.locator(".bulk-edit-panel .monaco-list-row").filter(has_text="return 1")
    eventually(lambda: holes.count() == 2, what="the list of the edits")
    assert window.text == TWO_HOLES.replace("|", "")
    holes.last.locator(".edit-checkbox").click()
    window.command("refactorPreview.apply")
    filled = "def one():\n    pass\n\n\ndef two():\n    return 1\n"
    eventually(lambda: window.text == filled, what="the edit of the hole that was taken")
    window.save()
    assert file.read_text() == filled


def test_a_line_of_several_is_taken_with_the_editors_own_command(window: Code, engines: ScriptedEngines) -> None:
    engines.start("--middle", "first()\nsecond()")
    window.open("lines.py", "def f(x):\n    if x:\n        return 1\n    return 2\n\n\n")
    window.command("editor.action.inlineSuggest.trigger")
    window.wait_for_ghost()
    window.command("editor.action.inlineSuggest.acceptNextLine")
    eventually(lambda: window.text.endswith("\nfirst()") or window.text.endswith("\nfirst()\n"), what="the first line")


def test_cancelling_a_fill_stops_the_engine_and_changes_nothing(window: Code, engines: ScriptedEngines) -> None:
    engine = engines.start(*SLOW)
    window.open("slow.py", TWO_HOLES)
    window.api("vscode.commands.executeCommand('dg.fillFunction')")
    eventually(lambda: any(fill["steps"] > 3 for fill in engine.seen()), what="the fill")
    window.press("Cancel")
    eventually(lambda: all(fill["end"] == "closed" for fill in engine.seen()), what="the end of the fill")
    assert window.text == TWO_HOLES.replace("|", "")
