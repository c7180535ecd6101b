"""Fitting trust and confidence of a checkpoint."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

from engine import load
from engine.infill.loaded import DEFAULT_MODEL
from engine.training import calibrate


def test_a_checkpoint_gets_its_trust_its_calibration_and_new_hashes(tmp_path: Path, corpus: Path, capsys) -> None:
    folder = tmp_path / "model"
    shutil.copytree(DEFAULT_MODEL, folder)
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config["infill"].pop("calibration", None)
    config["infill"].pop("ngram_trust", None)
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    calibrate.main([str(folder), "--corpus", str(corpus), "--holes", "6"])
    shape = load(folder, device="cpu").shape
    assert shape.ngram_trust is not None
    assert shape.calibration is not None
    assert 0 < shape.calibration.threshold <= 1
    sums = dict(reversed(line.split("  ")) for line in (folder / "SHA256SUMS").read_text("utf-8").splitlines())
    assert sums["config.json"] == hashlib.sha256((folder / "config.json").read_bytes()).hexdigest()
    out = capsys.readouterr().out
    alone, mixed = [float(word) for word in out.split() if word.replace(".", "", 1).isdigit()][:2]
    assert mixed < alone


def test_holes_are_of_every_kind_and_repeat_with_the_seed(corpus: Path, model) -> None:
    first = list(calibrate.holes(corpus, model, 10, seed=3))
    assert first == list(calibrate.holes(corpus, model, 10, seed=3))
    assert all("\n" not in hole.middle for hole in first if hole.one_line)
    assert sum(hole.suffix.startswith("\n") or not hole.suffix for hole in first) >= 5
    assert sum(not hole.one_line for hole in first) == 2
