"""Rows about messages, headers, addresses, the command line and the engine's process."""

from __future__ import annotations

import shutil
import subprocess
import time
from functools import partial

import httpx

from tests.cases.case import Came, Case, Document, by_hand, filled, opened, titles
from tests.cases.world import PATIENCE_S, World, dg_engine
from tests.e2e.lsp_session import (
    FULL_CAPABILITIES,
    LspSession,
    Message,
    eventually,
    framed,
    message,
    position,
    short_folder,
)

STUB = "def empt|y(a, b):\n    pass\n"
NOWHERE = {"line": None, "character": None}
TOP = position(0, 0)
ONE_LINE = {"message": "x", "range": {"start": TOP, "end": TOP}}
CONTEXTS: dict[str, Message] = {
    "null lines": {"diagnostics": [{"message": "x", "range": {"start": NOWHERE, "end": NOWHERE}}]},
    "severity 0": {"diagnostics": [{**ONE_LINE, "severity": 0}]},
    "tags [3]": {"diagnostics": [{**ONE_LINE, "tags": [3]}]},
    "end line 4294967295": {"diagnostics": [{"message": "x", "range": {"start": TOP, "end": position(2**32 - 1, 0)}}]},
    "triggerKind 0": {"diagnostics": [], "triggerKind": 0},
}
NO_PARAMS: dict[str, Message] = {"no params": {}, "null": {"params": None}, "{}": {"params": {}}}
HEADERS = {
    "content-length: N": b"content-length: %d\r\n\r\n",
    "two blanks": b"Content-Length:  %d\r\n\r\n",
    "a tab": b"Content-Length:\t%d\r\n\r\n",
    "no blank": b"Content-Length:%d\r\n\r\n",
    "a trailing blank": b"Content-Length: %d \r\n\r\n",
    "LF-only ends": b"Content-Length: %d\n\n",
}
TERMINAL = "term://[bash]/x.py"


def _answer(editor: LspSession, request: int | None) -> Message:
    return editor.response(request, PATIENCE_S)


def _trace(world: World) -> Came:
    editor = world.server(folder=world.scripted_folder)
    params = {"processId": None, "rootUri": None, "capabilities": FULL_CAPABILITIES, "trace": "compact"}
    answer = _answer(editor, editor.send("initialize", params))
    if "error" in answer:
        return Came(f"error {answer['error']['code']}", False)
    editor.notify("$/setTrace", {"value": "compact"})
    _answer(editor, editor.send("dg/status", {}))
    return Came(f"accepted, shown: {editor.shown()}", not editor.shown())


def _context(context: Message, world: World) -> Came:
    document = opened(world.editor, STUB)
    came, wanted = titles(world.editor, document, context), titles(world.editor, document)
    return Came(f"{len(came)} actions, {len(wanted)} with an empty list", came == wanted)


def _status(params: Message, world: World) -> Came:
    editor = world.editor
    editor.raw(framed({"jsonrpc": "2.0", "id": 99_999, "method": "dg/status", **params}))
    answer = _answer(editor, 99_999)
    return Came(str(answer.get("error") or answer["result"]["state"]), "result" in answer)


def _configuration(params: Message, world: World) -> Came:
    world.scripted.start()
    editor = world.server(folder=world.scripted_folder)
    editor.answers["workspace/configuration"] = [{}]
    capabilities = {**FULL_CAPABILITIES, "workspace": {"configuration": True}}
    begin = {"processId": None, "rootUri": None, "capabilities": capabilities}
    _answer(editor, editor.send("initialize", begin))
    begun = time.monotonic()
    asked = 0
    for method in ("initialized", "workspace/didChangeConfiguration"):
        editor.received.clear()
        editor.raw(framed({"jsonrpc": "2.0", "method": method, **params}))
        try:
            editor.wait_for(lambda m: m["method"] == "workspace/configuration")
            asked += 1
        except AssertionError:
            pass
    _answer(editor, editor.start_inline(*opened(editor, "x = |\n"), trigger=2))
    took = time.monotonic() - begun
    right = asked == 2 and not editor.shown()
    return Came(f"asked {asked} times, first answer after {took:.1f} s, shown: {editor.shown()}", right)


def _header(header: bytes, world: World) -> Came:
    _, _, body = message("dg/status", {}, 99_999).partition(b"\r\n\r\n")
    editor = world.server(folder=world.scripted_folder)
    editor.raw(message("initialize", {"processId": None, "rootUri": None, "capabilities": {}}, 1))
    _answer(editor, 1)
    editor.raw(header % len(body) + body)
    return Came("read" if "result" in editor.response(99_999) else "refused", True)


