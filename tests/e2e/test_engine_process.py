"""`dg-engine` as real processes: one per user, found and ended through lock and socket, filling with a real network.

The network is of the shipped shape with random weights: what it writes means nothing, how it is run does.
"""

import json
import logging
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from engine.cli import main
from engine.process import DiscreetFormatter
from engine.protocol import Health

SECRET = "my_secret_name"
ENDLESS = {"prefix": SECRET, "max_steps": 1_000_000}


class Engine:
    """A place for engines to run in, and the `dg-engine` commands there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "engine.sock"
        self.environment = {**os.environ, "DG_RUNTIME_DIR": str(folder), "HF_ENDPOINT": "http://127.0.0.1:9"}
        self.environment |= {"HF_HUB_CACHE": str(folder / "hub"), "DG_MODELS_DIR": str(folder / "models")}
        self.environment["OMP_NUM_THREADS"] = "1"
        self.processes: list[subprocess.Popen[str]] = []

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "engine.cli", *arguments]
        self.processes.append(
            subprocess.Popen(command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )
        return self.processes[-1]

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, stdout, stderr of a command."""
        process = self.begin(*arguments)
        out, err = process.communicate(timeout=30)
        return process.returncode, out.strip(), err.strip()

    def serve(self, *arguments: str) -> subprocess.Popen[str]:
        """A started engine that answers; its model may still be loading."""
        process = self.begin("serve", *arguments)
        self.wait(lambda: self.answers() or process.poll() is not None)
        return process

    def client(self) -> httpx.Client:
        return httpx.Client(transport=httpx.HTTPTransport(uds=str(self.socket)), base_url="http://engine", timeout=30)

    def health(self) -> dict[str, Any]:
        with self.client() as client:
            health: dict[str, Any] = client.get("/health").json()
            return health

    def answers(self) -> bool:
        try:
            return bool(self.health())
        except httpx.HTTPError:
            return False

    def wait(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.02)

    def kill(self) -> None:
        for process in self.processes:
            process.kill()
            process.communicate()


@pytest.fixture
def place() -> Iterator[Engine]:
    with tempfile.TemporaryDirectory(prefix="dg", dir="/tmp") as folder:  # pytest's own paths are long for a socket
        engine = Engine(Path(folder))
        yield engine
        engine.kill()


def test_nothing_of_the_process_imports_torch_before_the_model_is_loaded() -> None:
    modules = "engine.cli, engine.service, engine.resident, engine.weights.hub"
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_status_and_stop_follow_an_engine(place: Engine) -> None:
    assert place.run("status") == (3, "not running", "")
    assert place.run("stop") == (0, "not running", "")
    process = place.serve()
    code, out, _ = place.run("status", "--json")
    assert (code, json.loads(out)["pid"]) == (0, process.pid)
    assert place.run("stop") == (0, "stopped", "")
    assert process.wait(20) == 0
    assert not place.socket.exists()
    code, out, _ = place.run("status", "--json")
    assert (code, json.loads(out)) == (3, {"state": "not running"})


def test_a_second_start_finds_the_first_engine(place: Engine) -> None:
    first = place.serve()
    assert place.run("serve") == (0, f"already running (pid {first.pid})", "")
    assert place.health()["pid"] == first.pid


def test_two_starts_at_once_give_one_engine(place: Engine) -> None:
    starts = [place.begin("serve") for _ in range(2)]
    place.wait(lambda: any(start.poll() is not None for start in starts))
    late, running = sorted(starts, key=lambda start: start.poll() is None)
    assert late.communicate()[0] == f"already running (pid {running.pid})\n"
    assert late.returncode == 0
    assert place.health()["pid"] == running.pid


def test_only_the_user_can_reach_the_engine(place: Engine) -> None:
    place.folder.rmdir()
    place.serve()
    assert stat.S_IMODE(place.folder.stat().st_mode) == 0o700
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in place.folder.iterdir()} == {
        "engine.sock": 0o600,
        "engine.lock": 0o600,
        "engine.log": 0o600,
    }


def test_what_a_killed_engine_leaves_is_no_hindrance(place: Engine) -> None:
    killed = place.serve()
    killed.kill()
    killed.wait()
    assert place.socket.exists()
    assert place.run("status") == (3, "not running", "")
    assert place.run("stop") == (0, "not running", "")
    again = place.serve()
    assert place.health()["pid"] == again.pid


