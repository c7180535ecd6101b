"""The language server as an editor meets it: raw JSON-RPC to a real `dg-lsp` process.

The engine is the scripted one, for control over time; T… are the traps of pygls that a test guards against.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from lsp_session import FULL_CAPABILITIES, NO_ANSWER, LspSession, ScriptedEngine, eventually, position

URI = "file:///tmp/sample.py"
STUB = "def area(width, height):\n    pass\n\n\ndef other():\n    return 1\n"
SLOW = ("--steps", "1000", "--step-ms", "10")

StartEngine = Callable[..., ScriptedEngine]


@pytest.fixture
def start(lsp: LspSession, scripted_engine: StartEngine) -> Callable[..., ScriptedEngine]:
    """Starts a scripted engine and initializes the server, which then is ready."""

    def start(*arguments: str, **params: Any) -> ScriptedEngine:
        engine = scripted_engine(*arguments)
        lsp.initialize(**params)
        lsp.until_ready()
        return engine

    return start


def message(method: str, params: Any, request: int | None = None) -> bytes:
    content = {"jsonrpc": "2.0", "method": method, "params": params, **({} if request is None else {"id": request})}
    body = json.dumps(content).encode()
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def replace_line(line: int, text: str) -> dict[str, Any]:
    return {"range": {"start": position(line, 0), "end": position(line + 1, 0)}, "text": text}


# The process


def test_the_server_loads_no_torch_and_of_the_engine_only_the_protocol() -> None:
    """T16: the start stays light."""
    script = (
        "import sys, dg_lsp.cli, dg_lsp.server\n"
        "print([m for m in sys.modules if m.split('.')[0] in ('torch', 'transformers', 'numpy', 'engine')])"
    )
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "['engine', 'engine.protocol']"


def test_initialize_advertises_inline_completion_and_code_actions(
    lsp: LspSession, scripted_engine: StartEngine
) -> None:
    """T1: pygls advertises inlineCompletion only when it is registered with options."""
    scripted_engine()
    result = lsp.initialize()
    assert result["serverInfo"]["name"] == "dg-lsp"
    assert result["capabilities"]["inlineCompletionProvider"] == {}
    assert result["capabilities"]["codeActionProvider"] == {
        "codeActionKinds": ["refactor.rewrite"],
        "resolveProvider": True,
    }
    assert result["capabilities"]["textDocumentSync"]["change"] == 2
    assert lsp.leave() == 0


def test_exit_without_shutdown_is_a_failure(lsp: LspSession, start: StartEngine) -> None:
    start()
    lsp.notify("exit")
    assert lsp.process.wait(5) == 1


def test_the_end_of_stdin_ends_the_server_even_in_mid_request(lsp: LspSession, start: StartEngine) -> None:
    """T15: and the engine's work ends with it."""
    engine = start(*SLOW)
    lsp.open(URI, STUB)
    lsp.start_inline(URI, 2, 0, trigger=1)
    eventually(lambda: bool(engine.seen()))
    assert lsp.process.stdin
    lsp.process.stdin.close()
    lsp.process.wait(5)
    eventually(lambda: engine.seen()[0]["end"] == "closed")


def test_the_death_of_the_editor_ends_the_server_although_stdin_stays_open(
    lsp: LspSession, scripted_engine: StartEngine
) -> None:
    """T15."""
    scripted_engine()
    editor = subprocess.Popen(["sleep", "60"])
    lsp.initialize(processId=editor.pid)
    editor.kill()
    editor.wait()
    assert lsp.process.wait(5) == 1


# Bad input


def test_json_that_is_cut_is_answered_and_the_next_message_works(lsp: LspSession, start: StartEngine) -> None:
    start()
    lsp.raw(b'Content-Length: 9\r\n\r\n{"id": 4,')
    assert lsp.response(None)["error"]["code"] == -32700
    lsp.raw(b"Content-Length: 4\r\n\r\n[42]")
    assert lsp.response(None)["error"] == {"code": -32600, "message": "a message must be a JSON-RPC 2.0 object"}
    lsp.open(URI, STUB)
    assert lsp.inline(URI, 2, 0)


def test_a_request_with_unfit_parameters_is_answered_with_what_is_wrong(lsp: LspSession, start: StartEngine) -> None:
    """T13: pygls leaves it without an answer."""
    start()
    params = {"textDocument": {"uri": URI}, "position": position(0, 0)}
    error = lsp.ask("textDocument/inlineCompletion", params)["error"]
    assert error["code"] == -32602
    assert "textDocument/inlineCompletion does not fit the protocol" in error["message"]
    assert "context" in error["message"]


