"""The language server as an editor meets it: raw JSON-RPC to a real `dg-lsp` process.

The engine is the scripted one, for control over time; T… are the traps of pygls that a test guards against.
"""

from __future__ import annotations

import subprocess
import sys

import pytest
from lsp_session import FULL_CAPABILITIES, SLOW, STUB, URI, LspSession, StartEngine, eventually, position

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
    """T1: pygls advertises inlineCompletion only when it is registered with options.

    T19: no warning that pygls draws from a newer Python reaches the editor's log.
    """
    scripted_engine()
    result = lsp.initialize()
    assert result["serverInfo"]["name"] == "dg-lsp"
    assert result["capabilities"]["inlineCompletionProvider"] == {}
    assert result["capabilities"]["codeActionProvider"] == {
        "codeActionKinds": ["refactor.rewrite", "quickfix"],
        "resolveProvider": True,
    }
    assert result["capabilities"]["textDocumentSync"]["change"] == 2
    assert lsp.leave() == 0
    assert lsp.stderr() == ""


def test_a_cancellation_that_crossed_its_answer_is_passed_over_in_silence(
    lsp: LspSession, scripted_engine: StartEngine
) -> None:
    scripted_engine()
    lsp.initialize()
    request = lsp.send("dg/status")
    lsp.response(request)
    lsp.cancel(request)
    assert lsp.leave() == 0
    assert lsp.stderr() == ""


def test_a_request_after_shutdown_is_refused(lsp: LspSession, start: StartEngine) -> None:
    start()
    lsp.ask("shutdown")
    assert lsp.ask("dg/status")["error"] == {"code": -32600, "message": "the server was shut down"}
    lsp.notify("exit")
    assert lsp.process.wait(20) == 0


def test_exit_without_shutdown_is_a_failure(lsp: LspSession, start: StartEngine) -> None:
    start()
    lsp.notify("exit")
    assert lsp.process.wait(20) == 1


def test_the_end_of_stdin_ends_the_server_even_in_mid_request(lsp: LspSession, start: StartEngine) -> None:
    """T15: and the engine's work ends with it."""
    engine = start(*SLOW)
    lsp.open(URI, STUB)
    lsp.start_inline(URI, 2, 0, trigger=1)
    eventually(lambda: bool(engine.seen()))
    assert lsp.process.stdin
    lsp.process.stdin.close()
    lsp.process.wait(20)
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
    assert lsp.process.wait(20) == 1


def test_running_fills_leave_the_server_free_for_other_requests(server: LspSession, script: StartEngine) -> None:
    """T5, T6: no handler holds the loop or the pool of threads through which stdin is read."""
    engine = script(*SLOW)
    for number in range(8):
        server.open(f"file:///tmp/{number}.py", STUB)
        server.start_inline(f"file:///tmp/{number}.py", 2, 0, trigger=1)
    eventually(lambda: len(engine.seen()) == 8)
    assert server.code_actions("file:///tmp/0.py", 1, 4)
    assert {fill["end"] for fill in engine.seen()} == {"running"}


# Bad input


def test_json_that_is_cut_is_answered_and_the_next_message_works(server: LspSession, script: StartEngine) -> None:
    script()
    server.raw(b'Content-Length: 9\r\n\r\n{"id": 4,')
    assert server.response(None)["error"]["code"] == -32700
    server.raw(b"Content-Length: 4\r\n\r\n[42]")
    assert server.response(None)["error"] == {"code": -32600, "message": "a message must be a JSON-RPC 2.0 object"}
    server.open(URI, STUB)
    assert server.inline(URI, 2, 0)


def test_a_request_with_unfit_parameters_is_answered_with_what_is_wrong(
    server: LspSession, script: StartEngine
) -> None:
    """T13: pygls leaves it without an answer."""
    script()
    params = {"textDocument": {"uri": URI}, "position": position(0, 0)}
    error = server.ask("textDocument/inlineCompletion", params)["error"]
    assert error["code"] == -32602
    assert "textDocument/inlineCompletion does not fit the protocol" in error["message"]
    assert "context" in error["message"]


def test_null_for_a_version_or_a_range_loses_no_edit(server: LspSession, script: StartEngine) -> None:
    """T12: what older editors send for "not there"."""
    engine = script()
    item = {"uri": URI, "languageId": "python", "version": None, "text": "a = 1\n"}
    server.notify("textDocument/didOpen", {"textDocument": item})
    whole = {"range": None, "rangeLength": None, "text": "b = 2\n"}
    part = {"range": {"start": position(0, 4), "end": position(0, 5)}, "text": "33"}
    document = {"uri": URI, "version": None}
    server.notify("textDocument/didChange", {"textDocument": document, "contentChanges": [whole, part]})
    assert server.inline(URI, 1, 0)
    assert engine.seen()[0]["request"]["prefix"] == "b = 33\n"
    assert server.logged() == []


def test_an_inner_object_with_a_key_jsonrpc_is_no_message(server: LspSession, script: StartEngine) -> None:
    """T14."""
    script()
    action = {"title": "Fill this function `area`", "data": {"uri": URI, "jsonrpc": "2.0"}}
    assert server.ask("codeAction/resolve", action)["result"]["title"] == action["title"]


def test_an_unknown_method_is_an_error(server: LspSession, script: StartEngine) -> None:
    script()
    assert server.ask("textDocument/nonsense", {})["error"]["code"] == -32601


def test_no_code_of_the_user_is_in_the_log(lsp: LspSession, start: StartEngine) -> None:
    """T11: neither in good times nor when handlers fail."""
    start("--middle", "sesame_middle()")
    lsp.open(URI, "sesame_text = 1\n\n")
    assert lsp.inline(URI, 1, 0)
    lsp.change("file:///never/opened.py", 2, {"text": "sesame_change"})
    lsp.notify("textDocument/didChange", {"textDocument": {"uri": "sesame_uri"}, "contentChanges": "sesame_changes"})
    lsp.ask("textDocument/inlineCompletion", {"textDocument": {"uri": URI}, "position": "sesame_position"})
    bad_data = {"uri": URI, "version": 1, "start": "sesame_start"}
    assert "edit" not in lsp.ask("codeAction/resolve", {"title": "sesame_title", "data": bad_data})["result"]
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


# The engine's state


def test_requests_during_the_load_are_answered_with_null_and_a_reason_said_once(
    lsp: LspSession, scripted_engine: StartEngine
) -> None:
    scripted_engine("--load-ms", "1000000")
    lsp.initialize()
    lsp.open(URI, STUB)
    assert lsp.inline(URI, 2, 0) is None
    assert lsp.inline(URI, 2, 0) is None
    scripted_engine("--load-ms", "1500")
    assert lsp.inline(URI, 2, 0, trigger=1), "a request by hand waits"
    assert lsp.logged().count("no suggestion: the engine is not ready yet") == 1
    first, second = lsp.statuses()[:2]
    assert first == {"busy": True, "message": "Starting the engine", "kind": "Normal"}
    assert second["message"].startswith("Loading model, ")
    assert (second["busy"], second["kind"]) == (True, "Normal")
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
