"""The server and the commands with a real engine at a TCP address, as on another machine; a token stands between."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from lsp_session import STUB, URI, LspSession, eventually, short_folder

from engine.protocol import TOKEN_VARIABLE

NOBODY = "http://127.0.0.1:9"
"""Where no engine is."""


@pytest.fixture(scope="module")
def remote() -> Iterator[str]:
    """The address of an engine with the default model; it wants the token "open sesame"."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    with short_folder() as folder:
        environment = {
            **os.environ,
            "DG_RUNTIME_DIR": str(folder),
            TOKEN_VARIABLE: "open sesame",
            "OMP_NUM_THREADS": "1",
        }
        command = [sys.executable, "-m", "engine.cli", "serve", "--listen", f"127.0.0.1:{port}"]
        process = subprocess.Popen(command, env=environment)
        eventually(lambda: listens(port), within_s=60)
        yield f"http://127.0.0.1:{port}"
        process.terminate()
        process.wait(20)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_folder() as folder:
        yield folder


def says(session: LspSession, text: str) -> bool:
    """Whether the status says so in time."""
    session.wait_for(lambda m: m["method"] == "didChangeStatus" and text in m["params"]["message"], within_s=60)
    return True


def test_it_answers_and_none_is_started_here(remote: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, "open sesame")
    session = LspSession(folder)
    try:
        session.initialize(initializationOptions={"engine": {"url": remote}})
        session.until_ready(60)
        session.open(URI, STUB)
        action, *_ = session.code_actions(URI, 0, 5)
        resolved = session.ask("codeAction/resolve", action)["result"]
        assert "edit" in resolved
        assert not list(folder.glob("engine*"))
    finally:
        session.close()


def test_a_wrong_token_is_said(remote: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, "open barley")
    session = LspSession(folder)
    try:
        session.initialize(initializationOptions={"engine": {"url": remote}})
        assert says(session, "token")
    finally:
        session.close()


@pytest.mark.parametrize(
    ("url", "message"), [(NOBODY, "nothing answers at http://127.0.0.1:9 "), ("gpu:8765", "http://HOST:PORT")]
)
def test_an_address_without_an_engine_is_said(folder: Path, url: str, message: str) -> None:
    session = LspSession(folder)
    try:
        session.initialize(initializationOptions={"engine": {"url": url}})
        assert says(session, message)
        assert not list(folder.glob("engine*"))
    finally:
        session.close()


# `dg-lsp doctor` and `dg-lsp fill` on a machine without torch and without a place for an engine

Outcome = tuple[int, str, str]


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing of an engine can be had here; the folder is the one of the runtime folder that cannot be."""
    (tmp_path / "torch.py").write_text("raise ImportError('no torch here')\n")
    (tmp_path / "file").touch()
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setenv("DG_RUNTIME_DIR", str(tmp_path / "file" / "in"))
    monkeypatch.setenv(TOKEN_VARIABLE, "open sesame")
    return tmp_path


def dg_lsp(*arguments: str) -> Outcome:
    command = [sys.executable, "-m", "dg_lsp", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=110)
    return done.returncode, done.stdout, done.stderr


def checks(report: str) -> dict[str, str]:
    """The level and the fact of each check by its name."""
    return {line[6:21].strip(): f"{line[:4].strip()} {line[22:]}" for line in report.splitlines()}


@pytest.mark.parametrize("by_variable", [False, True])
def test_the_doctor_looks_at_the_engine_there_and_at_none_here(
    remote: str, bare: Path, monkeypatch: pytest.MonkeyPatch, by_variable: bool
) -> None:
    monkeypatch.setenv("DG_ENGINE_URL", remote if by_variable else NOBODY)
    status, report, complaints = dg_lsp("doctor", *([] if by_variable else ["--engine-url", remote]))
    assert (status, complaints) == (0, ""), report
    found = checks(report)
    assert list(found) == ["system", "Python", "dg-lsp", "grammars", "engine", "round trip"]
    assert found["engine"].startswith(f"ok {remote}: dg-default on ")


@pytest.mark.parametrize(
    ("url", "token", "said"),
    [
        ("", "open barley", "the token is missing or wrong: set DG_ENGINE_TOKEN to the engine's"),
        (NOBODY, "", f"nothing answers at {NOBODY} "),
        ("gpu:8765", "", "an engine's URL is http://HOST:PORT or https://HOST:PORT, not 'gpu:8765'"),
    ],
)
def test_the_doctor_says_in_one_line_why_the_engine_there_cannot_be_used(
    remote: str, bare: Path, monkeypatch: pytest.MonkeyPatch, url: str, token: str, said: str
) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, token)
    status, report, complaints = dg_lsp("doctor", "--engine-url", url or remote)
    assert (status, complaints) == (1, "")
    assert [name for name, check in checks(report).items() if check.startswith("FAIL")] == ["engine"]
    assert said in checks(report)["engine"]
    assert "; run: " not in checks(report)["engine"]  # no command of this machine helps


def test_a_fill_is_made_by_the_engine_there(remote: str, bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (bare / "sample.py").write_text("def total(prices):\n    result = 0\n    return res\n")
    fill = ["fill", f"{bare / 'sample.py'}:3:15", "--json", "--max-tokens", "8"]
    for url, arguments in (("", ["--engine-url", remote]), (remote, [])):
        monkeypatch.setenv("DG_ENGINE_URL", url)
        status, out, complaints = dg_lsp(*fill, *arguments)
        assert (status, complaints) == (0, "")
        assert json.loads(out)["model"] == "dg-default"


@pytest.mark.parametrize(
    ("url", "token", "status", "said"),
    [
        ("", "open barley", 3, "set DG_ENGINE_TOKEN to the engine's"),
        (NOBODY, "", 3, f"nothing answers at {NOBODY} "),
        ("gpu:8765", "", 2, "an engine's URL is http://HOST:PORT or https://HOST:PORT, not 'gpu:8765'"),
    ],
)
def test_a_fill_says_in_one_line_why_the_engine_there_cannot_be_used(
    remote: str, bare: Path, monkeypatch: pytest.MonkeyPatch, url: str, token: str, status: int, said: str
) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, token)
    (bare / "sample.py").write_text("a = \n")
    found, out, complaint = dg_lsp("fill", f"{bare / 'sample.py'}:1:5", "--engine-url", url or remote)
    assert (found, out) == (status, "")
    assert said in complaint
    assert len(complaint.splitlines()) == 1
