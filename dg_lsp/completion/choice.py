"""Chooses what of the engine's candidates may be shown, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from typing import NamedTuple

from dg_lsp.completion.filters import Place, filtered
from dg_lsp.completion.filters.unsure_lines import sure_start, unsure_lines
from dg_lsp.completion.unknown_names import unknown_names
from engine.protocol import Candidate, FillResult

SPARE = 3
"""How many more candidates are asked for than are shown: some are refused, or the same after the filters."""

UNSURE = "the model is not sure enough of its answer"

BLOCK_LINES = 4
"""The most lines that are suggested automatically."""

_LEAST_KEYS = 2
_UNKNOWN_NAME = 0.5
"""The part of a candidate's confidence that is left for each name that nothing in sight defines."""


class Choice(NamedTuple):
    """The candidates that may be shown, best first, and why others were refused."""

    candidates: tuple[Candidate, ...]
    refused: tuple[str, ...]


def choose(result: FillResult, place: Place, *, automatic: bool, seen: Sequence[str] = ()) -> Choice:
    """Returns the candidates that pass the filters; names that occur nowhere in the document or in `seen` cost score.

    An automatic answer is cut to its first sure lines, and it is refused when it saves fewer than two keys or when the
    best candidate is less sure than the model's threshold. A candidate that only begins a better one is left out then.
    """
    passed: dict[str, Candidate] = {}  # what is the same after the filters is shown once
    refused = []
    for candidate in result.candidates:
        said = sure_start(candidate, BLOCK_LINES) if automatic else unsure_lines(candidate)
        text, reason = filtered(said, place)
        if automatic and text and len(text.strip()) < _LEAST_KEYS:
            text, reason = "", "the answer would save fewer than two keys"
        if text:
            passed.setdefault(text, replace(candidate, middle=text))
        else:
            refused.append(reason)
    ranked = _ranked(list(passed.values()), place, seen)
    if ranked and ranked[0].confidence < result.threshold:
        certain = passed[ranked[0].middle].confidence >= result.threshold
        why = "the answer uses a name that nothing in sight defines" if certain else UNSURE
        return Choice((), (*refused, why))
    return Choice(tuple(_without_beginnings(ranked) if automatic else ranked), tuple(refused))


def _without_beginnings(candidates: list[Candidate]) -> list[Candidate]:
    """The candidates but for those that one before them goes on from: an engine offers them in case it is refused."""
    return [
        candidate
        for i, candidate in enumerate(candidates)
        if not any(better.middle.startswith(candidate.middle) for better in candidates[:i])
    ]


def _ranked(candidates: list[Candidate], place: Place, seen: Sequence[str]) -> list[Candidate]:
    """The candidates with their confidence lowered for unknown names; those without any keep the engine's order."""
    factors = [_UNKNOWN_NAME ** unknown_names(candidate.middle, place, seen) for candidate in candidates]
    ranks = accumulate((candidate.confidence for candidate in candidates), min)
    scored = [
        (rank * factor, replace(candidate, confidence=round(candidate.confidence * factor, 4)))
        for candidate, rank, factor in zip(candidates, ranks, factors, strict=True)
    ]
    return [candidate for _, candidate in sorted(scored, key=lambda item: -item[0])]
