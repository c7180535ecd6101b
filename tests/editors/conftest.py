"""Fixtures with real editors. What is not there is skipped, or fails where REQUIRE_EDITORS=1 is set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from lsp_session import ScriptedEngines, eventually, short_folder
from needed import need


def _has_ended(process: int | None) -> bool:
    return process is None or not Path(f"/proc/{process}").exists()


@pytest.fixture(scope="session")
def vscode_is_there() -> None:
    """All that is needed to run VS Code in a browser."""
    import vscode

    need(not vscode.missing(), f"not there for VS Code: {vscode.missing()}; run `make test-editors`")


@pytest.fixture(params=["0.12", "0.10"])
def version(request: pytest.FixtureRequest) -> str:
    """A version of Neovim that is there: with its own inline completion, and without."""
    need(find_spec("pynvim"), "pynvim is not installed: run `make test-editors`")
    import nvim

    need(*nvim.there(request.param))
    return str(request.param)


@pytest.fixture
def engines() -> Iterator[tuple[Path, ScriptedEngines]]:
    """A runtime folder and the stand-ins for the engine there."""
    with short_folder() as folder:
        engines = ScriptedEngines(folder)
        yield folder, engines
        engines.end()


@pytest.fixture
def neovim(version: str, engines: tuple[Path, ScriptedEngines]) -> Iterator[Callable[..., Any]]:
    """Starts a Neovim with options of `setup`; at the end it must have had no errors and leave nothing behind."""
    import nvim

    opened: list[nvim.Neovim] = []
    with short_folder() as home:

        def start(runtime: Path = engines[0], **options: Any) -> nvim.Neovim:
            opened.append(nvim.Neovim(version, home, runtime, **options))
            return opened[-1]

        yield start
        try:
            for one in opened:
                assert one.errors() == []
                server = one.server_pid() if one.lua("return require('dg.client').get() ~= nil") else None
                assert one.quit() == 0
                eventually(partial(_has_ended, server), "the server ends")
        finally:
            for one in opened:
                one.close()
