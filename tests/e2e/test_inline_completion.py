"""Ghost text at the cursor: raw JSON-RPC to a real `dg-lsp` process, with the scripted engine for control over time.

T… are traps of pygls, as in `test_server.py`.
"""

from __future__ import annotations

import pytest
from lsp_session import SLOW, STUB, URI, LspSession, Message, StartEngine, eventually, message, position, replace_line

from dg_lsp.reasons import SUPERSEDED


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
    assert wanted == [[6, 3000, "manual"], [4, 1500, "automatic"]]


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


def type_in(editor: LspSession, version: int, line: int, character: int, text: str) -> None:
    here = {"start": position(line, character), "end": position(line, character)}
    editor.change(URI, version, {"range": here, "text": text})


def texts(items: list[Message] | None) -> list[str] | None:
    return None if items is None else [item["insertText"] for item in items]


def test_typing_on_into_a_suggestion_and_back_is_answered_without_the_engine(
    server: LspSession, script: StartEngine
) -> None:
    engine = script("--middle", "f(a)")
    server.open(URI, "x = \n")
    assert texts(server.inline(URI, 0, 4)) == ["f(a)"]
    type_in(server, 2, 0, 4, "f")
    (item,) = server.inline(URI, 0, 5)
    assert item == {"insertText": "(a)", "range": {"start": position(0, 5), "end": position(0, 5)}}
    server.change(URI, 3, replace_line(0, "x = \n"))
    assert texts(server.inline(URI, 0, 4)) == ["f(a)"]
    assert len(engine.seen()) == 1


def test_a_suggestion_that_was_accepted_is_not_made_again(server: LspSession, script: StartEngine) -> None:
    engine = script("--middle", "f(a)")
    server.open(URI, "x = \n")
    server.inline(URI, 0, 4)
    type_in(server, 2, 0, 4, "f(a)")
    server.inline(URI, 0, 8)
    assert [fill["request"]["prefix"] for fill in engine.seen()] == ["x = ", "x = f(a)"]


def test_typing_on_while_the_answer_is_computed_keeps_the_work(lsp: LspSession, start: StartEngine) -> None:
    """An editor that sends the change, the cancellation of the old request and the new one in one burst."""
    patient = {"inline": {"debounce_ms": 0, "deadline_ms": 60_000}}
    engine = start("--steps", "50", "--step-ms", "20", "--middle", "f(a)", initializationOptions=patient)
    lsp.open(URI, "x = \n")
    first = lsp.start_inline(URI, 0, 4)
    eventually(lambda: bool(engine.seen()))
    type_in(lsp, 2, 0, 4, "f")
    lsp.cancel(first)
    second = lsp.start_inline(URI, 0, 5)
    type_in(lsp, 3, 0, 5, "(")
    assert lsp.response(second)["result"] is None
    assert texts(lsp.inline(URI, 0, 6)) == ["a)"]
    assert [fill["end"] for fill in engine.seen()] == ["done"]


def test_what_comes_after_the_deadline_is_there_for_the_next_request(server: LspSession, script: StartEngine) -> None:
    engine = script("--steps", "10", "--step-ms", "200")
    server.open(URI, STUB)
    assert server.inline(URI, 2, 0) is None
    assert "no suggestion: the answer took longer than 1500 ms" in server.logged()
    eventually(lambda: engine.seen()[0]["end"] == "done")
    assert texts(server.inline(URI, 2, 0)) == ["scripted()"]
    assert len(engine.seen()) == 1


def reasons(editor: LspSession, name: str) -> list[tuple[str, int]]:
    """Why requests for a file were answered with nothing, and how often."""
    answer = editor.ask("workspace/executeCommand", {"command": "dg.explain"})["result"]
    return [(reason["reason"], reason["count"]) for reason in answer["reasons"] if reason["file"] == name]


def test_nothing_is_known_too_and_its_reason_told_again(server: LspSession, script: StartEngine) -> None:
    engine = script("--middle", "  ")
    server.open("file:///blank.py", STUB)
    assert [server.inline("file:///blank.py", 2, 0) for _ in range(2)] == [None, None]
    assert len(engine.seen()) == 1
    assert reasons(server, "blank.py") == [("no suggestion: the answer was blank", 2)]


def test_a_superseded_request_is_kept_as_a_reason(server: LspSession, script: StartEngine) -> None:
    engine = script(*SLOW)
    server.open("file:///old.py", STUB)
    request = server.start_inline("file:///old.py", 2, 0, trigger=1)
    eventually(lambda: bool(engine.seen()))
    server.change("file:///old.py", 2, replace_line(0, "def area(width):\n"))
    assert server.response(request)["result"] is None
    assert reasons(server, "old.py") == [(SUPERSEDED, 1)]


def test_a_text_of_several_lines_may_be_typed_on_over_the_line_end(server: LspSession, script: StartEngine) -> None:
    engine = script("--middle", "one()\ntwo()")
    server.open(URI, "a = 1\r\n\r\nb = 2\r\n")
    assert texts(server.inline(URI, 1, 0)) == ["one()\ntwo()"]
    type_in(server, 2, 1, 0, "one()\r\n")
    (item,) = server.inline(URI, 2, 0)
    assert item == {"insertText": "two()", "range": {"start": position(2, 0), "end": position(2, 0)}}
    assert len(engine.seen()) == 1


def test_who_leaves_while_a_late_answer_is_computed_leaves_in_peace(lsp: LspSession, start: StartEngine) -> None:
    engine = start(*SLOW)
    lsp.open(URI, STUB)
    assert lsp.inline(URI, 2, 0) is None
    assert engine.seen()[0]["end"] == "running"
    assert lsp.leave() == 0
    assert lsp.stderr() == ""
    eventually(lambda: engine.seen()[0]["end"] == "closed")
