"""A small LSP client that speaks raw JSON-RPC to a real `dg-lsp` process, and a starter for the scripted engine."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any, TypeVar

import httpx

Message = dict[str, Any]
_T = TypeVar("_T")

WITHIN_S = 60.0  # a busy machine may be slow
URI = "file:///tmp/sample.py"
STUB = "def area(width, height):\n    pass\n\n\ndef other():\n    return 1\n"
SLOW = ("--steps", "1000", "--step-ms", "10")
"""Of the scripted engine: a fill that does not end by itself."""

# By hand: the clients that pytest-lsp imitates know no inline completion (T18).
FULL_CAPABILITIES: Message = {
    "general": {"positionEncodings": ["utf-16"]},
    "window": {"workDoneProgress": True},
    "workspace": {"workspaceEdit": {"documentChanges": True}},
    "textDocument": {
        "inlineCompletion": {},
        "codeAction": {
            "codeActionLiteralSupport": {"codeActionKind": {"valueSet": [""]}},
            "dataSupport": True,
            "resolveSupport": {"properties": ["edit"]},
            "tagSupport": {"valueSet": [1]},
        },
    },
}


def position(line: int, character: int) -> Message:
    return {"line": line, "character": character}


def replace_line(line: int, text: str) -> Message:
    return {"range": {"start": position(line, 0), "end": position(line + 1, 0)}, "text": text}


def message(method: str, params: Any, request: int | None = None) -> bytes:
    """A request, or a notification, as it goes over the wire."""
    identity = {} if request is None else {"id": request}
    return framed({"jsonrpc": "2.0", **identity, "method": method, "params": params})


def framed(content: Message) -> bytes:
    body = json.dumps(content).encode()
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


class LspSession:
    """One `dg-lsp` process. Requests of the server are answered by `answers[method]` (default null) and kept."""

    def __init__(
        self,
        runtime_folder: Path,
        arguments: tuple[str, ...] = (),
        more_environment: dict[str, str] | None = None,
    ) -> None:
        environment = {**os.environ, "DG_RUNTIME_DIR": str(runtime_folder), "XDG_DATA_HOME": str(runtime_folder)}
        environment |= more_environment or {}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "dg_lsp", *arguments],
            env=environment,
            cwd=runtime_folder,  # not where packages lie that `-m` would import
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.answers: dict[str, Any] = {}
        self.received: list[Message] = []  # notifications and requests of the server, oldest first
        self.answered: list[tuple[Any, float]] = []  # the id of each answer of the server, and when it came
        self._responses: dict[Any, Message] = {}
        self._incoming: Queue[Message | None] = Queue()
        self._next_id = 0
        self._opened: set[str] = set()
        self._stderr: list[bytes] = []
        Thread(target=self._read_stdout, daemon=True).start()
        self._stderr_reader = Thread(target=self._read_stderr, daemon=True)
        self._stderr_reader.start()

    def initialize(self, capabilities: Message | None = None, **params: Any) -> Message:
        """`initialize` and `initialized`; the answer's result."""
        capabilities = FULL_CAPABILITIES if capabilities is None else capabilities
        body = {"processId": None, "rootUri": None, "capabilities": capabilities, **params}
        result: Message = self.ask("initialize", body)["result"]
        self.notify("initialized", {})
        return result

    def until_ready(self, within_s: float = 20) -> None:
        def says_so(m: Message) -> bool:
            return m["method"] == "didChangeStatus" and str(m["params"]["message"]).startswith("Ready")

        self.wait_for(says_so, within_s)

    def open(self, uri: str, text: str, language: str = "python", version: int = 1) -> None:
        item = {"uri": uri, "languageId": language, "version": version, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": item})
        self._opened.add(uri)

    def start_anew(self) -> None:
        """Close what is open and forget what was received."""
        while self._opened:
            self.notify("textDocument/didClose", {"textDocument": {"uri": self._opened.pop()}})
        self.ask("shared/noSuchMethod")  # what was sent before comes before its answer
        self.received.clear()

    def change(self, uri: str, version: int, *changes: Message) -> None:
        document = {"uri": uri, "version": version}
        self.notify("textDocument/didChange", {"textDocument": document, "contentChanges": list(changes)})

    def start_inline(self, uri: str, line: int, character: int, trigger: int = 2, **context: Any) -> int:
        """Send an inlineCompletion request (trigger 1: by hand, 2: automatic); its id."""
        return self.send(
            "textDocument/inlineCompletion",
            {
                "textDocument": {"uri": uri},
                "position": position(line, character),
                "context": {"triggerKind": trigger, **context},
            },
        )

    def inline(self, uri: str, line: int, character: int, trigger: int = 2, **context: Any) -> Any:
        return self.response(self.start_inline(uri, line, character, trigger, **context))["result"]

    def code_actions(self, uri: str, line: int, character: int, **context: Any) -> list[Message]:
        here = {"start": position(line, character), "end": position(line, character)}
        params = {"textDocument": {"uri": uri}, "range": here, "context": {"diagnostics": [], **context}}
        result: list[Message] = self.ask("textDocument/codeAction", params)["result"]
        return result

    def ask(self, method: str, params: Any = None) -> Message:
        return self.response(self.send(method, params))

    def send(self, method: str, params: Any = None) -> int:
        self._next_id += 1
        self._write({"jsonrpc": "2.0", "id": self._next_id, "method": method, "params": params})
        return self._next_id

    def notify(self, method: str, params: Any = None) -> None:
        self._write({"jsonrpc": "2.0", "method": method, "params": params})

    def cancel(self, request: int) -> None:
        self.notify("$/cancelRequest", {"id": request})

    def response(self, request: int | None, within_s: float = 20) -> Message:
        self._read_until(lambda: request in self._responses, within_s, f"no answer to request {request}")
        return self._responses.pop(request)

    def responses(self) -> list[Any]:
        """The requests whose answers have come and were not taken yet."""
        self._read_until(self._incoming.empty, 20, "")
        return list(self._responses)

    def wait_for(self, matches: Callable[[Message], bool], within_s: float = 20) -> Message:
        """The first notification or request of the server that matches, waiting for it."""
        self._read_until(lambda: any(map(matches, self.received)), within_s, "the message did not come")
        return next(filter(matches, self.received))

    def statuses(self) -> list[Message]:
        return [m["params"] for m in self.received if m.get("method") == "didChangeStatus"]

    def logged(self) -> list[str]:
        return [m["params"]["message"] for m in self.received if m.get("method") == "window/logMessage"]

    def shown(self) -> list[str]:
        return [m["params"]["message"] for m in self.received if m.get("method") == "window/showMessage"]

    def raw(self, data: bytes) -> None:
        assert self.process.stdin
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def leave(self) -> int:
        """`shutdown` and `exit`; the exit status."""
        self.ask("shutdown")
        self.notify("exit")
        return self.process.wait(20)

    def stderr(self) -> str:
        """All that the process wrote to stderr; call it when the process has ended."""
        self._stderr_reader.join(5)
        return b"".join(self._stderr).decode()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def _write(self, message: Message) -> None:
        self.raw(framed(message))

    def _read_until(self, done: Callable[[], bool], within_s: float, complaint: str) -> None:
        give_up = time.monotonic() + within_s
        while not done():
            try:
                message = self._incoming.get(timeout=max(give_up - time.monotonic(), 0))
            except Empty:
                raise AssertionError(f"{complaint}; received: {self.received[-5:]}") from None
            assert message is not None, f"{complaint}; dg-lsp ended: {self.stderr()}"
            self._take(message)

    def _take(self, message: Message) -> None:
        if "method" not in message:
            self._responses[message["id"]] = message
            return
        self.received.append(message)
        if "id" in message:
            answer = self.answers.get(message["method"])
            if answer is not NO_ANSWER:
                self._write({"jsonrpc": "2.0", "id": message["id"], "result": answer})

    def _read_stdout(self) -> None:
        assert self.process.stdout
        while header := self.process.stdout.readline():
            name, _, value = header.partition(b":")
            if name.lower() == b"content-length":
                while self.process.stdout.readline().strip():
                    pass
                message = json.loads(self.process.stdout.read(int(value)))
                if "method" not in message:
                    self.answered.append((message["id"], time.perf_counter()))
                self._incoming.put(message)
        self._incoming.put(None)

    def _read_stderr(self) -> None:
        assert self.process.stderr
        self._stderr.extend(iter(self.process.stderr.readline, b""))


class ScriptedEngines:
    """One scripted engine at a time in a runtime folder, used again as long as it lives."""

    def __init__(self, runtime_folder: Path) -> None:
        self._folder = runtime_folder
        self._engine: ScriptedEngine | None = None

    def start(self, *arguments: str) -> ScriptedEngine:
        """An engine that begins with the arguments of `scripted_engine.py`."""
        if self._engine and self._engine.process.poll() is None:
            with contextlib.suppress(httpx.TransportError):  # it is just dying, as it was told
                return self._engine.script(*arguments)
            self._engine.kill()
        self._engine = ScriptedEngine(self._folder)
        return self._engine.script(*arguments)

    def end(self) -> None:
        if self._engine:
            self._engine.kill()


NO_ANSWER = object()
"""In `LspSession.answers`: leave the server's request unanswered."""


class ScriptedEngine:
    """A running `scripted_engine.py`; `script` takes its arguments."""

    def __init__(self, runtime_folder: Path) -> None:
        self._socket = runtime_folder / "engine.sock"
        self._socket.unlink(missing_ok=True)
        program = Path(__file__).with_name("scripted_engine.py")
        self.process = subprocess.Popen([sys.executable, str(program), str(self._socket)])
        self._client = httpx.Client(transport=httpx.HTTPTransport(uds=str(self._socket)), base_url="http://engine")
        eventually(self._answers)

    def script(self, *arguments: str) -> ScriptedEngine:
        self._client.post("/script", json=arguments)
        return self

    def seen(self) -> list[Message]:
        seen: list[Message] = self._client.get("/seen").json()
        return seen

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def _answers(self) -> bool:
        assert self.process.poll() is None, "the scripted engine ended at once"
        try:
            return self._client.get("/health").is_success
        except httpx.TransportError:
            return False


def scripted_cli() -> dict[str, str]:
    """The environment in which `dg-engine` is the one of `scripted_cli`."""
    here = Path(__file__).parent
    return {"PYTHONPATH": os.pathsep.join(map(str, (here / "scripted_cli", here, here.parents[1])))}


StartEngine = Callable[..., ScriptedEngine]
"""Scripts the engine with the arguments of `scripted_engine.py`."""


def eventually(true: Callable[[], _T | None], what: str = "it", within_s: float = WITHIN_S) -> _T:
    """The first value of `true()` that counts as true."""
    give_up = time.monotonic() + within_s
    while not (value := true()):
        assert time.monotonic() < give_up, f"in {within_s:.0f} s this did not happen: {what}"
        time.sleep(0.02)
    return value


@contextmanager
def short_folder() -> Iterator[Path]:
    """A temporary folder with a path short enough for a unix socket (107 bytes)."""
    with tempfile.TemporaryDirectory(prefix="dg", dir="/tmp") as folder:
        yield Path(folder)
