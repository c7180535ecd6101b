"""What Kate does in ways of its own (seen in Kate 26.08): raw JSON-RPC to a real `dg-lsp`, with the scripted engine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lsp_session import STUB, URI, LspSession, Message, StartEngine, position

KATE: Message = json.loads((Path(__file__).parents[2] / "fixtures/clients/kate-26.08.json").read_text("utf-8"))
FILL = "Fill this function `area`"


@pytest.fixture
def start_kate(start: StartEngine) -> StartEngine:
    """Starts a scripted engine and the server `lsp` as Kate does."""
    return lambda *arguments: start(*arguments, capabilities=KATE["capabilities"])


def actions(lsp: LspSession, line: int, start: int, end: int) -> list[Message]:
    span = {"start": position(line, start), "end": position(line, end)}
    params = {"textDocument": {"uri": URI}, "range": span, "context": {"diagnostics": []}}
    found: list[Message] = lsp.ask("textDocument/codeAction", params)["result"]
    return found


def entries(lsp: LspSession, line: int, character: int) -> list[Message]:
    params = {"textDocument": {"uri": URI}, "position": position(line, character)}
    found: list[Message] = lsp.ask("textDocument/completion", params)["result"]["items"]
    return found


def choose(lsp: LspSession, action: Message) -> Message:
    """Run the action's command; the edit that the server sends then."""
    lsp.received.clear()
    lsp.ask("workspace/executeCommand", {k: action["command"][k] for k in ("command", "arguments")})
    edit: Message = lsp.wait_for(lambda m: m["method"] == "workspace/applyEdit")["params"]["edit"]
    return edit


def test_the_word_that_it_sends_for_the_cursor_is_no_selection(lsp: LspSession, start_kate: StartEngine) -> None:
    start_kate()
    lsp.open(URI, STUB)
    in_stub = [action["title"] for action in actions(lsp, 1, 4, 8)]
    assert in_stub == [FILL, "Fill all gaps in this file"]
    assert "Write a docstring for `area`" in [action["title"] for action in actions(lsp, 0, 4, 8)]
    assert "Rewrite the selection" in [action["title"] for action in actions(lsp, 5, 4, 12)]


def test_an_edit_that_came_too_late_for_it_is_ready_when_chosen_again(lsp: LspSession, start_kate: StartEngine) -> None:
    engine = start_kate("--middle", "return 0")
    lsp.open(URI, STUB)
    lsp.answers["workspace/applyEdit"] = {"applied": False, "failureReason": ""}
    (action, *_) = actions(lsp, 1, 4, 8)
    edit = choose(lsp, action)
    lsp.wait_for(lambda m: m["method"] == "window/showMessage")
    assert lsp.shown() == [
        "The editor did not take the edit, maybe because it came late: choose the action again, it is ready now."
    ]
    lsp.answers["workspace/applyEdit"] = {"applied": True, "failureReason": ""}
    (action, *_) = actions(lsp, 1, 4, 8)
    assert choose(lsp, action) == edit
    assert len(engine.seen()) == 1
    choose(lsp, action)
    assert len(engine.seen()) == 2


def test_what_was_refused_is_filled_anew_in_another_text(lsp: LspSession, start_kate: StartEngine) -> None:
    engine = start_kate("--middle", "return 0")
    lsp.open(URI, STUB)
    lsp.answers["workspace/applyEdit"] = {"applied": False, "failureReason": ""}
    (action, *_) = actions(lsp, 1, 4, 8)
    choose(lsp, action)
    lsp.wait_for(lambda m: m["method"] == "window/showMessage")
    lsp.change(URI, 2, {"text": STUB.replace("width", "breadth")})
    (action, *_) = actions(lsp, 1, 4, 8)
    choose(lsp, action)
    assert len(engine.seen()) == 2


def test_an_entry_has_the_rest_of_the_word_which_it_replaces_too(lsp: LspSession, start_kate: StartEngine) -> None:
    start_kate("--middle", "urn 1 + ")
    lsp.open(URI, "def area(width):\n    retwidth\n")
    (item,) = entries(lsp, 1, 7)
    assert (item["label"], item["detail"]) == ("return 1 +", "dg")
    assert item["textEdit"]["newText"] == "return 1 + width"


def test_it_gets_no_entry_of_which_it_would_drop_a_part(lsp: LspSession, start_kate: StartEngine) -> None:
    start_kate("--middle", "rn `${width}`", "--middle", "rn width")
    lsp.open("file:///tmp/area.js", "function area(width) {\n    retu\n}\n", language="javascript")
    params = {"textDocument": {"uri": "file:///tmp/area.js"}, "position": position(1, 8)}
    items = lsp.ask("textDocument/completion", params)["result"]["items"]
    assert [item["label"] for item in items] == ["return width"]
