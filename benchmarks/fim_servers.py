"""The two servers as processes, each asked for the rest of a line as its own editor plugins do."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import httpx

from benchmarks.typing_session import Request
from engine.evaluation.bench import BenchError
from engine.evaluation.systems import FORMATS

MAX_TOKENS = 32
_PATIENCE_S = 120.0
_BETWEEN_LOOKS_S = 0.02


@dataclass(frozen=True, slots=True)
class Memory:
    """MiB of a process: all that is resident, and the part that no file backs."""

    resident: float
    anonymous: float


class Server:
    """A server's process that is ready; `load_ms` is the time from its start until then."""

    name: str

    def __init__(
        self, command: list[str], client: httpx.Client, output: IO[bytes], environment: Mapping[str, str] | None = None
    ) -> None:
        self.client, self._output = client, output
        begun = time.perf_counter()
        self._process = subprocess.Popen(
            command, env={**os.environ, **(environment or {})}, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            self._wait_until_ready(begun + _PATIENCE_S)
        except BaseException:
            self.end()
            raise
        self.load_ms = 1e3 * (time.perf_counter() - begun)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.end()

    def end(self) -> None:
        """End the process and wait until it is gone."""
        self.client.close()
        self._process.terminate()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def memory(self) -> Memory:
        """What the process holds now. Linux only."""
        return memory_of(Path(f"/proc/{self._process.pid}/smaps_rollup").read_text())

    def complete(self, request: Request) -> str:
        """The rest of the line at the cursor."""
        raise NotImplementedError

    def is_ready(self) -> bool:
        """True when the model is loaded."""
        raise NotImplementedError

    def post(self, path: str, body: dict[str, Any]) -> httpx.Response:
        """The answer to a request. Raises `BenchError`."""
        try:
            return self.client.post(path, json=body).raise_for_status()
        except httpx.HTTPError as error:
            raise BenchError(f"{self.name} did not answer {path}: {error}; {self._last_line()}") from None

    def _wait_until_ready(self, deadline: float) -> None:
        while not self._answers():
            if self._process.poll() is not None:
                raise BenchError(f"{self.name} ended while it started: {self._last_line()}")
            if time.perf_counter() > deadline:
                raise BenchError(f"{self.name} was not ready within {_PATIENCE_S:.0f} s: {self._last_line()}")
            time.sleep(_BETWEEN_LOOKS_S)

    def _answers(self) -> bool:
        try:
            return self.is_ready()
        except httpx.TransportError:
            return False

    def _last_line(self) -> str:
        self._output.seek(0)
        lines = self._output.read().decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "it printed nothing")


class Ours(Server):
    """`dg-engine serve`, by its own route."""

    name = "dg-engine"

    def complete(self, request: Request) -> str:
        body = {
            "prefix": request.above + request.head,
            "suffix": request.below,
            "language": "python",
            "single_line": True,
            "max_tokens": MAX_TOKENS,
            "priority": "automatic",
        }
        return middle_of(self.post("/v1/fill", body).text)

    def is_ready(self) -> bool:
        health = self.client.get("/health").json()
        if health["state"] == "error":
            raise BenchError(f"{self.name} cannot load the model: {health['message']}")
        return bool(health["state"] == "ready")


class LlamaCpp(Server):
    """llama-cpp-python's server. The head of the line stands behind the suffix, as llama.vim's does.

    So the server's own prompt cache covers everything but the last characters while a line is typed.
    """

    name = "llama.cpp"

    def complete(self, request: Request) -> str:
        template = FORMATS["qwen"]
        assert template is not None
        body = {
            "prompt": template.prompt(request.above, request.below) + request.head,
            "max_tokens": MAX_TOKENS,
            "temperature": 0,
            "stop": ["\n", *template.stop],
        }
        return str(self.post("/v1/completions", body).json()["choices"][0]["text"])

    def is_ready(self) -> bool:
        return self.client.get("/v1/models").status_code == httpx.codes.OK


@contextmanager
def ours(gguf: Path, threads: int) -> Iterator[Server]:
    """`dg-engine serve` with a runtime folder of its own."""
    with ExitStack() as stack:
        # In /tmp: a unix socket's path may have 107 bytes.
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="dg", dir="/tmp"))
        transport = httpx.HTTPTransport(uds=f"{folder}/engine.sock")
        client = httpx.Client(base_url="http://engine", transport=transport, timeout=_PATIENCE_S)
        environment = {"DG_RUNTIME_DIR": folder, "OMP_NUM_THREADS": str(threads)}
        command = [sys.executable, "-m", "engine.cli", "serve", "--model", str(gguf)]
        output = stack.enter_context(tempfile.TemporaryFile())
        yield stack.enter_context(Ours(command, client, output, environment))


@contextmanager
def llama_cpp(python: Path, gguf: Path, threads: int) -> Iterator[Server]:
    """llama-cpp-python's server on a free port of this machine."""
    port = _free_port()
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=_PATIENCE_S)
    options = {
        "model": gguf,
        "host": "127.0.0.1",
        "port": port,
        "n_threads": threads,
        "n_threads_batch": threads,
        "n_ctx": 4096,
        "logits_all": False,  # its server's default, True, computes logits for the whole prompt
    }
    command = [str(python), "-m", "llama_cpp.server"]
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    with tempfile.TemporaryFile() as output, LlamaCpp(command, client, output) as server:
        yield server


def middle_of(events: str) -> str:
    """The middle in the server-sent events of a fill, "" when there is none. Raises `BenchError`."""
    *_, last = events.strip().split("\n\n")
    kind, _, data = last.partition("\n")
    content = json.loads(data.removeprefix("data: "))
    if kind != "event: done":
        raise BenchError(f"dg-engine answered with an error: {content.get('message', content)}")
    return str(content["candidates"][0]["middle"]) if content["candidates"] else ""


def memory_of(rollup: str) -> Memory:
    """Read /proc/PID/smaps_rollup."""
    kib = {line.split()[0]: int(line.split()[1]) for line in rollup.splitlines() if line.endswith(" kB")}
    return Memory(kib["Rss:"] / 1024, kib["Anonymous:"] / 1024)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
