"""Whole runs with the shipped model, as users start them."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from engine.cli import main
from engine.evaluation import report, runner

ROWS = [
    "empty middle",
    "one copy",
    "n-gram",
    "causal, greedy, cut at the suffix",
    "model without drafts",
    "best causal draft",
    "whole system",
    "perfect chooser",
]


@pytest.fixture(scope="module")
def uncut(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a whole run: one task of each kind."""
    out = tmp_path_factory.mktemp("uncut") / "out"
    assert evaluate(out, data).wait(100) == 0
    return out


def evaluate(out: Path, data: Path) -> subprocess.Popen[str]:
    """The command in a process of its own; one thread, so that a busy machine does not slow it down much."""
    command = [sys.executable, "-m", "engine.cli", "evaluate", "--limit", "1", "--out", str(out), "--data", str(data)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def results(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]


def test_a_whole_run(uncut: Path) -> None:
    found = results(uncut)
    made = json.loads((uncut / "report.json").read_text())
    held_out = made["sets"]["held-out"]

    assert len(found) == made["done"] == made["of"] == held_out["tasks"] == 7
    assert list(held_out["rows"]) == ROWS
    assert {kind: rows["whole system"]["exact"]["n"] for kind, rows in held_out["by kind"].items()} == dict.fromkeys(
        ("line", "span", "whole-line", "lines", "arguments", "body", "random"), 1
    )
    right = {row: scores["exact"]["share"] for row, scores in held_out["rows"].items()}
    assert right["empty middle"] == 0
    assert right["perfect chooser"] >= right["whole system"]
    assert held_out["steps"]["mean"] > 0
    assert 0 < held_out["ms"]["p50"] <= held_out["ms"]["p95"]
    assert 0 <= held_out["reliability"]["expected calibration error"] <= 1


def test_the_report_says_how_it_was_made(uncut: Path) -> None:
    text = (uncut / "report.md").read_text()
    for part in ("7 of 7 tasks", "seed 0", "truncation rule", "threads", "max_steps", "torch", "Abstentions", "ms"):
        assert part in text
    assert text.count("\n**held-out/stdlib/") == 7  # every one of the first 30, right or wrong
    assert "![held-out.png](held-out.png)" in text
    assert (uncut / "held-out.png").read_bytes().startswith(b"\x89PNG")


def test_stopped_twice_and_gone_on_with(data: Path, uncut: Path, tmp_path: Path) -> None:
    """Interrupted, then killed in the middle of a line; at the end nothing differs from the run in one go but times."""
    out = tmp_path / "out"

    first = _started(out, data, until=1)
    first.send_signal(signal.SIGINT)
    printed, complaints = first.communicate(timeout=60)
    assert first.returncode == 130, complaints
    assert "The run is not finished" in (out / "report.md").read_text()
    assert re.search(r"\d+ of 7 tasks", printed)
    assert "Traceback" not in complaints

    done = len(results(out))
    second = _started(out, data, until=done + 1)
    second.kill()
    second.communicate()
    assert len(results(out)) < 7
    with (out / "results.jsonl").open("a") as file:
        file.write('{"id": "half a li')

    assert evaluate(out, data).wait(100) == 0

    assert [_timeless(result) for result in results(out)] == [_timeless(result) for result in results(uncut)]
    reports = [json.loads((folder / "report.json").read_text()) for folder in (out, uncut)]
    assert _timeless(reports[0]) == _timeless(reports[1])


def test_a_run_with_other_settings_is_refused(
    data: Path, uncut: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Here with two tasks of each kind instead of one. Nor is a folder used that holds other things."""
    before = (uncut / "results.jsonl").read_bytes()
    assert main(["evaluate", "--out", str(uncut), "--data", str(data)]) == 2
    assert "holds a run with other settings (held-out: 7 there, 14 now)" in capsys.readouterr().err
    assert (uncut / "results.jsonl").read_bytes() == before

    (tmp_path / "mine.txt").write_text("precious")
    assert main(["evaluate", "--out", str(tmp_path), "--data", str(data)]) == 2
    assert "holds something else" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


def test_results_of_another_version_are_refused(
    data: Path, uncut: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(uncut, tmp_path / "out")
    (tmp_path / "out" / "results.jsonl").write_text('{"id": "t", "rows": {}}\n')
    arguments = ["--out", str(tmp_path / "out"), "--data", str(data), "--limit", "1"]
    monkeypatch.setattr("engine.evaluation.runner._first_difference", lambda old, new: None)  # threads differ here
    assert main(["evaluate", *arguments]) == 2
    assert "holds results that cannot be read" in capsys.readouterr().err


def test_without_matplotlib(uncut: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The results that are there, written down again."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    run = json.loads((uncut / "report.json").read_text())["run"]

    report.write(tmp_path, [runner.record(line) for line in (uncut / "results.jsonl").read_text().splitlines()], run)

    assert "No plots: run pip install 'dg-lsp[evaluate]'" in (tmp_path / "report.md").read_text()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["report.json", "report.md"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--sets", "held-out,nothing"], "there is no set 'nothing'"),
        (["--model", "no-such-folder"], "no-such-folder"),
        (["--url", "http://127.0.0.1:9", "--model", "x"], "--model-name"),
    ],
)
def test_bad_usage(
    arguments: list[str], complaint: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "--out", str(tmp_path / "out"), "--data", str(data), *arguments]) == 2
    captured = capsys.readouterr().err
    assert complaint in captured
    assert captured.count("\n") == 1


def _started(out: Path, data: Path, until: int) -> subprocess.Popen[str]:
    """A run in a process of its own that has `until` results."""
    process = evaluate(out, data)
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        if (out / "results.jsonl").exists() and (out / "results.jsonl").read_text().count("\n") >= until:
            break
        time.sleep(0.02)
    return process


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(inner) for key, inner in value.items() if key != "ms"}
    return [_timeless(inner) for inner in value] if isinstance(value, list) else value
