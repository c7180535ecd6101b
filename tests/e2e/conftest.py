"""Fixtures that start real processes and end them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lsp_session import LspSession, ScriptedEngine, ScriptedEngines, StartEngine, short_folder


@pytest.fixture(scope="module")
def scripted_engines() -> Iterator[tuple[Path, ScriptedEngines]]:
    """A runtime folder and the stand-ins for the engine there."""
    with short_folder() as folder:
        engines = ScriptedEngines(folder)
        yield folder, engines
        engines.end()


@pytest.fixture
def scripted_engine(scripted_engines: tuple[Path, ScriptedEngines]) -> StartEngine:
    """Starts a stand-in for the engine with the arguments of `scripted_engine.py`."""
    return scripted_engines[1].start


@pytest.fixture
def lsp(scripted_engines: tuple[Path, ScriptedEngines]) -> Iterator[LspSession]:
    """A `dg-lsp` process that has not been initialized yet."""
    session = LspSession(scripted_engines[0])
    yield session
    session.close()


@pytest.fixture
def start(lsp: LspSession, scripted_engine: StartEngine) -> StartEngine:
    """Starts a scripted engine and initializes the server `lsp`, which then is ready."""

    def start(*arguments: str, **params: Any) -> ScriptedEngine:
        engine = scripted_engine(*arguments)
        lsp.initialize(**params)
        lsp.until_ready()
        return engine

    return start


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[LspSession, ScriptedEngines]]:
    """A `dg-lsp` process that is ready, and its engine."""
    with short_folder() as folder:
        engines = ScriptedEngines(folder)
        engines.start()
        server = LspSession(folder)
        server.initialize()
        server.until_ready()
        yield server, engines
        server.close()
        engines.end()


@pytest.fixture
def server(shared: tuple[LspSession, ScriptedEngines]) -> LspSession:
    """A `dg-lsp` process that is ready, shared by a module's tests; no document is open."""
    shared[0].start_anew()
    return shared[0]


@pytest.fixture
def script(shared: tuple[LspSession, ScriptedEngines]) -> StartEngine:
    """Scripts the engine of `server`."""
    return shared[1].start


@pytest.fixture
def lsp_with(scripted_engines: tuple[Path, ScriptedEngines]) -> Iterator[Callable[..., LspSession]]:
    """Starts `dg-lsp` with arguments, beside a scripted engine."""
    scripted_engines[1].start()
    started: list[LspSession] = []

    def start(*arguments: str) -> LspSession:
        started.append(LspSession(scripted_engines[0], arguments))
        return started[-1]

    yield start
    for session in started:
        session.close()
