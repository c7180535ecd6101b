"""VS Code with the real server, engine and default model: what a user does, in one window."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING, get_args

import pytest
from lsp_session import eventually, short_folder
from vscode import POINT, REPOSITORY, TOTAL, Code, code

from dg_lsp.features.offers import Name

if TYPE_CHECKING:
    from playwright.sync_api import Locator

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def window(vscode_is_there: None) -> Iterator[Code]:
    with short_folder() as root, code(root) as opened:
        opened.open("first.py", "")
        opened.wait_until_ready()
        yield opened


@pytest.fixture(autouse=True)
def no_notification(window: Code, request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever happens, nobody is interrupted; a test that expects a notification clears it."""
    failed_before = request.session.testsfailed
    yield
    if request.session.testsfailed > failed_before:
        print(window.report())
    left = window.notifications()
    window.clear()
    assert left == []


def test_ghost_text_comes_while_typing_and_tab_takes_it(window: Code) -> None:
    file = window.open("total.py", TOTAL)
    window.type("res")
    window.wait_for_ghost("ult")
    assert window.text == TOTAL + "res"
    window.page.keyboard.press("Tab")
    eventually(lambda: window.text == TOTAL + "result", what="the accepted text")
    assert window.ghost() == ""
    window.save()
    assert file.read_text() == TOTAL + "result"


def test_a_word_is_taken_with_the_editors_own_key_and_the_rest_stays_offered(window: Code) -> None:
    before = "def multiply(first, second):\n    return fi"
    window.open("word.py", before)
    window.command("editor.action.inlineSuggest.trigger")
    offered = window.wait_for_ghost()
    window.page.keyboard.press("Control+ArrowRight")
    eventually(lambda: window.text != before, what="the accepted word")
    taken = window.text.removeprefix(before)
    assert offered.startswith(taken.rstrip())


@pytest.mark.parametrize("how", ["Alt+Backslash", "dg.suggest"])
def test_a_suggestion_is_asked_for_by_a_key_and_by_a_command(window: Code, how: str) -> None:
    window.open("asked.py", TOTAL + "res")
    if how.startswith("dg."):
        window.command(how)
    else:
        window.page.keyboard.press(how)
    window.wait_for_ghost("ult")


def test_every_fill_of_the_palette_is_one_that_the_server_knows() -> None:
    source = (REPOSITORY / "editors" / "vscode" / "src" / "actions.ts").read_text("utf-8")
    assert set(re.findall(r'name: "(\w+)"', source)) == set(get_args(Name))


def test_an_empty_function_is_filled_from_the_light_bulb_after_a_preview(window: Code) -> None:
    file = window.open("point.py", POINT)
    window.page.keyboard.press("Control+.")
    action = window.page.locator(".action-widget").first.get_by_text("Fill this function")
    action.wait_for(timeout=60_000)
    window.page.keyboard.press("Control+Enter")
    window.page.get_by_text("Refactor Preview").first.wait_for(timeout=60_000)
    assert "pass" in window.text
    window.command("refactorPreview.apply")
    eventually(lambda: "pass" not in window.text, what="the edit")
    window.save()
    assert file.read_text().startswith(POINT.partition("        pa|ss")[0] + "        return self.")


def test_the_palette_fills_a_function_too(window: Code) -> None:
    window.open("palette.py", POINT)
    window.command("dg.fillFunction")
    eventually(lambda: "pass" not in window.text, what="the edit")
    assert window.text.splitlines()[-1].startswith("        return self.")


def test_where_a_fill_is_not_offered_the_command_says_so(window: Code) -> None:
    window.open("nothing.py", "x = 1\n")
    window.command("dg.fillFunction")
    says = "dg-lsp: this is not offered here: it needs the cursor in a function without a body."
    assert eventually(window.notifications) == [says]
    window.clear()


def test_where_no_file_is_open_the_command_says_where_it_is_of_use(window: Code) -> None:
    """The walkthrough has a button for it."""
    window.command("workbench.action.openWalkthrough", "dg-lsp.dg-lsp#start", False)
    window.command("dg.fillFunction")
    assert eventually(window.notifications) == ["dg-lsp: put the cursor into a file first."]
    window.clear()


def test_every_command_in_the_palette_exists(window: Code) -> None:
    package = json.loads((REPOSITORY / "editors" / "vscode" / "package.json").read_text("utf-8"))
    contributed = {command["command"] for command in package["contributes"]["commands"]}
    assert contributed <= set(window.api("return vscode.commands.getCommands(true)"))


def test_a_file_with_secrets_is_silent_and_says_why(window: Code) -> None:
    window.open(".env", "PASSWORD=")
    window.type("x")
    window.wait_for_status(".env")
    assert window.ghost() == ""
    window.command("dg.why")
    (why,) = eventually(window.notifications)
    assert "secret" in why
    window.clear()


