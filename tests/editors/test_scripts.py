"""The commands beside the tests, which no test runs whole, can at least be started."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from needed import need

HERE = Path(__file__).parent


@pytest.mark.parametrize(
    "script", ["latency", "latency_vscode", "screenshots", "screenshots_demo", "screenshots_vscode"]
)
def test_all_that_a_script_names_is_there(script: str) -> None:
    need(find_spec("pynvim"), "pynvim is not installed: run `make test-editors`")
    folders = [str(HERE), str(HERE.parent / "e2e"), str(HERE.parents[1])]
    code = f"import sys; sys.path[:0] = {folders!r}; import {script}"
    subprocess.run([sys.executable, "-c", code], check=True)