def test_an_inner_object_with_a_key_jsonrpc_is_no_message(lsp: LspSession, start: StartEngine) -> None:
    """T14."""
    start()
    action = {"title": "Fill this function `area`", "data": {"uri": URI, "jsonrpc": "2.0"}}
    assert lsp.ask("codeAction/resolve", action)["result"]["title"] == action["title"]


def test_an_unknown_method_is_an_error(lsp: LspSession, start: StartEngine) -> None:
    start()
    assert lsp.ask("textDocument/nonsense", {})["error"]["code"] == -32601


def test_no_code_of_the_user_is_in_the_log(lsp: LspSession, start: StartEngine) -> None:
    """T11: neither in good times nor when handlers fail."""
    start("--middle", "sesame_middle()")
    lsp.open(URI, "sesame_text = 1\n\n")
    assert lsp.inline(URI, 1, 0)
    lsp.change("file:///never/opened.py", 2, {"text": "sesame_change"})
    lsp.notify("textDocument/didChange", {"textDocument": {"uri": "sesame_uri"}, "contentChanges": "sesame_changes"})
    lsp.ask("textDocument/inlineCompletion", {"textDocument": {"uri": URI}, "position": "sesame_position"})
    bad_data = {"uri": URI, "version": 1, "start": "sesame_start"}
    assert lsp.ask("codeAction/resolve", {"title": "sesame_title", "data": bad_data})["error"]
    lsp.raw(b'Content-Length: 19\r\n\r\n{"sesame_body": 4, ')
    lsp.leave()
    assert "sesame" not in lsp.stderr()


# Documents and positions


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
def test_positions_count_in_the_encoding_that_the_editor_names_first(
    lsp: LspSession, start: StartEngine, encoding: str
) -> None:
    """T17, T3: also a column beyond the end of the last line."""
    general = {"positionEncodings": [encoding, "utf-16"]}
    engine = start(capabilities={**FULL_CAPABILITIES, "general": general})
    lsp.open(URI, "x = '😀é' + ")
    behind_e = {"utf-8": 11, "utf-16": 8, "utf-32": 7}[encoding]
    end = {"utf-8": 15, "utf-16": 12, "utf-32": 11}[encoding]
    (item,) = lsp.inline(URI, 0, behind_e)
    assert item["range"] == {"start": position(0, behind_e), "end": position(0, behind_e)}
    (item,) = lsp.inline(URI, 0, 999)
    assert item["range"] == {"start": position(0, end), "end": position(0, end)}
    assert [fill["request"]["prefix"] for fill in engine.seen()] == ["x = '😀é", "x = '😀é' + "]


def test_edits_behind_unusual_line_characters_land_where_the_editor_means(lsp: LspSession, start: StartEngine) -> None:
    """T2: pygls cuts lines at these characters too and corrupts the text."""
    engine = start()
    lsp.open(URI, "\x0ca = '\u2028\x85\x1c'\nb = 1\n")
    lsp.change(URI, 2, {"range": {"start": position(1, 4), "end": position(1, 5)}, "text": "22"})
    assert lsp.inline(URI, 2, 0)
    assert engine.seen()[0]["request"]["prefix"] == "\x0ca = '\u2028\x85\x1c'\nb = 22\n"


def test_windows_line_ends_reach_the_engine_and_the_editor_as_newlines(lsp: LspSession, start: StartEngine) -> None:
    engine = start("--middle", "one\ntwo")
    lsp.open(URI, "a = 1\r\n\r\nb = 2\r\n")
    (item,) = lsp.inline(URI, 1, 0)
    assert item == {"insertText": "one\ntwo", "range": {"start": position(1, 0), "end": position(1, 0)}}
    assert (engine.seen()[0]["request"]["prefix"], engine.seen()[0]["request"]["suffix"]) == ("a = 1\n", "\nb = 2\n")


@pytest.mark.parametrize("text", ["", "x" * 5_000_000, "y = 1\n" * 850_000])
def test_empty_and_huge_documents_are_served(lsp: LspSession, start: StartEngine, text: str) -> None:
    engine = start()
    lsp.open(URI, text)
    assert lsp.code_actions(URI, 0, 0) == []
    assert lsp.inline(URI, 0, 0)
    assert len(engine.seen()[0]["request"]["suffix"]) <= 2000


# Inline completion


