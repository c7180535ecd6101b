"""What clients send that the protocol does not have: raw bytes to a real `dg-lsp` process, with the scripted engine."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
from lsp_session import (
    FULL_CAPABILITIES,
    STUB,
    URI,
    LspSession,
    Message,
    StartEngine,
    framed,
    message,
    position,
)

NOWHERE = {"line": None, "character": None}
ACTIONS = ["Fill this function `area`", "Write a docstring for `area`", "Fill all gaps in this file"]


def titles(server: LspSession, context: Any) -> list[str]:
    params = {
        "textDocument": {"uri": URI},
        "range": {"start": position(0, 4), "end": position(0, 4)},
        "context": context,
    }
    return [action["title"] for action in server.ask("textDocument/codeAction", params)["result"]]


# What nobody here uses


@pytest.mark.parametrize(
    "context",
    [
        {"diagnostics": [{"message": "x", "range": {"start": NOWHERE, "end": NOWHERE}}]},
        {"diagnostics": [{"message": "x", "range": {"start": position(0, 0), "end": position(2**32 - 1, 0)}}]},
        {"diagnostics": [{"severity": 0, "tags": [3], "range": {"start": position(0, 0), "end": position(0, 0)}}]},
        {"diagnostics": [], "triggerKind": 0},
    ],
    ids=["null lines", "an endless range", "no severity", "no trigger"],
)
def test_entries_of_other_tools_lose_no_action(server: LspSession, script: StartEngine, context: Message) -> None:
    script()
    server.open(URI, STUB)
    assert titles(server, context) == titles(server, {"diagnostics": []}) == ACTIONS


def test_a_trace_that_nobody_knows_is_no_error(lsp: LspSession, scripted_engine: StartEngine) -> None:
    scripted_engine()
    assert lsp.initialize(trace="compact")["capabilities"]
    lsp.notify("$/setTrace", {"value": "compact"})
    lsp.until_ready()
    assert lsp.shown() == lsp.logged() == []


@pytest.mark.parametrize("params", [{}, {"params": None}, {"params": {}}, {"params": []}], ids=str)
def test_no_parameters_are_as_good_as_empty_ones(
    lsp: LspSession, scripted_engine: StartEngine, params: Message
) -> None:
    scripted_engine()
    lsp.answers["workspace/configuration"] = [{"inline": {"max_tokens": 7}}]
    workspace = {"configuration": True}
    lsp.ask("initialize", {"processId": None, "rootUri": None, "capabilities": {"workspace": workspace}})
    lsp.raw(framed({"jsonrpc": "2.0", "method": "initialized", **params}))
    lsp.wait_for(lambda m: m["method"] == "workspace/configuration")
    lsp.until_ready()
    lsp.received.clear()
    lsp.raw(framed({"jsonrpc": "2.0", "method": "workspace/didChangeConfiguration", **params}))
    lsp.wait_for(lambda m: m["method"] == "workspace/configuration")
    lsp.raw(framed({"jsonrpc": "2.0", "id": 1000, "method": "dg/status", **params}))
    assert lsp.response(1000)["result"]["state"] == "ready"
    lsp.raw(framed({"jsonrpc": "2.0", "id": 1001, "method": "shutdown", **params}))
    assert lsp.response(1001)["result"] is None
    lsp.raw(framed({"jsonrpc": "2.0", "method": "exit", **params}))
    assert lsp.process.wait(20) == 0
    assert lsp.shown() == []
    assert lsp.stderr() == ""


def test_an_answer_may_name_an_error_that_is_null_or_leave_out_a_result_that_is(
    lsp: LspSession, scripted_engine: StartEngine
) -> None:
    engine = scripted_engine()
    lsp.initialize({**FULL_CAPABILITIES, "workspace": {"configuration": True}})
    question = lsp.wait_for(lambda m: m["method"] == "workspace/configuration")
    answer = {"jsonrpc": "2.0", "id": question["id"], "error": None}
    lsp.raw(framed({**answer, "result": [{"inline": {"max_tokens": 7}}]}))
    lsp.until_ready()
    lsp.open(URI, STUB)
    lsp.inline(URI, 2, 0)
    assert engine.seen()


# What is used


def test_an_edit_that_cannot_be_read_is_told_and_what_is_no_document_is_only_logged(
    server: LspSession, script: StartEngine
) -> None:
    script()
    server.notify("$/cancelRequest", {"id": {}})
    server.open(URI, STUB)
    server.change(URI, 2, {"range": {"start": NOWHERE, "end": NOWHERE}, "text": ""})
    server.wait_for(lambda m: m["method"] == "window/showMessage")
    assert [line.split(":")[0] for line in server.logged()] == [
        "$/cancelRequest does not fit the protocol",
        "textDocument/didChange does not fit the protocol",
    ]
    (shown,) = server.shown()
    assert shown.endswith(". Close the file and open it again.")


@pytest.mark.parametrize("identity", [None, {}, [1], True, 1.5], ids=str)
def test_a_request_without_an_id_is_refused(server: LspSession, script: StartEngine, identity: Any) -> None:
    script()
    server.raw(framed({"jsonrpc": "2.0", "id": identity, "method": "dg/status", "params": {}}))
    answer = server.response(None)
    assert answer["error"] == {"code": -32600, "message": "the id of a message must be a number or a string"}


# Addresses and languages


@pytest.mark.parametrize("uri", ["term://[bash]/x.py", "file://[/x.py", "file:///\ud800.py", f"file:///{'x' * 300}.py"])
def test_any_address_is_served(server: LspSession, script: StartEngine, uri: str) -> None:
    script("--middle", "return 0")
    server.open(uri, STUB)
    assert server.inline(uri, 2, 0)
    action, *_ = server.code_actions(uri, 1, 4)
    (change,) = server.ask("codeAction/resolve", action)["result"]["edit"]["documentChanges"]
    assert change["textDocument"]["uri"] == uri
    assert "status" in server.ask("workspace/executeCommand", {"command": "dg.explain", "arguments": [uri]})["result"]


@pytest.mark.parametrize("root", [{"rootUri": "term://[bash]"}, {"rootUri": None, "rootPath": "//"}], ids=str)
def test_any_root_is_taken(lsp: LspSession, start: StartEngine, root: Message) -> None:
    start(**root, workspaceFolders=[{"uri": "term://[bash]"}])
    lsp.open(URI, STUB)
    assert lsp.inline(URI, 2, 0)


@pytest.mark.parametrize(
    ("language", "name", "text"),
    [
        ("Python", "a.py", STUB),
        ("", "a.py", STUB),
        ("plaintext", "a.py", STUB),
        ("tsx", "a.tsx", "function area(width: number) {\n}\n"),
        ("c++", "a.cc", "int area(int width) {\n}\n"),
        ("golang", "Untitled-1", "func area(width int) int {\n}\n"),
    ],
)
def test_a_language_is_known_by_other_names_too(
    server: LspSession, script: StartEngine, language: str, name: str, text: str
) -> None:
    engine = script("--middle", "x")
    server.open(f"file:///tmp/{name}", text, language)
    titles = [action["title"] for action in server.code_actions(f"file:///tmp/{name}", 0, 6)]
    assert titles[:2] == ACTIONS[:2]
    server.inline(f"file:///tmp/{name}", 2, 0, trigger=1)
    assert engine.seen()[0]["request"]["language"] in ("python", "typescriptreact", "cpp", "go")


# Headers


@pytest.mark.parametrize("header", [b"content-length:%d\n\n", b"Content-Length:\t %d \r\n\r\n"])
def test_a_message_is_read_however_its_header_is_written(
    server: LspSession, script: StartEngine, header: bytes
) -> None:
    script()
    _, _, body = message("dg/status", None, 1000).partition(b"\r\n\r\n")
    server.raw(header % len(body) + body)
    assert server.response(1000)["result"]


def test_a_malformed_header_ends_the_server_with_one_line(lsp: LspSession, start: StartEngine) -> None:
    start()
    lsp.raw(b"Content-Length: abc\r\n\r\n{}")
    assert lsp.process.wait(20) == 1
    why = "the number in a Content-Length header cannot be read"
    assert lsp.stderr() == f"dg-lsp: {why}: no further message can be read, so the server ends\n"


# The end


@pytest.mark.parametrize("last", [("exit",), ("shutdown", "exit")], ids=str)
def test_the_server_leaves_quietly_in_mid_work(
    lsp: LspSession, scripted_engine: StartEngine, last: tuple[str, ...]
) -> None:
    scripted_engine("--load-ms", "1000000")
    lsp.raw(message("initialize", {"processId": None, "rootUri": None, "capabilities": FULL_CAPABILITIES}, 1))
    lsp.notify("initialized", {})
    lsp.open(URI, STUB)
    lsp.start_inline(URI, 2, 0, trigger=1)
    lsp.raw(b"".join(message(method, None, 2 if method == "shutdown" else None) for method in last))
    assert lsp.process.wait(60) == 2 - len(last)
    assert lsp.stderr() == ""


def test_no_line_of_the_log_has_a_blank_to_be_filled(lsp: LspSession, start: StartEngine) -> None:
    start()
    lsp.notify("workspace/nonsense", {"text": "sesame"})
    lsp.ask("textDocument/nonsense", {"text": "sesame"})
    lsp.raw(framed({"jsonrpc": "2.0", "id": "sesame", "result": None}))
    lsp.leave()
    log = lsp.stderr()
    assert "workspace/nonsense" in log
    assert "textDocument/nonsense" in log
    assert "%" not in log
    assert "sesame" not in log


# The command line


@pytest.mark.parametrize("words", [("--clientProcessId={}",), ("--stdio", "--clientProcessId", "{}")], ids=str)
def test_the_server_ends_with_the_process_that_its_command_line_names(lsp_with: Any, words: tuple[str, ...]) -> None:
    editor = subprocess.Popen(["sleep", "600"])
    lsp = lsp_with(*(word.format(editor.pid) for word in words))
    lsp.initialize()
    editor.kill()
    editor.wait()
    assert lsp.process.wait(20) == 1
    assert lsp.stderr() == ""


def test_flags_of_other_servers_are_named_and_passed_over(lsp_with: Any) -> None:
    lsp = lsp_with("--stdio", "--log-level", "debug", "--no-colour")
    assert lsp.initialize()["capabilities"]
    assert lsp.leave() == 0
    assert lsp.stderr() == "dg-lsp: unknown options are passed over: --log-level debug --no-colour\n"
