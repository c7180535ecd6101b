"""A server whose engine is a real one at a TCP address, as on another machine; a token stands between them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from lsp_session import STUB, URI, LspSession, eventually, short_folder

from engine.protocol import TOKEN_VARIABLE


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
    ("url", "message"), [("http://127.0.0.1:9", "dg.engine.url"), ("gpu:8765", "http://HOST:PORT")]
)
def test_an_address_without_an_engine_is_said(folder: Path, url: str, message: str) -> None:
    session = LspSession(folder)
    try:
        session.initialize(initializationOptions={"engine": {"url": url}})
        assert says(session, message)
        assert not list(folder.glob("engine*"))
    finally:
        session.close()
