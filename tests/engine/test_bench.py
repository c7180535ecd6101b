"""`dg-engine bench` on the shipped model: what it reports, and when it refuses to compare. Never how fast."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from engine.cli import main
from engine.evaluation.bench import ROWS, BenchError, Spread, check_same


def test_one_whole_run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every row, the real server and engine; one thread, so that a busy machine does not slow it down much."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    file = tmp_path / "bench.json"

    assert main(["bench", "--repeats", "1", "--starts", "1", "--seed", "7", "--json", str(file)]) == 0

    report = json.loads(file.read_text())
    assert (report["seed"], report["repeats"], report["machine"]["threads"]) == (7, 1, 1)
    assert {"dg-lsp", "torch", "transformers", "Python"} == set(report["versions"])
    assert report["max_logit_difference"] < 1e-3
    assert [row["name"] for row in report["rows"]] == list(ROWS)
    for row in report["rows"]:
        assert row["peak_mib"] > 50
        assert 0 < row["step_ms"]["minimum"] <= row["step_ms"]["median"] <= row["step_ms"]["p90"]
        # one fill: the prefill and eight steps, of which no one is faster than the fastest
        assert row["prefill_ms"]["median"] + 8 * row["step_ms"]["minimum"] <= row["fill_ms"]["median"]
    server = report["server_ms"]
    assert server["initialize"]["median"] < server["first_answer"]["median"]
    assert server["first_completion"]["median"] < server["first_answer"]["median"]

    printed = capsys.readouterr().out
    for part in (*ROWS, "torch 2.", "transformers 5.", "seed 7", "MiB", "second completion"):
        assert part in printed


def test_unequal_engines_are_not_compared(tmp_path: Path) -> None:
    files = [tmp_path / "a.npy", tmp_path / "b.npy"]
    logits = np.zeros((2, 4, 8), dtype=np.float32)
    for file, error in zip(files, (0, 1e-5), strict=True):
        np.save(file, logits + error)
    assert check_same(files) == pytest.approx(1e-5)

    for wrong in (0.1, float("nan")):
        np.save(files[1], logits + wrong)
        with pytest.raises(BenchError, match="compute different things"):
            check_same(files)


def test_spread_of_few_and_many_values() -> None:
    assert Spread.of([5.0]) == Spread(5.0, 5.0, 5.0)
    assert Spread.of(float(n) for n in range(10, 0, -1)) == Spread(5.5, 9.0, 1.0)


@pytest.mark.parametrize("count", ["0", "-1", "some"])
def test_counts_that_measure_nothing(count: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["bench", f"--repeats={count}"])

    assert ended.value.code == 2
    assert "at least 1" in capsys.readouterr().err