def test_suggestions_pause_in_a_file_and_come_back(window: Code) -> None:
    window.open("paused.py", TOTAL)
    window.command("dg.pauseFile")
    window.wait_for_status("paused in this file")
    window.type("res")
    window.command("dg.why")
    assert eventually(window.notifications) == ["dg-lsp: paused in this file"]
    assert window.ghost() == ""
    window.command("notifications.clearAll")
    window.command("dg.pauseFile")
    window.page.keyboard.press("Backspace")
    window.type("s")
    window.wait_for_ghost("ult")


@pytest.mark.parametrize(("command", "says"), [("dg.pause", "paused"), ("dg.pauseLanguage", "paused for python")])
def test_suggestions_pause_by_settings_and_can_still_be_asked_for(window: Code, command: str, says: str) -> None:
    window.open("settings.py", TOTAL)
    window.command(command)
    window.wait_for_status(says)
    window.type("res")
    window.command("editor.action.inlineSuggest.trigger")
    window.wait_for_ghost("ult")
    window.command(command)
    window.wait_until_ready()


@pytest.mark.parametrize(
    ("command", "key", "paused", "resumed", "says"),
    [
        ("dg.pause", "inline.enabled", False, True, "paused"),
        ("dg.pauseLanguage", "inline.disabledLanguages", ["go", "python"], ["go"], "paused for python"),
    ],
)
def test_a_pause_that_the_workspace_sets_is_ended_there(
    window: Code, command: str, key: str, paused: object, resumed: object, says: str
) -> None:
    window.open("workspace.py", "")
    window.api("await vscode.workspace.getConfiguration('dg').update(key, paused, false)", key=key, paused=paused)
    window.wait_for_status(says)
    window.command(command)
    window.wait_until_ready()
    inspected = window.api("return vscode.workspace.getConfiguration('dg').inspect(key)", key=key)
    assert inspected["workspaceValue"] == resumed
    assert "globalValue" not in inspected or inspected["globalValue"] in (True, [])  # from the tests before
    window.api("await vscode.workspace.getConfiguration('dg').update(key, undefined, false)", key=key)


def menu(window: Code) -> Locator:
    """The rows of the menu behind the status bar item."""
    window.page.locator('.statusbar-item[id="dg-lsp.dg-lsp.dg.status"] a').click()
    rows = window.page.locator(".quick-input-list .monaco-list-row")
    rows.first.wait_for()
    return rows


def test_suggestions_are_snoozed_from_the_menu_and_woken_there(window: Code) -> None:
    window.open("snoozed.py", TOTAL)
    menu(window).get_by_text("Snooze suggestions for 10 minutes").click()
    window.wait_for_status("snoozed until")
    window.type("res")
    window.command("dg.why")
    assert window.ghost() == ""
    window.command("dg.suggest")
    window.wait_for_ghost("ult")
    (why,) = eventually(window.notifications)
    assert why.startswith("dg-lsp: snoozed until")
    window.command("notifications.clearAll")
    menu(window).get_by_text("Wake suggestions now").click()
    window.wait_until_ready()


def test_the_menu_tells_what_was_accepted_today(window: Code) -> None:
    def accepted() -> int:
        shown = " | ".join(menu(window).all_inner_texts())
        window.page.keyboard.press("Escape")
        found = re.search(r"Today: (\d+) of \d+ suggestions accepted", shown)
        assert found, shown
        return int(found[1])

    before = accepted()
    window.open("today.py", TOTAL)
    window.type("res")
    window.wait_for_ghost("ult")
    window.page.keyboard.press("Tab")
    eventually(lambda: window.text == TOTAL + "result", what="the accepted text")
    window.type("\n")
    assert accepted() == before + 1


def test_the_menu_offers_what_can_be_done(window: Code) -> None:
    window.open("menu.py", "")
    rows = menu(window)
    shown = " | ".join(rows.all_inner_texts())
    window.page.keyboard.press("End")  # a row out of sight is not drawn
    rows.get_by_text("Show the log").wait_for()
    shown += " | ".join(rows.all_inner_texts())
    for choice in (
        "Snooze",
        "in this file",
        "for python",
        "everywhere",
        "Why no suggestion?",
        "Choose a model",
        "Settings",
        "Restart",
        "Stop the engine",
        "log",
    ):
        assert choice in shown
    window.page.keyboard.press("Escape")


def test_the_doctor_reports_in_a_terminal(window: Code) -> None:
    window.command("dg.doctor")
    terminal = window.page.locator(".terminal-wrapper.active .xterm-rows")
    eventually(lambda: terminal.count() and "model" in terminal.inner_text(), what="the report")
    assert window.api("return vscode.window.activeTerminal.name") == "dg-lsp doctor"
    window.command("workbench.action.terminal.killAll")


