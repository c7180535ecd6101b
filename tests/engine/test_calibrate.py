"""Fitting trust and confidence of a checkpoint, and what the thresholds then give."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import load
from engine.evaluation import automatic
from engine.evaluation.automatic import Outcome
from engine.evaluation.tasks import Task
from engine.infill.calibration import KINDS, Features
from engine.infill.choice import Ranked
from engine.infill.loading import DEFAULT_MODEL
from engine.training import calibrate
from engine.training.calibrate import fit_calibration
from engine.training.threshold import DOUBT, FALSE_RATE, at_most, threshold

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def own_code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This project's own code in the place of the packages for calibration."""
    folder = tmp_path_factory.mktemp("corpus")
    rows = [
        {"package": "own", "path": path.name, "text": path.read_text("utf-8")}
        for path in sorted((ROOT / "engine" / "infill").glob("*.py"))[1:]
    ]
    (folder / calibrate.FILES).write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return folder


def test_a_checkpoint_gets_its_trust_its_calibration_and_new_hashes(tmp_path: Path, own_code: Path, capsys) -> None:
    folder = tmp_path / "model"
    shutil.copytree(DEFAULT_MODEL, folder)
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config["infill"].pop("calibration", None)
    config["infill"].pop("ngram_trust", None)
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    calibrate.main([str(folder), "--files", str(own_code), "--holes", "2"])
    shape = load(folder, device="cpu").shape
    assert shape.ngram_trust is not None
    assert shape.calibration is not None
    assert shape.calibration.bias.keys() == set(KINDS)
    sums = dict(reversed(line.split("  ")) for line in (folder / "SHA256SUMS").read_text("utf-8").splitlines())
    assert sums["config.json"] == hashlib.sha256((folder / "config.json").read_bytes()).hexdigest()
    out = capsys.readouterr().out
    alone, mixed = [float(word) for word in out.split() if word.replace(".", "", 1).isdigit()][:2]
    assert mixed < alone
    assert all(f"| **{kind}** |" in out for kind in KINDS)


def test_a_file_outside_the_catalogue_needs_a_place_for_its_profile(tmp_path: Path, capsys) -> None:
    with pytest.raises(SystemExit) as stopped:
        calibrate.main([str(tmp_path / "own.gguf")])
    assert stopped.value.code == 2
    assert capsys.readouterr().err == "own.gguf is no model of the catalogue: name the profile's file by --to\n"


def test_a_corpus_without_the_packages_for_it_is_one_line(tmp_path: Path, capsys) -> None:
    with pytest.raises(SystemExit) as stopped:
        calibrate.main([str(DEFAULT_MODEL), "--files", str(tmp_path)])
    assert stopped.value.code == 2
    assert capsys.readouterr().err == (
        f"{tmp_path / 'calibration_files.jsonl'} is not here: run make corpus, or name its folder by --files\n"
    )


def test_whole_lines_are_asked_for_as_a_line_and_as_a_block() -> None:
    tasks = [Task(kind, "", kind, "x", "y", "\n") for kind in ("line", "whole-line", "body")]
    asked = [(one.task.kind, one.single_line) for one in automatic.as_asked(tasks)]
    assert asked == [("line", True), ("whole-line", True), ("whole-line", False), ("body", False)]


@pytest.mark.parametrize(
    ("middle", "text", "sure", "single_line", "right"),
    [
        ("a()\nb()", "a()\nb()", (0.9, 0.9), False, True),
        ("a()\nb()", "a()", (), False, True),  # the first of the author's lines
        ("a()\nb()", "a()\nc()", (0.9, 0.5), False, True),  # the second line is not shown
        ("a()\nb()", "a()\nc()", (0.9, 0.9), False, False),
        ("a(1)\nb()", "a(", (), False, False),
        ("a()", "a()\nb()", (0.9, 0.9), False, False),  # the author went on otherwise
        ("a()\nb()", "a()", (), True, False),
    ],
)
def test_a_block_is_right_when_the_lines_that_are_shown_are_the_authors_next(
    middle: str, text: str, sure: tuple[float, ...], single_line: bool, right: bool
) -> None:
    asked = automatic.Asked(Task("", "", "body", "", middle, ""), single_line)
    answer = Ranked(text, ("causal",), Features(0.9, 0.9, 1, text, "block"), sure)
    assert asked.is_right(asked.shown(answer)) == right


def test_a_hole_is_asked_for_in_its_language_and_a_block_with_a_bound() -> None:
    line, block = (automatic.Asked(Task("", "", "line", "x", "y", "", language="go"), one) for one in (True, False))
    assert line.request.language == "go"
    assert (line.request.max_lines, block.request.max_lines) == (None, 4)


def outcome(share: float, right: bool, kind: str = "inside", characters: int = 4) -> Outcome:
    return Outcome(kind, "span", Features(share, 0.5, 1, "text", kind), right, characters, characters)


def test_a_kind_that_is_wrong_too_often_is_never_shown() -> None:
    good = [outcome(0.9, True) for _ in range(40)] + [outcome(0.1, False) for _ in range(40)]
    bad = [outcome(0.9, i % 2 == 0, "block") for i in range(80)]
    calibration = fit_calibration([*good, *bad])
    assert calibration.threshold["block"] is None
    assert calibration.threshold["tail"] is None
    assert [calibration.shows(one.features) for one in good] == [True] * 40 + [False] * 40
    shown = automatic.table(calibration, [*good, *bad])
    assert "| **inside** | 80 | 50.0% |" in shown
    assert "| 50.0% | 0% (0 of 40) | 50.0% |" in shown
    assert "| **block** | 80 | 50.0% | never | 0.0% | – | 0.0% |" in shown


@given(st.lists(st.tuples(st.sampled_from([0.2, 0.4, 0.6, 0.8]), st.booleans()), max_size=60))
def test_above_the_threshold_hardly_more_than_a_quarter_can_be_wrong(answers: list[tuple[float, bool]]) -> None:
    least = threshold(answers)
    if least is not None:
        shown = [right for confidence, right in answers if confidence >= least]
        assert at_most(shown.count(False), len(shown), FALSE_RATE) <= DOUBT
        assert shown.count(False) <= FALSE_RATE * len(shown)


def test_few_answers_prove_nothing() -> None:
    assert threshold([(0.9, True)] * 4) is None
    assert threshold([(0.9, True)] * 5) == 0.9


@pytest.mark.parametrize(("wrong", "total"), [(0, 10), (3, 10), (10, 10), (30, 150)])
def test_the_chance_of_so_few_wrong_is_that_of_the_binomial_distribution(wrong: int, total: int) -> None:
    ways = (math.comb(total, k) * 0.25**k * 0.75 ** (total - k) for k in range(wrong + 1))
    assert at_most(wrong, total, 0.25) == pytest.approx(sum(ways))


def test_thousands_of_answers_are_counted_too() -> None:
    assert at_most(500, 2000, 0.25) == pytest.approx(0.51, abs=0.01)
    assert at_most(400, 2000, 0.25) < 1e-6
