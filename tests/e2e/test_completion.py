"""Entries of the completion list, for editors that know no ghost text: a real process with the scripted engine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lsp_session import (
    FULL_CAPABILITIES,
    SLOW,
    STUB,
    URI,
    LspSession,
    Message,
    ScriptedEngine,
    ScriptedEngines,
    eventually,
    position,
    short_folder,
)

CLIENTS = Path(__file__).parents[2] / "fixtures/clients"
CODE = "def area(width, height):\n    retu\n"
RICH: Message = {
    "textDocument": {
        "completion": {
            "completionItem": {
                "labelDetailsSupport": True,
                "insertTextModeSupport": {"valueSet": [1, 2]},
                "documentationFormat": ["markdown", "plaintext"],
            }
        }
    }
}


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[LspSession, ScriptedEngines]]:
    with short_folder() as folder:
        engines = ScriptedEngines(folder)
        engines.start()
        server = LspSession(folder)
        server.initialize(RICH, initializationOptions={"inline": {"debounce_ms": 0}})
        server.until_ready()
        yield server, engines
        server.close()
        engines.end()


@pytest.fixture
def editor(running: tuple[LspSession, ScriptedEngines]) -> LspSession:
    """A server whose editor knows no inline completion; no document is open."""
    running[0].start_anew()
    return running[0]


def ask(server: LspSession, line: int, character: int, kind: int = 1, **context: Any) -> Any:
    params = {
        "textDocument": {"uri": URI},
        "position": position(line, character),
        "context": {"triggerKind": kind, **context},
    }
    return server.ask("textDocument/completion", params)["result"]


def says(running: tuple[LspSession, ScriptedEngines], *arguments: str) -> ScriptedEngine:
    return running[1].start(*arguments)


def test_who_has_ghost_text_gets_no_entries_beside_it(lsp: LspSession) -> None:
    assert "completionProvider" not in lsp.initialize(FULL_CAPABILITIES)["capabilities"]


@pytest.mark.parametrize("profile", ["helix-25.07", "eglot-emacs-30"])
def test_editors_without_ghost_text_are_offered_entries(lsp: LspSession, profile: str) -> None:
    told = json.loads((CLIENTS / f"{profile}.json").read_text("utf-8"))
    provider = lsp.initialize(told["capabilities"])["capabilities"]["completionProvider"]
    assert provider == {"triggerCharacters": [".", "("], "resolveProvider": True}


def test_an_entry_replaces_the_word_by_itself_and_the_text(
    editor: LspSession, running: tuple[LspSession, ScriptedEngines]
) -> None:
    says(running, "--middle", "rn width * height")
    editor.open(URI, CODE)
    answer = ask(editor, 1, 8)
    assert answer["isIncomplete"]
    (item,) = answer["items"]
    data = item.pop("data")
    assert item == {
        "label": "return width * height",
        "labelDetails": {"description": "dg"},
        "kind": 1,
        "sortText": "~0",
        "filterText": "return width * height",
        "insertTextFormat": 1,
        "insertTextMode": 1,
        "textEdit": {
            "range": {"start": position(1, 4), "end": position(1, 8)},
            "newText": "return width * height",
        },
    }
    shown = editor.ask("completionItem/resolve", {**item, "data": data})["result"]
    assert shown.pop("documentation") == {"kind": "markdown", "value": "```python\nreturn width * height\n```"}
    assert shown == {**item, "data": data}


def test_several_lines_are_one_entry_with_its_first_line_as_label(
    editor: LspSession, running: tuple[LspSession, ScriptedEngines]
) -> None:
    says(running, "--middle", "area = width * height\n    return area")
    editor.open(URI, "def area(width, height):\n    \n")
    (item,) = ask(editor, 1, 4)["items"]
    assert (item["label"], item["filterText"]) == ("area = width * height …", "area = width * height")
    assert item["textEdit"]["range"] == {"start": position(1, 4), "end": position(1, 4)}
    assert item["textEdit"]["newText"] == "area = width * height\n    return area"
    documentation = editor.ask("completionItem/resolve", item)["result"]["documentation"]["value"]
    assert documentation == "```python\narea = width * height\nreturn area\n```"


def test_a_long_line_and_a_fence_in_the_code_are_shown_well(
    editor: LspSession, running: tuple[LspSession, ScriptedEngines]
) -> None:
    says(running, "--middle", "'```' + the_quick_brown_fox(jumps, over=the, lazy='dog') - and_never(looks, back)")
    editor.open(URI, "fence = \n")
    (item,) = ask(editor, 0, 8)["items"]
    assert (len(item["label"]), item["label"][-1]) == (60, "…")
    documentation = editor.ask("completionItem/resolve", item)["result"]["documentation"]["value"]
    assert documentation.startswith("````python\nfence = '```' + the_quick")
    assert documentation.endswith("\n````")


def test_at_most_three_entries_come_in_the_order_of_the_model(
    editor: LspSession, running: tuple[LspSession, ScriptedEngines]
) -> None:
    engine = says(running, *(f"--middle={name}()" for name in ("a", "b", "a", "c", "d")))
    editor.open(URI, STUB)
    items = ask(editor, 2, 0, kind=3)["items"]
    assert [(item["label"], item["sortText"]) for item in items] == [("a()", "~0"), ("b()", "~1"), ("c()", "~2")]
    assert engine.seen()[0]["request"]["priority"] == "automatic"


def test_a_list_that_the_user_opens_is_asked_for_as_by_hand(
    editor: LspSession, running: tuple[LspSession, ScriptedEngines]
) -> None:
    engine = says(running)
    editor.open(URI, "x = 1 + \n")
    assert ask(editor, 0, 8)["items"]
    assert ask(editor, 0, 7, kind=3)["items"]
    assert [fill["request"]["priority"] for fill in engine.seen()] == ["manual", "automatic"]


def test_only_a_trigger_character_is_in_a_hurry(
    editor: LspSession, running: tuple[LspSession, ScriptedEngines]
) -> None:
    engine = says(running)
    editor.open(URI, "print(\nx = \n")
    assert ask(editor, 0, 6, kind=2, triggerCharacter="(")["items"]
    assert ask(editor, 1, 4)["items"]
    assert [fill["request"]["deadline_ms"] for fill in engine.seen()] == [1500, 3000]


def test_typing_on_is_answered_without_the_engine(
    editor: LspSession, running: tuple[LspSession, ScriptedEngines]
) -> None:
    engine = says(running, "--middle", "rn width")
    editor.open(URI, CODE)
    ask(editor, 1, 8)
    editor.change(URI, 2, {"range": {"start": position(1, 8), "end": position(1, 8)}, "text": "r"})
    (item,) = ask(editor, 1, 9, kind=3)["items"]
    assert item["textEdit"]["newText"] == "return width"
    assert len(engine.seen()) == 1


def test_an_answer_that_comes_too_late_is_an_open_list_and_there_at_the_next_request(
    editor: LspSession, running: tuple[LspSession, ScriptedEngines]
) -> None:
    engine = says(running, "--steps", "10", "--step-ms", "200")
    editor.open(URI, CODE)
    assert ask(editor, 1, 8, kind=2, triggerCharacter=".") == {"isIncomplete": True, "items": []}
    assert "no suggestion: the answer took longer than 1500 ms" in editor.logged()
    eventually(lambda: engine.seen()[0]["end"] == "done")
    assert ask(editor, 1, 8, kind=3)["items"]
    assert len(engine.seen()) == 1


def test_what_is_left_out_gets_null(editor: LspSession, running: tuple[LspSession, ScriptedEngines]) -> None:
    says(running)
    editor.open("file:///tmp/.env", "TOKEN=\n", "dotenv")
    params = {"textDocument": {"uri": "file:///tmp/.env"}, "position": position(0, 6)}
    assert editor.ask("textDocument/completion", params)["result"] is None


def test_a_cancelled_request_stops_the_engine(editor: LspSession, running: tuple[LspSession, ScriptedEngines]) -> None:
    engine = says(running, *SLOW)
    editor.open(URI, CODE)
    params = {"textDocument": {"uri": URI}, "position": position(1, 8), "context": {"triggerKind": 1}}
    request = editor.send("textDocument/completion", params)
    eventually(lambda: bool(engine.seen()))
    editor.cancel(request)
    assert editor.response(request)["error"]["code"] == -32800
    eventually(lambda: engine.seen()[0]["end"] == "closed")


def test_without_abilities_entries_are_plain_and_their_documentation_too(lsp: LspSession, scripted_engine: Any) -> None:
    scripted_engine("--middle", "rn width")
    lsp.initialize({})
    lsp.until_ready()
    lsp.open(URI, CODE)
    (item,) = ask(lsp, 1, 8)["items"]
    assert not {"labelDetails", "insertTextMode"} & item.keys()
    assert item["detail"] == "dg"
    assert lsp.ask("completionItem/resolve", item)["result"]["documentation"] == "return width"
    assert "documentation" not in lsp.ask("completionItem/resolve", {"label": "another"})["result"]


def test_places_count_in_the_encoding_of_the_editor(lsp: LspSession, scripted_engine: Any) -> None:
    told = json.loads((CLIENTS / "helix-25.07.json").read_text("utf-8"))
    scripted_engine("--middle", "mer()")
    lsp.answers["workspace/configuration"] = [{}]
    assert lsp.initialize(told["capabilities"])["capabilities"]["positionEncoding"] == "utf-8"
    lsp.until_ready()
    lsp.open(URI, "x = '😀' + été\n")
    (item,) = ask(lsp, 0, 18)["items"]
    assert item["textEdit"]["newText"] == "étémer()"
    assert item["textEdit"]["range"] == {"start": position(0, 13), "end": position(0, 18)}
