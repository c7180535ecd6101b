"""`dg-lsp doctor`: one line per check, the command that mends what failed at its end, the exit status."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from lsp_session import ScriptedEngine, ScriptedEngines, short_folder

from dg_lsp.doctor import check_model, check_runtime_folder

StartEngine = Callable[..., ScriptedEngine]
Lines = dict[str, str]

DOCTOR = (
    "import sys; from dg_lsp.doctor import run; status = run(); assert 'torch' not in sys.modules; sys.exit(status)"
)
NAMES = ["system", "Python", "dg-lsp", "torch", *["model"] * 4, "grammars", "runtime folder", "engine", "round trip"]
FILES = ("config.json", "generation_config.json", "model.safetensors", "tokenizer.json")


def doctor(folder: Path) -> tuple[int, list[tuple[str, str, str]]]:
    """The exit status and the lines as (level, name, fact). It never imports torch itself."""
    environment = {**os.environ, "DG_RUNTIME_DIR": str(folder)}
    answer = subprocess.run(
        [sys.executable, "-c", DOCTOR], env=environment, capture_output=True, text=True, timeout=110
    )
    assert answer.stderr == ""
    lines = [(line[:4].strip(), line[6:21].strip(), line[22:]) for line in answer.stdout.splitlines()]
    return answer.returncode, lines


def only(lines: list[tuple[str, str, str]], name: str) -> tuple[str, str]:
    (found,) = [(level, fact) for level, line_name, fact in lines if line_name == name]
    return found


def test_with_the_real_engine_nothing_fails() -> None:
    with short_folder() as folder:
        try:
            status, lines = doctor(folder)
        finally:
            environment = {**os.environ, "DG_RUNTIME_DIR": str(folder)}
            subprocess.run([sys.executable, "-m", "engine.cli", "stop"], env=environment, capture_output=True)
    assert [line for line in lines if line[0] == "FAIL"] == []
    assert status == 0
    assert [name for _, name, _ in lines if name != "model"] == [name for name in NAMES if name != "model"]
    assert {fact.split(",")[0] for _, name, fact in lines if name == "model"} >= set(FILES)
    assert "built" in only(lines, "torch")[1]
    languages = "python, javascript, javascriptreact, typescript, typescriptreact, rust, go, c, cpp, java"
    assert only(lines, "grammars") == ("ok", languages)
    assert only(lines, "runtime folder") == ("ok", f"{folder}, mode 0700, socket engine.sock is not there yet")
    assert only(lines, "engine")[1].startswith("dg-default on ")


def test_no_place_for_the_engine_fails_with_a_command(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    status, lines = doctor(tmp_path / "file" / "in")
    assert status == 1
    level, fact = only(lines, "runtime folder")
    assert level == "FAIL"
    assert fact.endswith('cannot be made (Not a directory); run: export DG_RUNTIME_DIR="$HOME/.cache/dg-lsp"')
    assert only(lines, "engine") == ("warn", "not tried without a runtime folder")


@pytest.mark.parametrize(
    ("script", "status", "name", "level", "said"),
    [
        (("--load-error", "the model is broken"), 1, "engine", "FAIL", "the model is broken"),
        (("--fail-at-step", "1"), 1, "round trip", "FAIL", "the script says so"),
        (("--middle", " "), 0, "round trip", "warn", "the answer was blank"),
    ],
)
def test_an_engine_in_trouble(
    scripted_engines: tuple[Path, ScriptedEngines],
    scripted_engine: StartEngine,
    script: tuple[str, ...],
    status: int,
    name: str,
    level: str,
    said: str,
) -> None:
    scripted_engine(*script)
    found, lines = doctor(scripted_engines[0])
    assert found == status
    assert only(lines, name)[0] == level
    assert said in only(lines, name)[1]
    assert level == "warn" or "; run: " in only(lines, name)[1]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder with the files of a model and their hashes."""
    for name in FILES:
        (tmp_path / name).write_text(f"content of {name}")
    hashes = (f"{hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()}  {name}\n" for name in FILES)
    (tmp_path / "SHA256SUMS").write_text("".join(hashes))
    return tmp_path


def test_an_untouched_model_is_ok(model: Path) -> None:
    checks = list(check_model(model))
    assert [check.level for check in checks] == ["ok"] * 4
    assert (
        checks[0].fact == "config.json, 0.0 KiB, sha256 " + hashlib.sha256(b"content of config.json").hexdigest()[:12]
    )


def test_a_changed_and_a_missing_file_fail_with_a_command(model: Path) -> None:
    (model / "model.safetensors").write_text("damaged")
    (model / "tokenizer.json").unlink()
    checks = list(check_model(model))
    assert [check.level for check in checks] == ["ok", "ok", "FAIL", "FAIL"]
    assert "but it should be" in checks[2].fact
    assert "No such file" in checks[3].fact
    assert all(check.remedy for check in checks[2:])


def test_without_recorded_hashes_the_files_must_still_be_there(model: Path) -> None:
    (model / "SHA256SUMS").unlink()
    assert [check.level for check in check_model(model)] == ["ok"] * 4
    (model / "config.json").unlink()
    assert [check.level for check in check_model(model)] == ["FAIL", "ok", "ok", "ok"]


def test_a_runtime_folder_open_to_others_fails(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    check = check_runtime_folder(tmp_path)
    assert (check.level, check.remedy) == ("FAIL", f"chmod 700 {tmp_path}")
