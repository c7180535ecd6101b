"""The measures, on worked examples."""

from __future__ import annotations

import math

import pytest

from engine.evaluation.metrics import mean, of_set, percentile, reliability, saved, share
from engine.evaluation.scoring import WHOLE, Record, Score, judge, repeats_suffix
from engine.evaluation.systems import Answer, Offer
from engine.evaluation.tasks import Task


def record(right: bool, confidence: float | None = 0.5, characters: int = 10, **changes: object) -> Record:
    score = Score("x" if confidence is not None else "", right, 1.0 if right else 0.5, True, False, None)
    values = {
        "id": "",
        "set": "held-out",
        "kind": "line",
        "length": "1",
        "characters": characters,
        "blank_suffix": False,
        "reference": "x",
        "before": "",
        "behind": "",
        "candidates": 3,
        "source": "causal",
        "confidence": confidence,
        "steps": 8,
        "ms": 100.0,
        "rows": {WHOLE: score},
    }
    return Record(**(values | changes))  # type: ignore[arg-type]


def test_shares_and_means_with_their_errors() -> None:
    assert share([True, False, True, False]) == {"n": 4, "share": 0.5, "error": 0.25}
    assert share([]) == {"n": 0, "share": None, "error": None}
    assert mean([1.0, 3.0]) == {"n": 2, "mean": 2.0, "error": pytest.approx(1.0)}
    assert mean([1.0])["error"] is None


def test_percentiles() -> None:
    assert percentile([5.0], 0.95) == 5.0
    assert percentile([float(n) for n in range(1, 101)], 0.5) == 50.0
    assert percentile([float(n) for n in range(1, 101)], 0.95) == 95.0


def test_characters_saved_at_a_rate_of_false_suggestions() -> None:
    """By confidence: right, right, right, wrong (25 % wrong here), wrong, right (33 %), and one abstention."""
    answers = [(0.9, True), (0.8, True), (0.7, True), (0.6, False), (0.5, False), (0.4, True)]
    records = [record(right, confidence) for confidence, right in answers] + [record(False, None, characters=40)]

    assert saved(records, 0.25) == {"false rate": 0.25, "threshold": 0.6, "answered": 4 / 7, "characters": 0.3}
    assert saved(records, 0.10) == {"false rate": 0.10, "threshold": 0.7, "answered": 3 / 7, "characters": 0.3}
    assert saved([record(False)], 0.25) == {"false rate": 0.25, "threshold": None, "answered": 0.0, "characters": 0.0}
    assert saved([record(False, None)], 0.25) is None


def test_equal_confidences_are_shown_together() -> None:
    tied = saved([record(True, 0.9), record(True, 0.5), record(False, 0.5)], 0.25)
    assert tied is not None
    assert (tied["threshold"], tied["answered"]) == (0.9, 1 / 3)


def test_reliability() -> None:
    """Two answers at 0.95 of which one is right, two at 0.15 of which none is: 2/4 · 0.45 + 2/4 · 0.15."""
    found = reliability([record(True, 0.95), record(False, 0.95), record(False, 0.15), record(False, 0.15)])

    assert found is not None
    assert [(b["from"], b["n"], b["right"]) for b in found["bins"]] == [(0.1, 2, 0.0), (0.9, 2, 0.5)]
    assert found["expected calibration error"] == pytest.approx(0.3)
    assert reliability([record(True, 1.0)]) is not None  # 1 belongs to the last bin


def test_one_set() -> None:
    found = of_set(
        [
            record(True, length="2–3", ms=1.0),
            record(False, length="1", blank_suffix=True, kind="span", ms=3.0),
            record(False, None, ms=2.0, source=None),
        ]
    )

    assert found["rows"][WHOLE]["exact"]["share"] == pytest.approx(1 / 3)
    assert found["rows"][WHOLE]["similarity"]["mean"] == pytest.approx(2 / 3)
    assert found["abstained"]["share"] == pytest.approx(1 / 3)
    assert list(found["by length of the answer"]) == ["1", "2–3"]
    assert found["by kind"]["span"][WHOLE]["exact"] == {"n": 1, "share": 0.0, "error": 0.0}
    assert {name: rows[WHOLE]["exact"]["n"] for name, rows in found["by suffix"].items()} == {
        "with text": 2,
        "blank": 1,
    }
    assert found["chosen"] == {"causal": 2, "nothing": 1}
    assert found["ms"] == {"p50": 2.0, "p95": 3.0}
    assert math.isclose(found["steps"]["mean"], 8.0)


TASK = Task("t", "held-out", "line", "def f(a, b):\n    x = ", "a + b", "\n    return x\n")


def test_a_judged_answer() -> None:
    offers = (Offer("a + c", "causal", 0.4), Offer("a +", "denoised", 0.2), Offer("a + b", "copied", 0.1))
    rows = judge(TASK, Answer(offers, 12.34, 8, shows_candidates=True)).rows

    assert rows[WHOLE].middle == rows["best causal draft"].middle == "a + c"
    assert rows["perfect chooser"].exact
    assert not rows[WHOLE].exact
    assert rows[WHOLE].similarity == pytest.approx(0.8)  # 4 of 5 characters in both
    assert rows[WHOLE].parses
    assert rows["model without drafts"].parses is False
    assert rows["empty middle"].parses is False
    assert rows[WHOLE].passed is None


def test_a_server_shows_one_answer_only() -> None:
    judged = judge(TASK, Answer((Offer("a + b", "server", None),), 1.0))
    assert list(judged.rows) == ["empty middle", "one copy", "n-gram", WHOLE]
    assert judged.rows[WHOLE].right


def test_an_abstention_is_wrong() -> None:
    judged = judge(TASK, Answer((), 1.0, 8, shows_candidates=True))
    assert not judged.rows[WHOLE].right
    assert not judged.rows["perfect chooser"].right
    assert judged.source is None


def test_parsing_is_asked_only_where_the_original_parses() -> None:
    broken = Task("t", "held-out", "line", "def f(:\n    x = ", "1", "\n")
    assert judge(broken, Answer((), 1.0)).rows[WHOLE].parses is None


@pytest.mark.parametrize(
    ("middle", "repeats"), [("a + b\n    return x", True), ("a + b", False), ("return x", True), ("retur", False)]
)
def test_repeating_the_suffix(middle: str, repeats: bool) -> None:
    assert repeats_suffix(TASK, middle) is repeats


def test_short_suffixes_and_honest_repetitions_do_not_count() -> None:
    assert not repeats_suffix(Task("", "", "span", "f(", "g(x)", ")\n"), "g(x))")
    twice = Task("", "", "lines", "", "pass  # once\npass  # again", "\npass  # once\n")
    assert not repeats_suffix(twice, twice.middle)


@pytest.mark.parametrize(
    ("middle", "passed"), [("    return a + b\n", True), ("    return a - b\n", False), ("    (\n", False)]
)
def test_a_benchmark_answer_is_run(middle: str, passed: bool) -> None:
    test = "def check(candidate):\n    assert candidate(1, 2) == 3\n"
    task = Task("t", "single-line", "single-line", "def add(a, b):\n", "    return a + b\n", "", "", test, "add")

    score = judge(task, Answer((Offer(middle, "server", None),), 1.0)).rows[WHOLE]

    assert score.passed is passed
    assert score.right is passed