def test_a_request_by_hand_brings_several_items_and_an_automatic_one_the_best(
    lsp: LspSession, start: StartEngine
) -> None:
    engine = start("--middle", "one()", "--middle", "two()", "--middle", "one()")
    lsp.open(URI, STUB)
    assert [item["insertText"] for item in lsp.inline(URI, 2, 0, trigger=1)] == ["one()", "two()"]
    assert [item["insertText"] for item in lsp.inline(URI, 2, 0, trigger=2)] == ["one()"]
    wanted = [[fill["request"][key] for key in ("candidates", "deadline_ms", "priority")] for fill in engine.seen()]
    assert wanted == [[3, 5000, "manual"], [1, 1000, "automatic"]]


def test_blanks_alone_are_not_offered(lsp: LspSession, start: StartEngine) -> None:
    start("--middle", " \n  ")
    lsp.open(URI, STUB)
    assert lsp.inline(URI, 2, 0) is None
    assert "no suggestion: the model has nothing to offer at this place" in lsp.logged()


def test_an_entry_selected_in_the_completion_list_is_extended(lsp: LspSession, start: StartEngine) -> None:
    engine = start("--middle", "(x)")
    lsp.open(URI, "pri\n")
    selected = {"range": {"start": position(0, 0), "end": position(0, 3)}, "text": "print"}
    (item,) = lsp.inline(URI, 0, 3, selectedCompletionInfo=selected)
    assert item == {"insertText": "print(x)", "filterText": "print", "range": selected["range"]}
    assert (engine.seen()[0]["request"]["prefix"], engine.seen()[0]["request"]["suffix"]) == ("print", "\n")


def test_a_document_that_is_not_open_is_answered_with_null_and_a_reason(lsp: LspSession, start: StartEngine) -> None:
    start()
    assert lsp.inline("file:///elsewhere.py", 0, 0) is None
    assert "no suggestion: file:///elsewhere.py is not open" in lsp.logged()


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


def test_a_change_of_the_document_ends_the_work_for_its_old_text(lsp: LspSession, start: StartEngine) -> None:
    engine = start(*SLOW)
    lsp.open(URI, STUB)
    request = lsp.start_inline(URI, 2, 0, trigger=1)
    eventually(lambda: bool(engine.seen()))
    lsp.change(URI, 2, replace_line(2, "# new\n"))
    assert lsp.response(request)["result"] is None
    eventually(lambda: engine.seen()[0]["end"] == "closed")


def test_a_cancelled_request_stops_the_engine_in_mid_work(lsp: LspSession, start: StartEngine) -> None:
    """T8: the client hears -32800, and the engine's request is closed."""
    engine = start(*SLOW)
    lsp.open(URI, STUB)
    request = lsp.start_inline(URI, 2, 0, trigger=1)
    eventually(lambda: bool(engine.seen()) and engine.seen()[0]["steps"] > 2)
    lsp.cancel(request)
    assert lsp.response(request)["error"]["code"] == -32800
    eventually(lambda: engine.seen()[0]["end"] == "closed")
    assert engine.seen()[0]["steps"] < 1000


def test_a_request_cancelled_in_the_same_burst_never_reaches_the_engine(lsp: LspSession, start: StartEngine) -> None:
    """T8."""
    engine = start()
    lsp.open(URI, STUB)
    params = {"textDocument": {"uri": URI}, "position": position(2, 0), "context": {"triggerKind": 2}}
    lsp.raw(message("textDocument/inlineCompletion", params, 77) + message("$/cancelRequest", {"id": 77}))
    assert lsp.response(77)["error"]["code"] == -32800
    assert lsp.inline(URI, 3, 0)
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


# The engine's state


def test_requests_during_the_load_are_answered_with_null_and_a_reason_said_once(
    lsp: LspSession, scripted_engine: StartEngine
) -> None:
    scripted_engine("--load-ms", "1500")
    lsp.initialize()
    lsp.open(URI, STUB)
    assert lsp.inline(URI, 2, 0) is None
    assert lsp.inline(URI, 2, 0, trigger=1) is None
    lsp.until_ready()
    assert lsp.logged().count("no suggestion: the engine is not ready yet") == 1
    assert lsp.inline(URI, 2, 0)
    first = lsp.statuses()[0]
    assert first["message"].startswith("Loading model, ")
    assert (first["busy"], first["kind"]) == (True, "Normal")
    progress = [m["params"]["value"] for m in lsp.received if m.get("method") == "$/progress"]
    assert (progress[0]["kind"], progress[0]["title"], progress[-1]["kind"]) == ("begin", "Loading model", "end")
    percentages = [value["percentage"] for value in progress[:-1]]
    assert percentages == sorted(percentages)
    assert percentages[-1] > 50


