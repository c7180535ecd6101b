"""`dg-engine train`: curves and experiments."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from engine.cli import main
from engine.training.experiments import EXPERIMENTS, SHAPE, Variant, _size, _stages, _table

VARIANTS = {variant.name: variant for rows in EXPERIMENTS.values() for variant in rows.values()}


def run_with(log: list[dict[str, object]], folder: Path) -> Path:
    folder.mkdir()
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in log))
    return folder


def test_curves_of_runs_are_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    first = run_with(
        [{"step": s, "of": 100, "s_per_step": 1, "causal": [9 - s / 50, 0.1]} for s in (50, 100)], tmp_path / "a"
    )
    second = run_with([{"step": 50, "of": 50, "causal": [5, 0.3], "held_out_causal": [5.5, 0.2]}], tmp_path / "b")
    out = tmp_path / "curves.svg"
    assert main(["train", "plot", str(first), str(second), "--out", str(out)]) == 0
    assert out.read_text().count("<svg") == 1


def test_without_matplotlib_one_line_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["train", "plot", str(tmp_path)]) == 2
    assert capsys.readouterr().err == "train: plots need matplotlib: run pip install 'dg-lsp[evaluate]'\n"


def test_a_folder_without_a_run_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "export", "--out", str(tmp_path), "--to", str(tmp_path / "model")]) == 2
    assert capsys.readouterr().err == f"train: {tmp_path} holds no checkpoint: train first\n"


@pytest.mark.parametrize("name", ["hidden-96", "hidden-192"])
def test_sizes_are_compared_at_equal_compute(name: str) -> None:
    def work(variant: Variant) -> float:
        stages = _stages(variant, Path("corpus"), Path("out"), Path("out/x"), 600, 1)
        return sum(stage.steps * stage.rows for stage in stages) * _size(variant.shape)

    assert work(VARIANTS[name]) == pytest.approx(work(VARIANTS["plain"]), rel=0.01)


def test_joint_training_sees_as_many_tokens() -> None:
    def rows(name: str) -> int:
        return sum(s.steps * s.rows for s in _stages(VARIANTS[name], Path("c"), Path("o"), Path("o/x"), 600, 1))

    assert rows("joint") == rows("plain")
    assert VARIANTS["joint"].shape == SHAPE


def test_the_table_says_mean_and_spread_of_the_seeds_that_are_done() -> None:
    results = {"plain": [{"LM loss": 3.0}, {"LM loss": 3.2}], "uniform": [{"LM loss": 4.0}]}
    assert _table("noise", EXPERIMENTS["noise"], results) == (
        "| noise | LM loss |\n|---|---|\n| mask | 3.100 ± 0.100 |\n| uniform | 4.000 |\n"
    )
