"""`make install`: links to the commands on PATH, and nothing of the user's is overwritten."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def install(prefix: Path, path: str = "/usr/bin:/bin") -> subprocess.CompletedProcess[str]:
    """As it runs after `make demo`, whose environment counts as made."""
    command = ["make", "-C", str(REPOSITORY), "-o", ".venv/.engine", "install", f"PREFIX={prefix}"]
    return subprocess.run(command, env={**os.environ, "PATH": path}, capture_output=True, text=True)


def test_both_commands_are_linked_and_a_folder_that_is_not_on_path_is_said(tmp_path: Path) -> None:
    prefix = tmp_path / "a home"
    for _ in range(2):
        done = install(prefix)
        assert (done.returncode, done.stderr) == (0, "")
        assert f'\n  export PATH="{prefix}/bin:$PATH"\n' in done.stdout
    for name in ("dg-lsp", "dg-engine"):
        assert os.readlink(prefix / "bin" / name) == f"{REPOSITORY}/.venv/bin/{name}"
    assert "export" not in install(prefix, f"{prefix}/bin:/usr/bin:/bin").stdout


def test_a_program_of_the_users_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "dg-lsp").write_text("mine")
    done = install(tmp_path)
    assert done.returncode == 2
    assert f"make: {tmp_path}/bin/dg-lsp is there already and no link: move it away, or set PREFIX=" in done.stdout
    assert (tmp_path / "bin" / "dg-lsp").read_text() == "mine"