def test_an_engine_that_dies_is_told_and_another_one_found_for_the_next_request(
    lsp: LspSession, start: StartEngine, scripted_engine: StartEngine
) -> None:
    start("--die-at-step", "2")
    lsp.open(URI, STUB)
    assert lsp.inline(URI, 2, 0, trigger=1) is None
    status = lsp.wait_for(lambda m: m.get("method") == "didChangeStatus" and m["params"]["kind"] == "Error")
    assert "the engine is gone" in status["params"]["message"]
    lsp.received.clear()
    scripted_engine()
    assert lsp.inline(URI, 2, 0) is None
    lsp.until_ready()
    assert lsp.inline(URI, 2, 0)


def test_a_failure_of_the_engine_is_a_warning_and_the_next_request_works(lsp: LspSession, start: StartEngine) -> None:
    start("--fail-at-step", "1")
    lsp.open(URI, STUB)
    assert lsp.inline(URI, 2, 0) is None
    assert lsp.wait_for(lambda m: m.get("method") == "didChangeStatus" and m["params"]["kind"] == "Warning")
    assert "no suggestion: the script says so" in lsp.logged()


def test_an_engine_that_cannot_load_its_model_is_an_error_in_the_status(
    lsp: LspSession, scripted_engine: StartEngine
) -> None:
    scripted_engine("--load-error", "the model is broken")
    lsp.initialize()
    status = lsp.wait_for(lambda m: m.get("method") == "didChangeStatus" and m["params"]["kind"] == "Error")
    assert "the model is broken" in status["params"]["message"]


# Code actions


def test_fill_this_function_is_offered_in_stubs_alone(lsp: LspSession, start: StartEngine) -> None:
    start()
    lsp.open(URI, STUB)
    (action,) = lsp.code_actions(URI, 1, 4)
    assert action == {
        "title": "Fill this function `area`",
        "kind": "refactor.rewrite",
        "data": {"uri": URI, "version": 1, "start": 29, "end": 33},
        "tags": [1],
    }
    assert lsp.code_actions(URI, 5, 4) == []
    assert lsp.code_actions(URI, 1, 4, only=["refactor"]) == [action]
    assert lsp.code_actions(URI, 1, 4, only=["quickfix"]) == []


def test_the_chosen_action_shows_its_steps_and_brings_a_versioned_edit(lsp: LspSession, start: StartEngine) -> None:
    engine = start("--steps", "4", "--middle", "return width * height")
    lsp.open(URI, STUB, version=7)
    (action,) = lsp.code_actions(URI, 1, 4)
    resolved = lsp.ask("codeAction/resolve", action)["result"]
    span = {"start": position(1, 4), "end": position(1, 8)}
    assert resolved["edit"] == {
        "documentChanges": [
            {
                "textDocument": {"uri": URI, "version": 7},
                "edits": [{"range": span, "newText": "return width * height"}],
            }
        ]
    }
    progress = [m["params"]["value"] for m in lsp.received if m.get("method") == "$/progress"]
    assert [value.get("percentage") for value in progress] == [0, 25, 50, 75, 100, None]
    assert progress[0]["cancellable"] is True
    assert engine.seen()[0]["request"]["prefix"].endswith("height):\n    ")


def test_an_editor_without_the_newer_capabilities_gets_plain_changes_no_tag_and_no_progress(
    lsp: LspSession, start: StartEngine
) -> None:
    start("--middle", "return 0", capabilities={})
    lsp.open(URI, STUB)
    (action,) = lsp.code_actions(URI, 1, 4)
    assert "tags" not in action
    span = {"start": position(1, 4), "end": position(1, 8)}
    resolved = lsp.ask("codeAction/resolve", action)["result"]
    assert resolved["edit"] == {"changes": {URI: [{"range": span, "newText": "return 0"}]}}
    assert not [m for m in lsp.received if m["method"] in ("$/progress", "window/workDoneProgress/create")]


def test_an_action_chosen_after_a_change_finds_its_function_again(lsp: LspSession, start: StartEngine) -> None:
    start("--middle", "return 0")
    lsp.open(URI, STUB)
    (action,) = lsp.code_actions(URI, 1, 4)
    lsp.change(URI, 2, {"range": {"start": position(0, 0), "end": position(0, 0)}, "text": "import os\n\n"})
    (change,) = lsp.ask("codeAction/resolve", action)["result"]["edit"]["documentChanges"]
    assert change["textDocument"]["version"] == 2
    assert change["edits"][0]["range"]["start"] == position(3, 4)


def test_an_action_whose_function_is_gone_brings_no_edit_and_says_so(lsp: LspSession, start: StartEngine) -> None:
    start()
    lsp.open(URI, STUB)
    (action,) = lsp.code_actions(URI, 1, 4)
    lsp.change(URI, 2, {"text": "x = 1\n"})
    assert "edit" not in lsp.ask("codeAction/resolve", action)["result"]
    assert lsp.shown() == ["The document changed: choose the action again."]


