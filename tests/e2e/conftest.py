"""Fixtures that start real processes and end them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from lsp_session import LspSession, ScriptedEngine, ScriptedEngines, short_folder


@pytest.fixture(scope="module")
def scripted_engines() -> Iterator[tuple[Path, ScriptedEngines]]:
    """A runtime folder and the stand-ins for the engine there."""
    with short_folder() as folder:
        engines = ScriptedEngines(folder)
        yield folder, engines
        engines.end()


@pytest.fixture
def scripted_engine(scripted_engines: tuple[Path, ScriptedEngines]) -> Callable[..., ScriptedEngine]:
    """Starts a stand-in for the engine with the arguments of `scripted_engine.py`."""
    return scripted_engines[1].start


@pytest.fixture
def lsp(scripted_engines: tuple[Path, ScriptedEngines]) -> Iterator[LspSession]:
    """A `dg-lsp` process that has not been initialized yet."""
    session = LspSession(scripted_engines[0])
    yield session
    session.close()
