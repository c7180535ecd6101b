"""From an editor's start to its first answer: the real language server and the real engine, as processes."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any

_PATIENCE_S = 60.0
_URI = "file:///bench/basket.py"
_TEXT = '''"""A basket of goods and what it costs."""


class Basket:
    def __init__(self):
        self.items = []

    def add(self, name, price, count=1):
        self.items.append((name, price, count))

    def total(self):
        total = 0
        for name, price, count in self.items:
            total += 
        return total
'''
_LINE, _COLUMN = 13, len("            total += ")


@dataclass(frozen=True, slots=True)
class Start:
    """One start of everything, in milliseconds."""

    initialize: float  # dg-lsp's process start to its answer to `initialize`
    engine_ready: float  # `initialized` to the engine's model loaded
    first_answer: float  # dg-lsp's process start to the first completion's answer
    first_completion: float
    second_completion: float  # after one typed character


class ServerFailed(RuntimeError):
    """The server or its engine did not answer; one line."""


def measure_start() -> Start:
    """Start a language server, and through it an engine, in a runtime folder of their own; end both.

    Raises `ServerFailed`.
    """
    with _own_runtime_folder() as environment, _Server(environment) as server:
        begin = time.perf_counter()
        options = {"statistics": False}
        params = {"processId": None, "rootUri": None, "capabilities": {}, "initializationOptions": options}
        server.ask("initialize", params)
        initialized = time.perf_counter()
        server.notify("initialized", {})
        server.until_engine_ready()
        ready = time.perf_counter()
        document = {"uri": _URI, "languageId": "python", "version": 1, "text": _TEXT}
        server.notify("textDocument/didOpen", {"textDocument": document})
        opened = time.perf_counter()
        server.complete(_COLUMN)
        first = time.perf_counter()
        server.type(_COLUMN, "p")
        typed = time.perf_counter()
        server.complete(_COLUMN + 1)
        second = time.perf_counter()
    spans = (begin, initialized), (initialized, ready), (begin, first), (opened, first), (typed, second)
    return Start(*(1000 * (end - start) for start, end in spans))


@contextlib.contextmanager
def _own_runtime_folder() -> Iterator[dict[str, str]]:
    """An environment whose engine is nobody else's; it is stopped at the end."""
    # In /tmp: a unix socket's path may have 107 bytes.
    with tempfile.TemporaryDirectory(prefix="dg", dir="/tmp") as folder:
        environment = {**os.environ, "DG_RUNTIME_DIR": folder}
        try:
            yield environment
        finally:
            stop = [sys.executable, "-m", "engine.cli", "stop"]
            subprocess.run(stop, env=environment, stdout=subprocess.DEVNULL, check=False)


class _Server:
    """A `dg-lsp` process and just enough of an editor; it is killed when it does not answer in a minute."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "dg_lsp"], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._watch = threading.Timer(_PATIENCE_S, self._process.kill)
        self._last_id = 0

    def __enter__(self) -> _Server:
        self._watch.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._watch.cancel()
        self._process.kill()
        self._process.communicate()

    def complete(self, column: int) -> None:
        """Ask for an inline completion, as by the editor's key for it, and wait for the answer."""
        self.ask(
            "textDocument/inlineCompletion",
            {
                "textDocument": {"uri": _URI},
                "position": {"line": _LINE, "character": column},
                "context": {"triggerKind": 1},
            },
        )

    def type(self, column: int, text: str) -> None:
        place = {"line": _LINE, "character": column}
        change = {"range": {"start": place, "end": place}, "text": text}
        document = {"uri": _URI, "version": 2}
        self.notify("textDocument/didChange", {"textDocument": document, "contentChanges": [change]})

    def until_engine_ready(self) -> None:
        while True:
            message = self._read()
            if message.get("method") == "didChangeStatus":
                status = message["params"]
                if status["kind"] == "Error":
                    raise ServerFailed(f"the engine did not start: {status['message']}")
                if status["message"].startswith("Ready"):
                    return

    def ask(self, method: str, params: Any) -> None:
        self._last_id += 1
        self._send({"id": self._last_id, "method": method, "params": params})
        while (message := self._read()).get("id") != self._last_id:
            pass
        if "error" in message:
            raise ServerFailed(f"dg-lsp answered {method} with an error: {message['error']['message']}")

    def notify(self, method: str, params: Any) -> None:
        self._send({"method": method, "params": params})

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._process.stdin
        with contextlib.suppress(BrokenPipeError):  # the missing answer tells
            self._process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
            self._process.stdin.flush()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout
        length = 0
        while header := self._process.stdout.readline().strip():
            name, _, value = header.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        if not length:
            raise ServerFailed(f"dg-lsp ended, or did not answer within {_PATIENCE_S:.0f} s")
        message: dict[str, Any] = json.loads(self._process.stdout.read(length))
        return message
