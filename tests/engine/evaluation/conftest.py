"""A small set of held-out files with a list of holes of its own."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

from engine.evaluation import held_out


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of three files of the standard library, held out for this test, and of two holes of each kind."""
    folder = tmp_path_factory.mktemp("data")
    names = ("textwrap", "json.decoder", "bisect")
    files = [str(importlib.import_module(name).__file__) for name in names]
    rows = [
        {"package": "stdlib", "path": f"{name}.py", "text": Path(file).read_text("utf-8")}
        for name, file in zip(names, files, strict=True)
    ]
    (folder / held_out.FILES).write_text("".join(json.dumps(row) + "\n" for row in rows))
    held_out.main([str(folder / held_out.FILES), "--limit", "2", "--to", str(folder / held_out.HOLES.name)])
    return folder