def _malformed(world: World) -> Came:
    editor = world.server(folder=world.scripted_folder)
    editor.raw(b"Content-Length: abc\r\n\r\n{}")
    status = editor.process.wait(PATIENCE_S)
    lines = editor.stderr().splitlines()
    return Came(f"exit {status}, {lines}", len(lines) == 1)


def _client_process(world: World) -> Came:
    process = subprocess.Popen(["sleep", "600"])
    try:
        editor = world.server("--stdio", f"--clientProcessId={process.pid}", folder=world.scripted_folder)
        params: Message = {"processId": None, "rootUri": None, "capabilities": {}}
        served = "result" in _answer(editor, editor.send("initialize", params))
    finally:
        process.kill()
        process.wait()
    status = editor.process.wait(PATIENCE_S)
    return Came(f"{'served' if served else 'refused'}, exit {status} with that process", served)


def _address(what: str, world: World) -> Came:
    editor = world.says("return 0")
    document: Document = opened(editor, "def empty(a, b):\n    |pass\n", uri=TERMINAL)
    if what == "resolve":
        text = filled(editor, document)
        return Came(repr(text), text == "return 0")
    if what == "dg.explain":
        request = editor.send("workspace/executeCommand", {"command": "dg.explain", "arguments": [TERMINAL]})
        answer = _answer(editor, request)
        return Came("an error" if "error" in answer else "told", "result" in answer)
    texts = by_hand(editor, document)
    return Came(repr(texts), bool(texts))


def _post(body: bytes, status: int, named: str, world: World) -> Came:
    world.editor  # noqa: B018  (its engine answers)
    transport = httpx.HTTPTransport(uds=str(world.folder / "engine.sock"))
    with httpx.Client(transport=transport, base_url="http://engine", timeout=PATIENCE_S) as client:
        answer = client.post("/v1/completions", content=body)
    said = answer.json().get("error", {}).get("message", "")
    return Came(f"{answer.status_code} {said}".strip(), answer.status_code == status and named in said)


def _null_id(world: World) -> Came:
    editor = world.editor
    editor.raw(framed({"jsonrpc": "2.0", "id": None, "method": "dg/status", "params": {}}))
    answer = _answer(editor, None)
    return Came(str(answer.get("error")), answer.get("error", {}).get("code") == -32600)


def _deleted_folder(world: World) -> Came:
    with short_folder() as folder:
        engines = []
        for _ in range(2):
            shutil.rmtree(folder)
            folder.mkdir()  # the server is started in it
            server = world.ready(world.server(folder=folder), FULL_CAPABILITIES)
            engines.append(_answer(server, server.send("dg/status", {}))["result"]["engine_pid"])
        try:
            eventually(lambda: not _is_alive(engines[0]), "the first engine leaves", 30)
            left = 1
        except AssertionError:
            left = 2
        dg_engine(folder, "stop")
        if left == 2:
            subprocess.run(["kill", str(engines[0])], check=False)
        return Came(f"{left} engines", left == 1)


def _is_alive(pid: int) -> bool:
    return subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout[:1] not in "Z"


HALF = rb'{"prompt": "x = 1  # \ud83d\n", "max_tokens": 4}'

CASES = [
    Case("2a", "trace compact", _trace),
    *(Case("2b", f"code action, {name}", partial(_context, context)) for name, context in CONTEXTS.items()),
    *(Case("2c", f"dg/status, {name}", partial(_status, params)) for name, params in NO_PARAMS.items()),
    *(
        Case("2c", f"initialized and didChangeConfiguration, {name}", partial(_configuration, params))
        for name, params in NO_PARAMS.items()
    ),
    *(Case("3", name, partial(_header, header)) for name, header in HEADERS.items()),
    Case("3", "Content-Length: abc", _malformed),
    Case("4", "--stdio --clientProcessId=PID", _client_process),
    *(Case("11", f"{TERMINAL}, {what}", partial(_address, what)) for what in ("by hand", "resolve", "dg.explain")),
    Case("12a", "half a surrogate pair in a prompt", partial(_post, HALF, 200, "")),
    Case("12a", "no prompt", partial(_post, b'{"suffix": ""}', 400, "field 'prompt'")),
    Case("12b", '"id": null', _null_id),
    Case("12c", "the runtime folder is deleted", _deleted_folder),
]
