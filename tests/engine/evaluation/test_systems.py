"""Other servers in the engine's place, over real sockets."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.cli import main
from engine.evaluation import humaneval_infilling
from engine.evaluation.systems import Server
from engine.evaluation.tasks import EvaluationError, Task, Unreachable

TASK = Task("t", "held-out", "line", "def f():\n    return ", "1", "\n\nf()\n")
LINES = Task("t", "held-out", "lines", "def f():\n    ", "x = 1\n    return x", "\n\nf()\n")


class Backend(http.server.ThreadingHTTPServer):
    """A completion server that always says the same, and remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[dict[str, Any]] = []
        self.says: dict[str, Any] = {"choices": [{"text": "1\nmore"}]}
        self.status = 200
        self.file = b""
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Backend

    def do_GET(self) -> None:
        self._send({"data": [{"id": "first"}, {"id": "second"}]} if "models" in self.path else self.server.file)

    def do_POST(self) -> None:
        self.server.asked.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self._send(self.server.says if self.path == "/v1/completions" else {})

    def _send(self, said: dict[str, Any] | bytes) -> None:
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        self.send_response(self.server.status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def backend() -> Iterator[Backend]:
    with Backend() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_a_server_with_a_suffix_field(backend: Backend) -> None:
    system = Server(backend.url, None, "suffix")
    answer = system.answer(TASK)

    assert [offer.middle for offer in answer.offers] == ["1"]  # by the truncation rule
    assert backend.asked[-1] == {
        "model": "first",
        "prompt": TASK.prefix,
        "suffix": TASK.suffix,
        "max_tokens": 64,
        "temperature": 0,
        "seed": 0,
        "stop": ["\n"],
    }
    assert system.about["model"] == "first"


@pytest.mark.parametrize(
    ("style", "prompt"),
    [
        ("qwen", "<|fim_prefix|>def f():\n    <|fim_suffix|>\n\nf()\n<|fim_middle|>"),
        ("codestral", "[SUFFIX]\n\nf()\n[PREFIX]def f():\n    "),
    ],
)
def test_a_server_whose_prompt_holds_the_suffix(backend: Backend, style: str, prompt: str) -> None:
    answer = Server(backend.url + "/v1/", "mine", style).answer(LINES)

    asked = backend.asked[-1]
    assert (asked["prompt"], asked["model"], "suffix" in asked) == (prompt, "mine", False)
    assert "\n" not in asked["stop"]
    assert answer.offers[0].middle == "1\nmore"


def test_long_files_are_cut(backend: Backend) -> None:
    Server(backend.url, None, "suffix").answer(Task("", "", "line", "a" * 99_999, "", "b" * 99_999))
    assert (len(backend.asked[-1]["prompt"]), len(backend.asked[-1]["suffix"])) == (16_000, 4_000)


def test_a_blank_answer_is_an_abstention(backend: Backend) -> None:
    backend.says = {"choices": [{"text": " \n"}]}
    assert Server(backend.url, None, "suffix").answer(TASK).offers == ()


def test_servers_that_do_not_work(backend: Backend) -> None:
    with pytest.raises(Unreachable, match="does not answer"):
        Server("http://127.0.0.1:9", None, "suffix")
    with pytest.raises(Unreachable, match="does not answer"):
        Server("unix:/nowhere", None, "suffix")
    system = Server(backend.url, None, "suffix")
    backend.says = {"error": "what?"}
    with pytest.raises(EvaluationError, match="is it a text completion"):
        system.answer(TASK)
    backend.status = 404
    with pytest.raises(Unreachable, match="404"):
        Server(backend.url, None, "suffix")


def test_a_whole_run_on_a_server(
    backend: Backend, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["evaluate", "--url", backend.url, "--out", str(out), "--data", str(data), "--limit", "1"]) == 0

    assert len((out / "results.jsonl").read_text().splitlines()) == 7
    report = (out / "report.md").read_text()
    assert "| server | " + backend.url in report
    assert "gives no confidence" in report
    assert "perfect chooser" not in report
    assert "whole system" in capsys.readouterr().out


def test_pass_at_1_on_a_server(backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two problems, one of which `    return a + b` solves; its truncation rule puts the newline back."""
    row = {"prompt": "def f(a, b):\n", "canonical_solution": "    return b + a\n", "suffix": "", "entry_point": "f"}
    tests = [f"def check(f):\n    assert f(2, 3) == {wanted}\n" for wanted in (5, 6)]
    rows = [json.dumps(row | {"task_id": str(n), "test": test}) + "\n" for n, test in enumerate(tests)]
    file = tmp_path / "HumanEval.jsonl.gz"
    file.write_bytes(gzip.compress("".join(rows).encode()))
    known = (file.name, hashlib.sha256(file.read_bytes()).hexdigest())
    monkeypatch.setitem(humaneval_infilling.FILES, "single-line", known)
    backend.says = {"choices": [{"text": "    return a + b\n\nprint()"}]}
    out = tmp_path / "out"

    arguments = ["--sets", "single-line", "--data", str(tmp_path), "--url", backend.url, "--out", str(out)]
    assert main(["evaluate", *arguments]) == 0

    scores = json.loads((out / "report.json").read_text())["sets"]["single-line"]["rows"]
    assert scores["whole system"]["passed"]["share"] == 0.5
    assert scores["whole system"]["exact"]["share"] == 0
    assert scores["empty middle"]["passed"]["share"] == 0
    assert "pass@1" in (out / "report.md").read_text()


def test_this_engines_own_server(data: Path, tmp_path: Path) -> None:
    """The resident engine over its unix socket, while it may still be loading."""
    runtime = Path(os.environ.get("TMPDIR", "/tmp"), f"dg-evaluate-{os.getpid()}")  # short: sockets' paths are
    environment = os.environ | {"DG_RUNTIME_DIR": str(runtime)}
    server = subprocess.Popen([sys.executable, "-m", "engine.cli", "serve"], env=environment)
    try:
        socket = runtime / "engine.sock"
        deadline = time.monotonic() + 60
        while not socket.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        out = tmp_path / "out"
        url = f"unix:{socket}"
        assert main(["evaluate", "--url", url, "--out", str(out), "--data", str(data), "--limit", "1"]) == 0
    finally:
        server.terminate()
        server.wait(20)
        for left in runtime.glob("*"):
            left.unlink()
        with contextlib.suppress(OSError):
            runtime.rmdir()

    rows = [json.loads(line)["rows"] for line in (out / "results.jsonl").read_text().splitlines()]
    assert len(rows) == 7
    assert any(row["whole system"]["middle"] for row in rows)
    assert json.loads((out / "settings.json").read_text())["system"]["model"] == "dg-default"


def test_the_benchmark_is_downloaded_once(backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"task_id": "t", "entry_point": "f", "prompt": "", "canonical_solution": "x", "suffix": "", "test": ""}
    backend.file = gzip.compress(json.dumps(row).encode() + b"\n")
    file = ("HumanEval.jsonl.gz", hashlib.sha256(backend.file).hexdigest())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(humaneval_infilling, "_URL", backend.url + "/")
    monkeypatch.setitem(humaneval_infilling.FILES, "single-line", file)

    assert [task.id for task in humaneval_infilling.tasks("single-line", None)] == ["t"]
    backend.file = b"something else"
    assert [task.id for task in humaneval_infilling.tasks("single-line", None)] == ["t"]
    (kept,) = humaneval_infilling.cache_folder().iterdir()
    kept.unlink()
    with pytest.raises(EvaluationError, match="not the expected file"):
        humaneval_infilling.tasks("single-line", None)
    assert list(humaneval_infilling.cache_folder().iterdir()) == []
