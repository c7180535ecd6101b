"""One task's answers, judged: what a line of the results holds."""

from __future__ import annotations

import ast
import difflib
import functools
import warnings
from dataclasses import dataclass

from engine.evaluation import baselines, sandbox
from engine.evaluation.systems import Answer
from engine.evaluation.tasks import Task, length_class

GREEDY, WHOLE, CHOOSER = "causal, greedy, cut at the suffix", "whole system", "perfect chooser"
_BY_SOURCE = {"denoised": "model without drafts", "causal": "best causal draft"}
_SUFFIX_HEAD = 4  # characters that the suffix's first line must have to be looked for in an answer


@dataclass(frozen=True, slots=True)
class Score:
    """One answer against the right one; None: not asked of this task."""

    middle: str
    exact: bool
    similarity: float  # difflib's ratio, in [0, 1]
    parses: bool | None  # the merged file, where the original does
    repeats_suffix: bool
    passed: bool | None  # the benchmark's test

    @property
    def right(self) -> bool:
        """Passed where there is a test, else exact."""
        return self.exact if self.passed is None else self.passed


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the results."""

    id: str
    set: str
    kind: str
    length: str
    characters: int
    blank_suffix: bool
    reference: str
    before: str  # the last lines before the hole and the first behind it, for people
    behind: str
    candidates: int
    source: str | None
    confidence: float | None
    steps: int | None
    ms: float
    rows: dict[str, Score]


def judge(task: Task, answer: Answer) -> Record:
    """Score a task's answer in all rows; those of the candidates only where the system shows its candidates."""
    original_parses = task.language == "python" and _parses(task.merged(task.middle))

    @functools.cache
    def score(middle: str) -> Score:
        parses = original_parses and _parses(task.merged(middle))
        passed = None
        if task.test:  # what does not parse cannot pass: no process needed
            passed = parses and sandbox.run(task.program(middle)).passed
        return Score(
            middle=middle,
            exact=middle == task.middle,
            similarity=difflib.SequenceMatcher(None, middle, task.middle, autojunk=False).ratio(),
            parses=parses if original_parses else None,
            repeats_suffix=repeats_suffix(task, middle),
            passed=passed,
        )

    offers = answer.offers
    whole = offers[0].middle if offers else ""
    middles = {"empty middle": "", "one copy": baselines.one_copy(task), "n-gram": baselines.n_gram(task)}
    if answer.greedy is not None:
        middles[GREEDY] = answer.greedy
    if answer.shows_candidates:
        for source, row in _BY_SOURCE.items():
            middles[row] = next((offer.middle for offer in offers if offer.source == source), "")
    middles[WHOLE] = whole
    if answer.shows_candidates:
        middles[CHOOSER] = next((offer.middle for offer in offers if score(offer.middle).right), whole)
    return Record(
        id=task.id,
        set=task.set,
        kind=task.kind,
        length=length_class(task.middle),
        characters=len(task.middle),
        blank_suffix=task.blank_suffix,
        reference=task.middle,
        before="\n".join(task.prefix.split("\n")[-3:]),
        behind="\n".join(task.suffix.split("\n")[:2]),
        candidates=len(offers),
        source=offers[0].source if offers else None,
        confidence=offers[0].confidence if offers else None,
        steps=answer.steps,
        ms=round(answer.ms, 1),
        rows={row: score(middle) for row, middle in middles.items()},
    )


def repeats_suffix(task: Task, middle: str) -> bool:
    """Whether an answer writes the suffix's first line once more, which the right one does not."""
    head = next((line.strip() for line in task.suffix.split("\n") if line.strip()), "")
    return len(head) >= _SUFFIX_HEAD and head in middle and head not in task.middle


def _parses(text: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd escapes and the like
        try:
            ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False
    return True