def test_an_action_works_on_the_text_of_its_moment(lsp: LspSession, start: StartEngine) -> None:
    """A change that comes in the same burst is later than the request."""
    engine = start()
    lsp.open(URI, STUB)
    (action,) = lsp.code_actions(URI, 1, 4)
    change = {"textDocument": {"uri": URI, "version": 2}, "contentChanges": [{"text": "x = 1\n"}]}
    lsp.raw(message("codeAction/resolve", action, 88) + message("textDocument/didChange", change))
    assert "edit" not in lsp.response(88)["result"]
    assert engine.seen()[0]["request"]["prefix"].startswith("def area")
    assert lsp.shown() == ["The document changed while `area` was being filled: try again."]


def test_a_cancelled_progress_stops_the_work_and_leaves_the_action_without_edit(
    lsp: LspSession, start: StartEngine
) -> None:
    """T20."""
    engine = start(*SLOW)
    lsp.open(URI, STUB)
    (action,) = lsp.code_actions(URI, 1, 4)
    request = lsp.send("codeAction/resolve", action)
    token = lsp.wait_for(lambda m: m.get("method") == "$/progress")["params"]["token"]
    eventually(lambda: bool(engine.seen()))
    lsp.notify("window/workDoneProgress/cancel", {"token": token})
    assert "edit" not in lsp.response(request)["result"]
    eventually(lambda: engine.seen()[0]["end"] == "closed")


def test_a_late_reply_to_a_progress_that_nobody_waits_for_does_no_harm(lsp: LspSession, start: StartEngine) -> None:
    """T10: without a shield the reply raises in the server."""
    start()
    lsp.open(URI, STUB)
    (action,) = lsp.code_actions(URI, 1, 4)
    lsp.answers["window/workDoneProgress/create"] = NO_ANSWER
    request = lsp.send("codeAction/resolve", action)
    create = lsp.wait_for(lambda m: m.get("method") == "window/workDoneProgress/create")
    lsp.cancel(request)
    assert lsp.response(request)["error"]["code"] == -32800
    body = json.dumps({"jsonrpc": "2.0", "id": create["id"], "result": None}).encode()
    lsp.raw(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
    lsp.answers.clear()
    assert "edit" in lsp.ask("codeAction/resolve", action)["result"]
    assert lsp.leave() == 0
    assert lsp.shown() == []
    assert lsp.stderr() == ""


# Settings


def test_settings_come_from_the_options_and_then_from_the_configuration(
    lsp: LspSession, scripted_engine: StartEngine
) -> None:
    engine = scripted_engine()
    workspace = {"configuration": True, "didChangeConfiguration": {"dynamicRegistration": True}}
    lsp.answers["workspace/configuration"] = [{"inline": {"deadline_ms": 222}}]
    lsp.initialize(
        {**FULL_CAPABILITIES, "workspace": workspace},
        initializationOptions={"inline": {"max_tokens": 11, "deadline_ms": 111}},
    )
    lsp.until_ready()
    lsp.open(URI, STUB)
    assert lsp.inline(URI, 2, 0)
    request = engine.seen()[0]["request"]
    assert (request["max_tokens"], request["deadline_ms"]) == (11, 222)

    lsp.wait_for(lambda m: m.get("method") == "client/registerCapability")
    lsp.answers["workspace/configuration"] = [{"inline": {"enabled": False}}]
    lsp.received.clear()
    lsp.notify("workspace/didChangeConfiguration", {"settings": None})
    lsp.wait_for(lambda m: m.get("method") == "workspace/configuration")
    assert lsp.inline(URI, 2, 0) is None
    assert "no suggestion: automatic ones are turned off (dg.inline.enabled)" in lsp.logged()
    assert lsp.inline(URI, 2, 0, trigger=1)


def test_a_wrong_setting_is_reported_once_in_the_log(lsp: LspSession, scripted_engine: StartEngine) -> None:
    scripted_engine()
    lsp.answers["workspace/configuration"] = [{"inline": {"deadline_ms": "soon"}}]
    capabilities = {"workspace": {"configuration": True}}
    lsp.initialize(capabilities, initializationOptions={"inline": {"deadline_ms": "soon"}, "speed": 9})
    lsp.until_ready()
    assert lsp.logged() == [
        'dg.inline.deadline_ms takes a whole number from 1 up, not "soon"; it stays 1000',
        "unknown setting dg.speed (known here: engine, inline, function)",
    ]
