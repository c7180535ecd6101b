"""`requirements/install_engine.py`: which PyTorch `make` installs, and what it says before. pip itself is not run."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "requirements" / "install_engine.py"
PACKAGES = str(SCRIPT.with_name("engine.txt"))

Install = Callable[[str], list[tuple[str, ...]]]


class Index(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/whl/cpu/torch/" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("install_engine", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def install(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Runs the script with an index of CPU wheels; what pip would have been given."""

    def run(index: str) -> list[tuple[str, ...]]:
        given: list[tuple[str, ...]] = []

        def pip(*arguments: str) -> int:
            given.append(arguments)
            return 0

        monkeypatch.setattr(script, "pip", pip)
        monkeypatch.setattr(script.sys, "argv", [str(SCRIPT), index])
        assert script.main() == 0
        return given

    return run


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    def set_gpu(present: bool) -> None:
        monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/nvidia-smi" if present else None)

    return set_gpu


def test_the_cpu_build_is_taken_where_there_is_no_gpu(
    install: Install, gpu: Callable[[bool], None], capsys: pytest.CaptureFixture[str]
) -> None:
    gpu(False)
    with ThreadingHTTPServer(("127.0.0.1", 0), Index) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        index = f"http://127.0.0.1:{server.server_port}/whl/cpu"
        torch, others = install(index)
        server.shutdown()
    assert torch[:3] == ("--no-deps", "--index-url", index)
    assert torch[3].startswith("torch==")
    assert others == ("--requirement", PACKAGES)
    assert "the CPU build of PyTorch, about 200 MB" in capsys.readouterr().out


@pytest.mark.parametrize("index", ["http://127.0.0.1:9/whl/cpu", "no address"])
def test_where_that_index_does_not_answer_pips_own_is_taken_and_both_sizes_are_named(
    install: Install, gpu: Callable[[bool], None], capsys: pytest.CaptureFixture[str], index: str
) -> None:
    gpu(False)
    assert install(index) == [("--requirement", PACKAGES)]
    said = capsys.readouterr().out
    assert "does not answer" in said
    assert "about 200 MB where that has the CPU build, about 3 GB where it has the CUDA build" in said


def test_with_an_nvidia_gpu_pytorch_comes_with_cuda(
    install: Install, gpu: Callable[[bool], None], capsys: pytest.CaptureFixture[str]
) -> None:
    gpu(True)
    assert install("http://127.0.0.1:9/whl/cpu") == [("--requirement", PACKAGES)]
    assert "PyTorch with CUDA, about 3 GB" in capsys.readouterr().out


def test_downloads_are_shown_with_their_sizes_and_a_failure_is_pips_status(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    python = tmp_path / "python"
    python.write_text(
        "#!/bin/sh\necho Collecting torch\necho '  Downloading https://index/torch-2-py3.whl (191.8 MB)'\n"
        "echo '  Downloading torch-2.whl.metadata (29 kB)'\nexit 3\n"
    )
    python.chmod(0o755)
    monkeypatch.setattr(script.sys, "executable", str(python))
    assert script.pip("torch") == 3
    assert capsys.readouterr().out == "  torch-2-py3.whl (191.8 MB)\n"
