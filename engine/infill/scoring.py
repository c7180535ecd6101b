"""How likely candidates are by the causal side of the model, together with what follows them.

Choosing by the causal log-probability summed over (candidate + start of the suffix, tokenized jointly with the head)
was the best of the rules tried on the default model; per-token means and the denoiser's own scores were no better.
The probabilities are mixed with what the file itself says comes next (`NgramCache`) where the checkpoint asks for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from engine.infill.context import HISTORY, LEAST, Reader
from engine.infill.effort import SUFFIX_CHARACTERS

AHEAD = 2  # tokens of the suffix that are read behind every candidate: they tell most of what the suffix tells
TOGETHER = 8  # candidates behind which all of it is read at once
HOPELESS = 6.0  # nats behind the best, even if the suffix is as likely behind a candidate as behind any so far


@dataclass(frozen=True, slots=True)
class Score:
    """How likely a candidate is: `total` summed log-probability (nats), `mean` probability per token in [0, 1].

    `lines` is the mean of each line's tokens, where there are several.
    """

    total: float
    mean: float
    lines: tuple[float, ...] = ()


@torch.inference_mode()
def scores(reader: Reader, candidates: list[str], enough: Callable[[], bool] = lambda: False) -> list[Score]:
    """The score of each candidate together with the start of the suffix, given everything before.

    A few are read as they are. Of more, all are read with the first tokens of the suffix first, then the whole suffix
    behind a few at a time, the likeliest first, until `enough` or nothing that is left can win. Where it was not read
    it counts as behind the best, and the candidate no more than that one.
    """
    layout, tokens = reader.layout, reader.tokens
    tail = layout.suffix_text[:SUFFIX_CHARACTERS]
    rows = [[reader.context.last, *tokens.encode(layout.head_text + text + tail)] for text in candidates]
    shared, later = _shared(rows), max(0, len(tokens.encode(tail)) - AHEAD)
    reading = _Reading(reader)
    if len(rows) <= TOGETHER:
        totals = [sum(logs) for logs in reading.logs(rows, shared)]
    else:
        totals = _best_first(reading, rows, shared, later, enough)
    means = [math.exp(total / (len(row) - shared)) for total, row in zip(totals, rows, strict=True)]
    ends = [len(row) - later - AHEAD for row in rows]  # where the suffix begins
    lines = [
        _line_means(reader, text, row[1:end], reading.logs([row[:end]], 1)[0]) if "\n" in text else ()
        for text, row, end in zip(candidates, rows, ends, strict=True)
    ]
    return [Score(*score) for score in zip(totals, means, lines, strict=True)]


def _best_first(
    reading: _Reading, rows: list[list[int]], shared: int, later: int, enough: Callable[[], bool]
) -> list[float]:
    """The total of each row; the last `later` tokens are read behind the likeliest rows alone."""
    begun = [sum(logs) for logs in reading.logs([row[: max(shared, len(row) - later)] for row in rows], shared)]
    order = sorted(range(len(rows)), key=lambda i: -begun[i])
    whole: dict[int, float] = {}
    best, easiest = order[0], 0.0
    for first in range(0, len(order), TOGETHER):
        places = order[first : first + TOGETHER]
        if whole and (begun[places[0]] + easiest < whole[best] - HOPELESS or enough()):
            break
        whole |= {i: sum(logs) for i, logs in zip(places, reading.logs([rows[i] for i in places], shared), strict=True)}
        best, easiest = max(whole, key=lambda i: whole[i]), max(total - begun[i] for i, total in whole.items())
    behind = whole[best] - begun[best]
    return [whole[i] if i in whole else min(begun[i] + behind, whole[best]) for i in range(len(rows))]


def infilled_scores(reader: Reader, candidates: list[str]) -> list[Score]:
    """The score of each candidate together with the start of the suffix, behind the infilling prompt.

    At the end of a file the suffix is the chance that the text ends there.
    """
    assert reader.prompt is not None
    behind = replace(reader, context=reader.prompt)
    found = scores(behind, candidates)
    if reader.layout.suffix_text.strip():
        return found
    return [replace(s, total=s.total + _end(behind, text)) for s, text in zip(found, candidates, strict=True)]


@torch.inference_mode()
def _end(reader: Reader, candidate: str) -> float:
    """The log-probability that the text ends behind a candidate and a newline."""
    assert reader.fim is not None
    ids = [reader.context.last, *reader.tokens.encode(f"{reader.layout.head_text}{candidate}\n")]
    logits = reader.context.logits([reader.context.read([ids])[0][-1]])[0]
    return float(logits[list(reader.fim.ends)].logsumexp(-1) - logits.logsumexp(-1))


def _line_means(reader: Reader, text: str, ids: list[int], logs: list[float]) -> tuple[float, ...]:
    """The mean probability of the tokens of each line of a candidate; `ids` and their `logs` begin with the head.

    A token across a line ending counts to the line below.
    """
    line = -reader.layout.head_text.count("\n")
    by_line: list[list[float]] = [[] for _ in range(text.count("\n") + 1)]
    for token, log in zip(ids, logs, strict=True):
        piece = reader.tokens.pieces[token]
        at = line + piece.rstrip("\n").count("\n")
        if 0 <= at < len(by_line):
            by_line[at].append(log)
        line += piece.count("\n")
    return tuple(math.exp(sum(logs) / len(logs)) if logs else 1.0 for logs in by_line)


class _Reading:
    """Looks up log-probabilities of rows of tokens behind a reader's context."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self._logs: dict[tuple[int, int], float] = {}  # log-probability of an id behind a place

    def logs(self, rows: list[list[int]], first: int) -> list[list[float]]:
        """The log-probability of each token but the `first` ones, of which there is one at least, for each row."""
        paths = self.reader.context.read([row[:-1] for row in rows])
        histories: dict[tuple[int, int], list[int]] = {}
        before = self.reader.layout.context[-HISTORY:]  # behind a prompt too, whose last token is a mark
        for row, path in zip(rows, paths, strict=True):
            for i in range(first, len(row)):
                if (path[i - 1], row[i]) not in self._logs:
                    histories[path[i - 1], row[i]] = [*before, *row[1:i]]
        if histories:
            self._look_up(histories)
        return [
            [self._logs[path[i - 1], row[i]] for i in range(first, len(row))]
            for row, path in zip(rows, paths, strict=True)
        ]

    def _look_up(self, histories: dict[tuple[int, int], list[int]]) -> None:
        """Fill in `_logs` for these places and ids, with what stands before each."""
        places = {place: i for i, place in enumerate(dict.fromkeys(place for place, _ in histories))}
        logits = self.reader.context.logits(list(places))
        chosen = logits[[places[place] for place, _ in histories], [token for _, token in histories]]
        sums = logits.logsumexp(dim=-1)[[places[place] for place, _ in histories]]
        for (key, history), probability in zip(histories.items(), (chosen - sums).exp().tolist(), strict=True):
            self._logs[key] = math.log(max(self.reader.mixture(history).of(key[1], probability), LEAST))


def _shared(rows: list[list[int]]) -> int:
    """How many first tokens all rows share; at least one, and every row has at least one more."""
    most = min(len(row) for row in rows) - 1
    return next((i for i in range(1, most) if len({row[i] for row in rows}) > 1), max(most, 1))
