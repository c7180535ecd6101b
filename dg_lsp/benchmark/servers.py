"""Server processes over stdio: this one with an engine that answers at once, and a bare pygls one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from asyncio import get_running_loop as loop
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from queue import Queue
from threading import Event, Lock, Thread
from typing import Any

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from dg_lsp.benchmark.engine import MIDDLE
from dg_lsp.server import create_server, serve

URI = "file:///benchmark.py"
MODULES = {"dg-lsp": ["dg_lsp"], "pygls": ["dg_lsp.benchmark", "--bare"]}
WATCHED = ["dg_lsp.benchmark", "--watched"]

_PATIENCE_S = 60.0
_BETWEEN_PINGS_S = 0.002
_BETWEEN_BEATS_S = 0.001


def serve_bare() -> None:
    """Be the server that we compare with: it follows the document and answers with a constant."""
    server = LanguageServer("bare", "1")

    @server.feature(types.TEXT_DOCUMENT_INLINE_COMPLETION, types.InlineCompletionOptions())
    def complete(params: types.InlineCompletionParams) -> list[types.InlineCompletionItem]:
        place = types.Range(params.position, params.position)
        return [types.InlineCompletionItem(MIDDLE, range=place)]

    server.start_io()


def serve_watched() -> None:
    """Be dg-lsp with a clock on its event loop; `benchmark/held` answers how long it was held, in ms, at most."""
    server = create_server()
    held: list[float] = []

    def beat(due: float) -> None:
        held.append((loop().time() - due) * 1e3)
        loop().call_later(_BETWEEN_BEATS_S, beat, loop().time() + _BETWEEN_BEATS_S)

    @server.feature("benchmark/held")
    def longest(_: Any) -> float:
        longest = max(held, default=0.0)
        if not held:
            beat(loop().time())
        held[:] = [0.0]
        return longest

    serve(server)


class ServerProcess:
    """A server that is initialized; `start_ms` is the time from its start to its answer to that."""

    def __init__(self, module: list[str], environment: Mapping[str, str] | None = None) -> None:
        self._lock = Lock()
        self._answers: dict[int, Queue[Any]] = {}
        self._numbers = count()
        begun = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, "-m", *module],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        Thread(target=self._read, daemon=True).start()
        options = {"inline": {"debounce_ms": 0}}
        self.ask(
            "initialize", {"processId": None, "rootUri": None, "capabilities": {}, "initializationOptions": options}
        )
        self.start_ms = (time.perf_counter() - begun) * 1e3

    def until_ready(self) -> None:
        """Let the server find its engine."""
        self.send("initialized", {})
        while self.ask("dg/status")["state"] != "ready":
            time.sleep(0.02)

    def open(self, text: str) -> None:
        """Open the document."""
        item = {"uri": URI, "languageId": "python", "version": 0, "text": text}
        self.send("textDocument/didOpen", {"textDocument": item})
        self.ping()

    def send(self, method: str, params: Any, **identity: int) -> None:
        """Send a request or a notification."""
        self.raw(encoded(method, params, **identity))

    def raw(self, message: bytes) -> None:
        """Send what `encoded` made: of a long text it is made before the clock runs."""
        assert self._process.stdin
        with self._lock:
            self._process.stdin.write(message)
            self._process.stdin.flush()

    def ask(self, method: str, params: Any = None) -> Any:
        """The result of a request; None when the server refuses it."""
        number, answer = next(self._numbers), Queue[Any]()
        self._answers[number] = answer
        self.send(method, params, id=number)
        return answer.get(timeout=_PATIENCE_S)

    def held_ms(self) -> float:
        """How long the event loop of a watched server was held since this was asked last, at most."""
        return float(self.ask("benchmark/held", {}))

    def ping(self) -> None:
        """Wait for the answer to a request that every server refuses at once."""
        self.ask("benchmark/ping")

    @contextmanager
    def pinged(self) -> Iterator[list[float]]:
        """Ping without a pause meanwhile; the milliseconds of each."""
        times: list[float] = []
        ended = Event()

        def ping() -> None:
            while not ended.wait(_BETWEEN_PINGS_S):
                begun = time.perf_counter()
                self.ping()
                times.append((time.perf_counter() - begun) * 1e3)

        pinger = Thread(target=ping)
        pinger.start()
        try:
            yield times
        finally:
            ended.set()
            pinger.join()

    def memory_mib(self) -> float | None:
        """The resident memory; None where the system does not tell it in /proc."""
        try:
            with open(f"/proc/{self._process.pid}/status") as lines:
                return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))
        except (OSError, StopIteration):
            return None

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()

    def _read(self) -> None:
        assert self._process.stdout
        while header := self._process.stdout.readline():
            name, _, length = header.partition(b":")
            if name.lower() == b"content-length":
                while self._process.stdout.readline().strip():
                    pass
                message = json.loads(self._process.stdout.read(int(length)))
                if "method" not in message and (answer := self._answers.pop(message["id"], None)):
                    answer.put(message.get("result"))


@contextmanager
def server(module: list[str], environment: Mapping[str, str] | None = None) -> Iterator[ServerProcess]:
    """One of `MODULES` or `WATCHED`, initialized."""
    process = ServerProcess(module, {**os.environ, **(environment or {})})
    try:
        yield process
    finally:
        process.close()


def encoded(method: str, params: Any, **identity: int) -> bytes:
    """A message as it goes over the wire."""
    body = json.dumps({"jsonrpc": "2.0", **identity, "method": method, "params": params}).encode()
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
