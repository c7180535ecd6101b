"""A small Python project for tests with real editors, the real engine and the default model."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lsp_session import short_folder

SAMPLE = """class Point:
    def __init__(self, x, y):
        self.x = x
        self.y = y

    def move(self, x, y):
        self.x = x

    def __repr__(self):
        pass
"""


@contextmanager
def sample_home() -> Iterator[Path]:
    """An empty home folder with a project in it; the engine started from there ends with it."""
    with short_folder() as folder:
        (folder / "project" / ".git").mkdir(parents=True)
        (folder / "project" / "point.py").write_text(SAMPLE)
        yield folder
        _engine(folder, "stop")


def engine_is_ready(home: Path) -> bool:
    return "ready" in _engine(home, "status")


def variables(home: Path) -> dict[str, str]:
    """The environment for an editor, in which `dg-lsp` is on the PATH."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    own = {"PYTHONPATH": os.environ["PYTHONPATH"]} if "PYTHONPATH" in os.environ else {}
    return {"PATH": path, "LANG": "C.UTF-8", "HOME": str(home), "DG_RUNTIME_DIR": str(home / "run"), **own}


def _engine(home: Path, command: str) -> str:
    environment = {**os.environ, "DG_RUNTIME_DIR": str(home / "run")}
    words = [sys.executable, "-m", "engine.cli", command]
    return subprocess.run(words, env=environment, capture_output=True, text=True).stdout