def test_an_engine_whose_folder_was_deleted_leaves_and_the_next_one_stays(place: Engine) -> None:
    first = place.serve()
    place.wait(lambda: place.health()["state"] == "ready")
    shutil.rmtree(place.folder)
    second = place.serve()
    assert first.wait(20) == 0
    assert place.health()["pid"] == second.pid
    assert place.run("serve") == (0, f"already running (pid {second.pid})", "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_engine_cleanly(place: Engine, number: signal.Signals) -> None:
    process = place.serve()
    process.send_signal(number)
    assert process.communicate(timeout=20) == ("", "")
    assert process.returncode == 0
    assert not place.socket.exists()


def test_an_idle_engine_ends_by_itself(place: Engine) -> None:
    process = place.serve("--idle-exit-minutes", "0.001")
    assert process.wait(20) == 0
    assert not place.socket.exists()


def test_an_engine_that_cannot_load_says_why_and_ends(place: Engine) -> None:
    process = place.serve("--model", str(place.folder))
    place.wait(lambda: place.health()["state"] == "error")
    with place.client() as client:
        assert client.post("/v1/fill", json={"prefix": ""}).status_code == 503
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (3, "")
    assert re.fullmatch(r"dg-engine: the model could not be loaded: .*config\.json.*\n", err)
    assert not place.socket.exists()


def test_the_status_of_an_engine_without_a_model_is_a_failure(place: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    health = Health(state="error", progress=0, model="m", device="", version="", pid=1, message="m is damaged")
    monkeypatch.setattr("engine.process.ask_health", lambda: health)
    assert main(["status"]) == 3


@pytest.mark.parametrize("variable", [False, True])
def test_another_model_needs_a_replacement(place: Engine, checkpoint: Path, variable: bool) -> None:
    first = place.serve()
    wanted = () if variable else ("--model", str(checkpoint))
    place.environment |= {"DG_MODEL": str(checkpoint)} if variable else {}
    code, out, err = place.run("serve", *wanted)
    assert (code, out) == (3, "")
    what = f"add --replace to end it and run {checkpoint} instead"
    assert err == f"dg-engine: the engine runs dg-default (pid {first.pid}): {what}"
    second = place.begin("serve", *wanted, "--replace")
    assert first.wait(20) == 0
    place.wait(lambda: place.answers() and place.health()["pid"] == second.pid)
    assert place.run("serve", *wanted, "--replace") == (0, f"already running (pid {second.pid})", "")


def test_stop_returns_when_the_process_is_gone(place: Engine) -> None:
    process = place.serve()
    place.wait(lambda: place.health()["state"] == "ready")
    assert place.run("stop") == (0, "stopped", "")
    assert process.poll() == 0


@pytest.mark.parametrize(
    ("folder", "complaint"),
    [
        ("file/inside", "Not a directory"),
        ("x" * 100, "too long for a socket"),
        ("open", "anyone may write"),
        ("theirs", "belongs to another user"),
        ("readonly", "no write access"),
    ],
)
def test_a_runtime_folder_that_cannot_be_used_is_said_in_one_line(place: Engine, folder: str, complaint: str) -> None:
    root = os.getuid() == 0
    if (folder == "theirs" and not root) or (folder == "readonly" and root):
        pytest.skip("root may write anywhere, and others may not give folders away")
    (place.folder / "file").touch()
    (place.folder / "open").mkdir()
    (place.folder / "open").chmod(0o777)
    (place.folder / "readonly").mkdir(mode=0o500)
    (place.folder / "theirs").mkdir()
    if root:
        os.chown(place.folder / "theirs", 1, 1)
    place.environment["DG_RUNTIME_DIR"] = str(place.folder / folder)
    code, out, err = place.run("serve")
    assert (code, out) == (3, "")
    assert re.fullmatch(rf"dg-engine: .*{complaint}.*DG_RUNTIME_DIR.*", err)


def test_the_log_says_where_an_exception_came_from_and_not_its_text() -> None:
    try:
        raise ValueError(SECRET)
    except ValueError:
        record = logging.LogRecord("engine", logging.ERROR, __file__, 1, "a fill failed", (), sys.exc_info())
    text = DiscreetFormatter("%(message)s").format(record)
    assert SECRET not in text
    assert "test_engine_process.py" in text
    assert text.endswith("ValueError")


def test_a_model_from_the_hub_is_used_offline(place: Engine) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    repo = place.folder / "hub" / "models--owner--name"
    (repo / "snapshots" / commit).mkdir(parents=True)
    (repo / "snapshots" / commit / "config.json").write_text("{}")
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(commit)
    code = "from engine.weights.hub import resolve; print(resolve('owner/name'), resolve('owner/name@{}'))"
    command = [sys.executable, "-c", code.replace("{}", commit)]
    out = subprocess.run(command, env=place.environment, check=True, capture_output=True, text=True).stdout
    assert out.split() == [str(repo / "snapshots" / commit)] * 2


@pytest.mark.parametrize("model", ["owner/name@v1", "qwen2.5-coder-0.5b"])
def test_a_model_that_is_not_here_names_the_download(place: Engine, model: str) -> None:
    place.serve("--model", model)
    place.wait(lambda: place.health()["state"] == "error")
    assert place.health()["message"] == f"{model} is not on this machine: run dg-engine download {model}"


@pytest.mark.parametrize(
    ("model", "code", "complaint"),
    [
        ("owner/name", 3, "owner/name could not be downloaded .*: run the command again to resume"),
        ("a/b/c", 2, "a/b/c is not a model's name .*"),
    ],
)
def test_a_failed_download_is_one_line(place: Engine, model: str, code: int, complaint: str) -> None:
    got, out, err = place.run("download", model)
    assert (got, out) == (code, "")
    assert re.fullmatch(f"dg-engine: {complaint}", err)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of the default model's shape with random weights, which never settles on an answer."""
    import torch

    from engine.training.shape import GENERATION, SHAPES, config, new_network
    from engine.training.tokenizer import DEFAULT_PATH
    from engine.weights.checkpoint import save_network

    folder = tmp_path_factory.mktemp("checkpoint")
    save_network(new_network(SHAPES["small"]), folder, config(SHAPES["small"]), torch.bfloat16)
    restless = {**GENERATION, "confidence_threshold": 0.0}
    (folder / "generation_config.json").write_text(json.dumps(restless))
    shutil.copy(DEFAULT_PATH, folder / "tokenizer.json")
    return folder


@pytest.fixture(scope="module")
def loaded(checkpoint: Path) -> Iterator[Engine]:
    """An engine with the network in memory."""
    with tempfile.TemporaryDirectory(prefix="dg", dir="/tmp") as folder:
        engine = Engine(Path(folder))
        engine.serve("--model", str(checkpoint), "--device", "cpu")
        engine.wait(lambda: engine.health()["state"] != "loading")
        assert engine.health()["state"] == "ready", engine.health()
        yield engine
        engine.kill()


def test_a_fill_streams_a_draft_for_each_step(loaded: Engine) -> None:
    request = {
        "prefix": f"def {SECRET}():\n    ",
        "suffix": "\n",
        "language": "python",
        "max_steps": 2,
        "max_tokens": 8,
    }
    with loaded.client() as client:
        lines = client.post("/v1/fill", json=request).text.splitlines()
    events = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
    assert events == ["draft", "draft", "done"]
    result = json.loads([line for line in lines if line.startswith("data: ")][-1].removeprefix("data: "))
    assert result["steps"] == 2


def test_a_completion_fills_between_prompt_and_suffix(loaded: Engine) -> None:
    request = {"model": "any", "prompt": f"{SECRET}(", "suffix": ")", "max_tokens": 8}
    with loaded.client() as client:
        (model,) = client.get("/v1/models").json()["data"]
        answer = client.post("/v1/completions", json=request).json()
    assert (answer["object"], answer["model"], len(answer["choices"])) == ("text_completion", model["id"], 1)
    assert answer["usage"]["prompt_tokens"] > 2


def test_dropping_the_connection_frees_the_engine_for_the_next_fill(loaded: Engine) -> None:
    with loaded.client() as client:
        with client.stream("POST", "/v1/fill", json=ENDLESS) as endless:
            assert next(endless.iter_lines()) == "event: draft"
        assert "event: done" in client.post("/v1/fill", json={"prefix": "x", "max_steps": 1}).text


def test_a_deadline_ends_a_fill_with_its_best_draft(loaded: Engine) -> None:
    with loaded.client() as client:
        text = client.post("/v1/fill", json={**ENDLESS, "deadline_ms": 200}).text
    assert json.loads(text.split("event: done\ndata: ")[1])["finish_reason"] == "deadline"


def test_the_log_has_the_load_and_no_code(loaded: Engine) -> None:
    log = (loaded.folder / "engine.log").read_text()
    assert re.search(r"ready: .* on cpu, loaded in", log)
    assert SECRET not in log


def test_stopping_in_the_middle_of_a_fill_answers_it(loaded: Engine) -> None:
    """Last of those on the shared engine, which it ends."""
    with loaded.client() as client, client.stream("POST", "/v1/fill", json=ENDLESS) as endless:
        lines = endless.iter_lines()
        next(lines)
        assert loaded.run("stop") == (0, "stopped", "")
        assert any(line == "event: error" for line in lines)
    assert loaded.processes[0].wait(20) == 0
