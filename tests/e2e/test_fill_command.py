"""`dg-lsp fill` as a user runs it: output, exit status and one clear line for everything that can go wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from lsp_session import ScriptedEngine, ScriptedEngines, eventually, short_folder

from dg_lsp.cli import main

StartEngine = Callable[..., ScriptedEngine]
Command = Callable[..., "subprocess.Popen[str]"]

STUB = 'def area(width, height):\n    """Area."""\n    pass\n'


@pytest.fixture
def begin(scripted_engines: tuple[Path, ScriptedEngines]) -> Command:
    """Begins `dg-lsp` with arguments."""

    def begin(*arguments: str, runtime_folder: Path = scripted_engines[0]) -> subprocess.Popen[str]:
        environment = {**os.environ, "DG_RUNTIME_DIR": str(runtime_folder)}
        command = [sys.executable, "-m", "dg_lsp", *arguments]
        return subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
        )

    return begin


def outcome(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err


def written(folder: Path, text: str | bytes, name: str = "sample.py") -> str:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)


def test_the_middle_is_printed_for_a_cursor(begin: Command, scripted_engine: StartEngine, tmp_path: Path) -> None:
    engine = scripted_engine("--middle", "x + 1")
    path = written(tmp_path, "y = 😀\n", "with:colons.py")
    assert outcome(begin("fill", f"{path}:1:6")) == (0, "x + 1\n", "")
    request = engine.seen()[0]["request"]
    assert (request["prefix"], request["suffix"], request["single_line"]) == ("y = 😀", "\n", True)


def test_json_names_the_range_that_the_middle_replaces_and_how_it_was_made(
    begin: Command, scripted_engine: StartEngine, tmp_path: Path
) -> None:
    engine = scripted_engine("--steps", "4", "--middle", "return width * height", "--middle", "return 0")
    path = written(tmp_path, STUB)
    status, out, err = outcome(
        begin("fill", f"{path}:3:5", "--json", "--candidates", "2", "--max-tokens", "9", "--seed", "5")
    )
    assert (status, err) == (0, "")
    assert json.loads(out) == {
        "middle": "return width * height",
        "range": {"start": {"line": 2, "character": 4}, "end": {"line": 2, "character": 8}},
        "finish_reason": "stop",
        "steps": 4,
        "confidence": 0.5,
        "source": "denoised",
        "candidates": [
            {"middle": "return width * height", "source": "denoised", "confidence": 0.5},
            {"middle": "return 0", "source": "denoised", "confidence": 0.5},
        ],
        "model": "scripted",
        "timings_ms": {"total": 1.0},
    }
    request = engine.seen()[0]["request"]
    assert (request["candidates"], request["max_tokens"], request["seed"]) == (2, 9, 5)


@pytest.mark.parametrize(("line", "column", "filled"), [(3, 1, "pass"), (3, 9, "pass"), (2, 8, ""), (1, 5, "")])
def test_a_cursor_in_a_stub_fills_the_stub_and_one_beside_it_the_cursor(
    begin: Command, scripted_engine: StartEngine, tmp_path: Path, line: int, column: int, filled: str
) -> None:
    engine = scripted_engine("--middle", "new_")
    assert outcome(begin("fill", f"{written(tmp_path, STUB)}:{line}:{column}"))[0] == 0
    request = engine.seen()[0]["request"]
    assert request["prefix"] + filled + request["suffix"] == STUB


def test_blanks_alone_are_nothing_to_offer(begin: Command, scripted_engine: StartEngine, tmp_path: Path) -> None:
    scripted_engine("--middle", " \n")
    status, out, err = outcome(begin("fill", written(tmp_path, STUB) + ":1:1", "--json"))
    assert (status, out, err) == (1, "", "dg-lsp: nothing to offer: the answer was blank\n")


@pytest.mark.parametrize(
    ("content", "place", "complaint"),
    [
        (None, ":1:1", "sample.py"),
        (b"a\x00b", ":1:1", "binary"),
        (b"x" * 5_000_000, ":1:1", "MiB"),
        (b"a = 1\n", ":3:1", "line 3 is beyond the end of the file, which has 2 lines"),
        (b"a = 1\n", ":1:7", "column 7 is beyond the end of line 1, which has 5 characters"),
        (b"a = 1\n", ":1", "is not PATH:LINE:COLUMN with both numbers from 1 up"),
        (b"a = 1\n", ":0:1", "is not PATH:LINE:COLUMN with both numbers from 1 up"),
    ],
)
def test_bad_input_is_one_clear_line_and_status_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes | None, place: str, complaint: str
) -> None:
    path = written(tmp_path, content) if content is not None else str(tmp_path / "sample.py")
    try:
        status = main(["fill", path + place])
    except SystemExit as stop:  # argparse's way
        status = int(stop.code or 0)
    out, err = capsys.readouterr()
    assert (status, out) == (2, "")
    assert complaint in err.splitlines()[-1]


def test_an_engine_that_cannot_load_is_status_3(begin: Command, scripted_engine: StartEngine, tmp_path: Path) -> None:
    scripted_engine("--load-error", "the model is broken")
    status, out, err = outcome(begin("fill", written(tmp_path, STUB) + ":1:1"))
    assert (status, out) == (3, "")
    assert "the model is broken" in err
    assert len(err.splitlines()) == 1


def test_no_place_for_the_engine_is_status_3(begin: Command, tmp_path: Path) -> None:
    path = written(tmp_path, STUB)
    status, out, err = outcome(begin("fill", path + ":1:1", runtime_folder=Path(path) / "in"))
    assert (status, out) == (3, "")
    assert "set DG_RUNTIME_DIR to a folder of your own" in err


def test_ctrl_c_is_quiet_and_stops_the_engine(begin: Command, scripted_engine: StartEngine, tmp_path: Path) -> None:
    engine = scripted_engine("--steps", "1000", "--step-ms", "10")
    process = begin("fill", written(tmp_path, STUB) + ":1:1")
    eventually(lambda: bool(engine.seen()))
    process.send_signal(signal.SIGINT)
    assert outcome(process) == (130, "", "")
    eventually(lambda: engine.seen()[0]["end"] == "closed")


def test_the_real_engine_is_started_on_demand_and_outlives_the_command(begin: Command, tmp_path: Path) -> None:
    with short_folder() as folder:
        stop = [sys.executable, "-m", "engine.cli", "stop"]
        try:
            status, out, err = outcome(
                begin("fill", written(tmp_path, STUB) + ":3:5", "--json", "--max-tokens", "8", runtime_folder=folder)
            )
            assert status in (0, 1), err
            assert status == 1 or json.loads(out)["model"]
            assert (folder / "engine.sock").is_socket()
        finally:
            subprocess.run(stop, env={**os.environ, "DG_RUNTIME_DIR": str(folder)}, check=True, capture_output=True)
        assert not (folder / "engine.sock").exists()
