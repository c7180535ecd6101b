"""Ghost text at the cursor: raw JSON-RPC to a real `dg-lsp` process, with the scripted engine for control over time.

T… are traps of pygls, as in `test_server.py`.
"""

from __future__ import annotations

import pytest
from lsp_session import SLOW, STUB, URI, LspSession, StartEngine, eventually, message, position, replace_line


def test_edits_behind_unusual_line_characters_land_where_the_editor_means(
    server: LspSession, script: StartEngine
) -> None:
    """T2: pygls cuts lines at these characters too and corrupts the text."""
    engine = script()
    server.open(URI, "\x0ca = '\u2028\x85\x1c'\nb = 1\n")
    server.change(URI, 2, {"range": {"start": position(1, 4), "end": position(1, 5)}, "text": "22"})
    assert server.inline(URI, 2, 0)
    assert engine.seen()[0]["request"]["prefix"] == "\x0ca = '\u2028\x85\x1c'\nb = 22\n"


def test_windows_line_ends_reach_the_engine_and_the_editor_as_newlines(server: LspSession, script: StartEngine) -> None:
    engine = script("--middle", "one\ntwo")
    server.open(URI, "a = 1\r\n\r\nb = 2\r\n")
    (item,) = server.inline(URI, 1, 0)
    assert item == {"insertText": "one\ntwo", "range": {"start": position(1, 0), "end": position(1, 0)}}
    assert (engine.seen()[0]["request"]["prefix"], engine.seen()[0]["request"]["suffix"]) == ("a = 1\n", "\nb = 2\n")


@pytest.mark.parametrize("text", ["", "#" * 5_000, "y = 1\n" * 600_000])
def test_empty_and_huge_documents_are_served(server: LspSession, script: StartEngine, text: str) -> None:
    engine = script()
    server.open(URI, text)
    assert server.code_actions(URI, 0, 0) == []
    assert server.inline(URI, 0, 0)
    assert len(engine.seen()[0]["request"]["suffix"]) <= 20_000


def test_a_request_by_hand_brings_several_items_and_an_automatic_one_the_best(
    server: LspSession, script: StartEngine
) -> None:
    engine = script("--middle", "one()", "--middle", "two()", "--middle", "one()")
    server.open(URI, STUB)
    assert [item["insertText"] for item in server.inline(URI, 2, 0, trigger=1)] == ["one()", "two()"]
    assert [item["insertText"] for item in server.inline(URI, 2, 0, trigger=2)] == ["one()"]
    wanted = [[fill["request"][key] for key in ("candidates", "deadline_ms", "priority")] for fill in engine.seen()]
    assert wanted == [[6, 1500, "manual"], [1, 300, "automatic"]]


def test_blanks_alone_are_not_offered(server: LspSession, script: StartEngine) -> None:
    script("--middle", " \n  ")
    server.open(URI, STUB)
    assert server.inline(URI, 2, 0) is None
    assert "no suggestion: the answer was blank" in server.logged()


def test_an_entry_selected_in_the_completion_list_is_extended(server: LspSession, script: StartEngine) -> None:
    engine = script("--middle", "(x)")
    server.open(URI, "pri\n")
    selected = {"range": {"start": position(0, 0), "end": position(0, 3)}, "text": "print"}
    (item,) = server.inline(URI, 0, 3, selectedCompletionInfo=selected)
    assert item == {"insertText": "print(x)", "filterText": "print(x)", "range": selected["range"]}
    assert (engine.seen()[0]["request"]["prefix"], engine.seen()[0]["request"]["suffix"]) == ("print", "\n")


def test_fields_that_the_library_does_not_know_are_passed_over(server: LspSession, script: StartEngine) -> None:
    """T12: pygls drops them, so the answer comes whole, and not by the token for partial results."""
    script()
    server.open(URI, STUB)
    params = {
        "textDocument": {"uri": URI, "version": 1},
        "position": position(2, 0),
        "context": {"triggerKind": 1},
        "partialResultToken": "parts",
        "formattingOptions": {"tabSize": 4},
    }
    (item,) = server.ask("textDocument/inlineCompletion", params)["result"]
    assert item["insertText"] == "scripted()"


def test_a_request_that_gave_way_to_another_window_is_answered_with_null_quietly(
    server: LspSession, script: StartEngine
) -> None:
    script("--fail-at-step", "1", "--fail-code", "cancelled")
    server.open(URI, STUB)
    assert server.inline(URI, 2, 0) is None
    assert server.logged() == []
    assert {status["kind"] for status in server.statuses()} == {"Normal"}


def test_a_document_that_is_not_open_is_answered_with_null_and_a_reason(
    server: LspSession, script: StartEngine
) -> None:
    script()
    assert server.inline("file:///elsewhere.py", 0, 0) is None
    assert "no suggestion: file:///elsewhere.py is not open" in server.logged()


def test_a_newer_request_supersedes_the_older_and_stops_its_work(lsp: LspSession, start: StartEngine) -> None:
    engine = start(*SLOW, initializationOptions={"inline": {"debounce_ms": 0}})
    lsp.open(URI, STUB)
    first = lsp.start_inline(URI, 2, 0)
    eventually(lambda: bool(engine.seen()))
    second = lsp.start_inline(URI, 3, 0)
    assert lsp.response(first)["result"] is None
    eventually(lambda: engine.seen()[0]["end"] == "closed")
    lsp.cancel(second)
    assert lsp.response(second)["error"]["code"] == -32800


def test_a_change_of_the_document_ends_the_work_for_its_old_text(server: LspSession, script: StartEngine) -> None:
    engine = script(*SLOW)
    server.open(URI, STUB)
    request = server.start_inline(URI, 2, 0, trigger=1)
    eventually(lambda: bool(engine.seen()))
    server.change(URI, 2, replace_line(0, "def area(width):\n"))
    assert server.response(request)["result"] is None
    eventually(lambda: engine.seen()[0]["end"] == "closed")


def test_a_cancelled_request_stops_the_engine_in_mid_work(server: LspSession, script: StartEngine) -> None:
    """T8: the client hears -32800, and the engine's request is closed."""
    engine = script(*SLOW)
    server.open(URI, STUB)
    request = server.start_inline(URI, 2, 0, trigger=1)
    eventually(lambda: bool(engine.seen()) and engine.seen()[0]["steps"] > 2)
    server.cancel(request)
    assert server.response(request)["error"]["code"] == -32800
    eventually(lambda: engine.seen()[0]["end"] == "closed")
    assert engine.seen()[0]["steps"] < 1000


def test_a_request_cancelled_in_the_same_burst_never_reaches_the_engine(
    server: LspSession, script: StartEngine
) -> None:
    """T8."""
    engine = script()
    server.open(URI, STUB)
    params = {"textDocument": {"uri": URI}, "position": position(2, 0), "context": {"triggerKind": 2}}
    server.raw(message("textDocument/inlineCompletion", params, 77) + message("$/cancelRequest", {"id": 77}))
    assert server.response(77)["error"]["code"] == -32800
    assert server.inline(URI, 3, 0)
    assert len(engine.seen()) == 1


def test_an_automatic_request_waits_for_the_typing_to_pause_and_one_by_hand_does_not(
    lsp: LspSession, start: StartEngine
) -> None:
    engine = start(initializationOptions={"inline": {"debounce_ms": 60_000}})
    lsp.open(URI, STUB)
    automatic = lsp.start_inline(URI, 2, 0)
    assert lsp.inline(URI, 2, 0, trigger=1)
    assert lsp.response(automatic)["result"] is None
    assert [fill["request"]["priority"] for fill in engine.seen()] == ["manual"]