def test_the_doctor_looks_at_the_engine_that_the_settings_name(window: Code) -> None:
    configure = "await vscode.workspace.getConfiguration('dg').update('engine.url', value, true)"
    url = "http://127.0.0.1:9/it's"  # in a shell's quotes
    window.api(configure, value=url)
    try:
        window.command("dg.doctor")
        terminal = window.page.locator(".terminal-wrapper.active .xterm-rows").first  # above it the command may stick

        def report() -> str:
            return "".join(terminal.inner_text().split()) if terminal.count() else ""  # lines are broken anywhere

        eventually(lambda: f"nothinganswersat{url}(" in report(), what="the report")
        assert "torch" not in report()
    finally:
        window.api(configure, value=None)
        window.command("workbench.action.terminal.killAll")


def test_the_walkthrough_shows_its_steps(window: Code) -> None:
    window.command("workbench.action.openWalkthrough", "dg-lsp.dg-lsp#start", False)
    steps = window.page.locator(".getting-started-step .step-title")
    steps.first.wait_for()
    titles = [title.strip() for title in steps.all_inner_texts()]
    package = json.loads((REPOSITORY / "editors" / "vscode" / "package.json").read_text("utf-8"))
    assert titles == [step["title"] for step in package["contributes"]["walkthroughs"][0]["steps"]]
    window.command("workbench.action.closeAllEditors")


def test_tab_still_indents_where_nothing_is_offered(window: Code) -> None:
    window.open("indent.py", "def f():\n|")
    window.page.keyboard.press("Tab")
    eventually(lambda: window.text == "def f():\n    ", what="the indentation")


def test_tab_still_moves_through_a_snippet(window: Code) -> None:
    window.open("snippet.py", "")
    snippet = "pair(${1:one}, ${2:two})$0"
    window.api("await vscode.window.activeTextEditor.insertSnippet(new vscode.SnippetString(snippet))", snippet=snippet)
    window.type("1")
    window.command("editor.action.inlineSuggest.hide")
    window.page.keyboard.press("Tab")
    selected = "const e = vscode.window.activeTextEditor; return e.document.getText(e.selection)"
    eventually(lambda: window.api(selected) == "two", what="the second place")
    window.page.keyboard.press("Escape")


def test_tab_still_takes_the_entry_of_the_completion_list(window: Code) -> None:
    window.api(
        """
        const item = new vscode.CompletionItem("zebra_crossing");
        kept.list = vscode.languages.registerCompletionItemProvider("python", {provideCompletionItems: () => [item]});
        """
    )
    window.open("list.py", "x = ze")
    window.command("editor.action.triggerSuggest")
    window.page.locator(".suggest-widget.visible").get_by_text("zebra_crossing").first.wait_for()
    window.page.keyboard.press("Tab")
    eventually(lambda: window.text == "x = zebra_crossing", what="the entry")
    window.api("kept.list.dispose()")


def test_another_extension_may_offer_ghost_text_beside_ours(window: Code) -> None:
    window.api(
        """
        kept.other = vscode.languages.registerInlineCompletionItemProvider("python", {
            provideInlineCompletionItems: (document, position) =>
                [new vscode.InlineCompletionItem("erved", new vscode.Range(position, position))],
        });
        """
    )
    window.open("two.py", TOTAL)
    window.type("res")
    seen = {window.wait_for_ghost()}

    def both() -> bool:
        window.command("editor.action.inlineSuggest.showNext")
        seen.add(window.ghost())
        return seen >= {"ult", "erved"}

    eventually(both, what="both suggestions")
    window.api("kept.other.dispose()")


def test_a_server_that_dies_is_started_again_in_silence(window: Code) -> None:
    (server,) = window.language_servers()
    os.kill(server, signal.SIGKILL)
    eventually(lambda: window.language_servers() not in ([], [server]), what="another server")
    window.open("again.py", TOTAL)
    window.type("res")
    window.type_again_until_ghost("s")
    window.wait_until_ready()


def test_an_engine_that_dies_while_typing_is_shown_and_the_next_completion_works(window: Code) -> None:
    window.open("engine.py", TOTAL)
    (engine,) = window.engines()
    os.kill(engine, signal.SIGKILL)
    window.type("res")
    window.wait_for_status("the engine is gone")
    window.type_again_until_ghost("s")
    assert engine not in window.engines()
    window.wait_until_ready()


def test_restarting_leaves_one_server(window: Code) -> None:
    before = window.language_servers()
    window.command("dg.restart")
    eventually(lambda: window.language_servers() != before, what="another server")
    eventually(lambda: len(window.language_servers()) == 1, what="the end of the first")
    window.wait_until_ready()


def test_an_engine_that_is_stopped_comes_back_with_the_settings_of_then(window: Code) -> None:
    window.open("stopped.py", TOTAL)
    assert len(window.engines()) == 1
    window.api("await vscode.workspace.getConfiguration('dg').update('engine.device', 'cpu', true)")
    window.command("dg.stopEngine")
    assert window.engines() == []
    window.type("res")
    window.type_again_until_ghost("s")
    (engine,) = window.engines()
    assert "--device cpu" in window.processes()[engine]
    window.api("await vscode.workspace.getConfiguration('dg').update('engine.device', undefined, true)")
    window.wait_until_ready()
