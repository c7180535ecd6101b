"""What the results of many tasks add up to."""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from engine.evaluation.held_out import KINDS
from engine.evaluation.scoring import WHOLE, Record, Score
from engine.evaluation.tasks import LENGTHS, SETS

FALSE_RATES = (0.25, 0.10)
BINS = 10
Summary = dict[str, Any]


def share(values: Iterable[bool]) -> Summary:
    """The share that is true, with its binomial standard error."""
    found = list(values)
    if not found:
        return {"n": 0, "share": None, "error": None}
    p = sum(found) / len(found)
    return {"n": len(found), "share": p, "error": math.sqrt(p * (1 - p) / len(found))}


def mean(values: Sequence[float]) -> Summary:
    """The mean, with its standard error."""
    error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None
    return {"n": len(values), "mean": statistics.fmean(values) if values else None, "error": error}


def percentile(values: Sequence[float], part: float) -> float:
    """The smallest value that at least this part of the values does not exceed."""
    return sorted(values)[max(0, math.ceil(part * len(values)) - 1)]


def of_set(records: Sequence[Record]) -> Summary:
    """Everything about one set."""
    steps = [record.steps for record in records if record.steps is not None]
    times = [record.ms for record in records]
    return {
        "tasks": len(records),
        "blank suffix": share(record.blank_suffix for record in records),
        "abstained": share(not record.rows[WHOLE].middle.strip() for record in records),
        "rows": _rows(records),
        "by kind": _by_kind(records),
        "by length of the answer": _by_length(records),
        "by suffix": _by(records, lambda record: "blank" if record.blank_suffix else "with text"),
        "chosen": dict(Counter(record.source or "nothing" for record in records).most_common()),
        "candidates": mean([record.candidates for record in records]),
        "steps": mean(steps) if steps else None,
        "ms": {"p50": percentile(times, 0.5), "p95": percentile(times, 0.95)},
        "saved": [saved(records, rate) for rate in FALSE_RATES],
        "reliability": reliability(records),
    }


def _rows(records: Sequence[Record]) -> dict[str, Summary]:
    return {row: _row([record.rows[row] for record in records]) for row in records[0].rows}


def _row(scores: Sequence[Score]) -> Summary:
    return {
        "passed": share(score.passed for score in scores if score.passed is not None),
        "exact": share(score.exact for score in scores),
        "similarity": mean([score.similarity for score in scores]),
        "parses": share(score.parses for score in scores if score.parses is not None),
        "repeats suffix": share(score.repeats_suffix for score in scores),
    }


def _by(records: Sequence[Record], key: Callable[[Record], str]) -> dict[str, dict[str, Summary]]:
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        groups[key(record)].append(record)
    return {name: _rows(group) for name, group in groups.items()}


def _by_kind(records: Sequence[Record]) -> dict[str, dict[str, Summary]]:
    groups = _by(records, lambda record: record.kind)
    return {kind: groups[kind] for kind in (*KINDS, *SETS) if kind in groups}


def _by_length(records: Sequence[Record]) -> dict[str, dict[str, Summary]]:
    groups = _by(records, lambda record: record.length)
    return {name: groups[name] for low, _ in LENGTHS for name in groups if name.split("–")[0] in (str(low), f"{low}+")}


def _confident(records: Iterable[Record]) -> list[tuple[float, Record]]:
    """The answers that were given with a confidence, surest first."""
    given = [(r.confidence, r) for r in records if r.confidence is not None and r.rows[WHOLE].middle.strip()]
    return sorted(given, key=lambda item: -item[0])


def saved(records: Sequence[Record], false_rate: float) -> Summary | None:
    """The share of all characters that is saved when only confident answers are shown, so few that at most
    `false_rate` of them are wrong; None without confidences.

    The threshold is chosen on the same tasks, which flatters it a little.
    """
    answers = _confident(records)
    if not answers:
        return None
    total = sum(record.characters for record in records)
    best = {"false rate": false_rate, "threshold": None, "answered": 0.0, "characters": 0.0}
    wrong = characters = 0
    for place, (confidence, record) in enumerate(answers, 1):
        if record.rows[WHOLE].right:
            characters += record.characters
        else:
            wrong += 1
        tied = place < len(answers) and answers[place][0] == confidence
        if wrong <= false_rate * place and not tied:
            best |= {"threshold": confidence, "answered": place / len(records), "characters": characters / total}
    return best


def reliability(records: Sequence[Record]) -> Summary | None:
    """Confidence against the share that is right, in ten bins of equal width, and the expected calibration error."""
    answers = _confident(records)
    if not answers:
        return None
    bins: list[list[tuple[float, bool]]] = [[] for _ in range(BINS)]
    for confidence, record in answers:
        bins[min(BINS - 1, int(confidence * BINS))].append((confidence, record.rows[WHOLE].right))
    rows = [
        {
            "from": at / BINS,
            "n": len(found),
            "confidence": statistics.fmean(confidence for confidence, _ in found),
            "right": sum(right for _, right in found) / len(found),
        }
        for at, found in enumerate(bins)
        if found
    ]
    error = sum(row["n"] * abs(row["confidence"] - row["right"]) for row in rows) / len(answers)
    return {"bins": rows, "expected calibration error": error}
