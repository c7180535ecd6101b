"""The processes that cases need, each started when first asked for: servers, the package's model, a scripted engine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.e2e.lsp_session import FULL_CAPABILITIES, LspSession, Message, ScriptedEngines, eventually, short_folder

REPOSITORY = Path(__file__).parents[2]
PATIENCE_S = 300.0
"""How long anything may take on a busy machine; a case that has a time limit of its own measures it."""

NO_GHOST_TEXT: Message = {"window": {"workDoneProgress": True}}
_PATIENT = {"inline": {"deadline_ms": 60_000, "manual_deadline_ms": 60_000, "debounce_ms": 0}, "statistics": False}
_NOT_READY = "the server did not get ready"


@dataclass
class World:
    """What is running; `stack` ends it."""

    stack: ExitStack = field(default_factory=ExitStack)

    @cached_property
    def folder(self) -> Path:
        """The runtime folder of the engine with the package's model, which ends with it."""
        folder = self.stack.enter_context(short_folder())
        self.stack.callback(dg_engine, folder, "stop")
        return folder

    @cached_property
    def scripted(self) -> ScriptedEngines:
        """Scripted engines, in a runtime folder of their own."""
        engines = ScriptedEngines(self.scripted_folder)
        self.stack.callback(engines.end)
        return engines

    @cached_property
    def scripted_folder(self) -> Path:
        return self.stack.enter_context(short_folder())

    @cached_property
    def editor(self) -> LspSession:
        """An editor with ghost text, with the package's model."""
        return self.ready(self.server(), FULL_CAPABILITIES)

    @cached_property
    def list_editor(self) -> LspSession:
        """An editor without ghost text, with the package's model."""
        return self.ready(self.server(), NO_GHOST_TEXT)

    @cached_property
    def scripted_editor(self) -> LspSession:
        """An editor with ghost text, with a scripted engine: `says` scripts it."""
        self.scripted.start()
        return self.ready(self.server(folder=self.scripted_folder), FULL_CAPABILITIES)

    def says(self, *middles: str) -> LspSession:
        """The editor whose engine answers with these middles."""
        editor = self.scripted_editor
        self.scripted.start(*(f"--middle={middle}" for middle in middles))
        return editor

    def server(self, *arguments: str, folder: Path | None = None) -> LspSession:
        """A new `dg-lsp` process that has not been initialized."""
        session = LspSession(folder or self.folder, arguments, _environment())
        self.stack.callback(session.close)
        return session

    def ready(self, server: LspSession, capabilities: Message, **params: Any) -> LspSession:
        """Initialize a server, and wait for its engine."""
        server.response(
            server.send(
                "initialize",
                {
                    "processId": None,
                    "rootUri": None,
                    "capabilities": capabilities,
                    "initializationOptions": _PATIENT,
                    **params,
                },
            ),
            PATIENCE_S,
        )
        server.notify("initialized", {})

        def is_ready() -> bool:
            answer = server.response(server.send("dg/status", {}), PATIENCE_S)
            return bool(answer["result"]["state"] == "ready")

        eventually(is_ready, _NOT_READY, PATIENCE_S)
        return server


def dg_engine(folder: Path, *words: str) -> str:
    """The output of a `dg-engine` command."""
    environment = {**os.environ, **_environment(), "DG_RUNTIME_DIR": str(folder)}
    command = [sys.executable, "-m", "engine.cli", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stdout


@contextmanager
def world() -> Iterator[World]:
    """A world that ends with the block."""
    made = World()
    with made.stack:
        yield made


def _environment() -> dict[str, str]:
    """The code of this checkout, whatever is installed, and the model in the package, whatever was downloaded."""
    return {"PYTHONPATH": str(REPOSITORY), "DG_MODEL": "dg-default"}
