"""Causal drafts: a beam search for middles, each likely by itself and likely to be followed by the suffix."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from engine.infill.causal import HISTORY, LEAST, Reader
from engine.infill.layout import Layout, Tokens
from engine.model.token_tree import ROOT, TokenTree

FIM_SUFFIX_TOKENS = 32  # of the suffix, shown before the middle
HEALED_TOKENS = 4  # given back at most at a cursor inside a word
KEPT = 24  # middles answered at most


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A begun middle: its ids (first those that spell the text given back), its text, summed log-probability (nats).

    `parent` is the place of its last token's parent in the token tree.
    """

    ids: tuple[int, ...]
    text: str
    total: float
    parent: int


@torch.inference_mode()
def search(reader: Reader, *, width: int, limit: int, proceed: Callable[[str], bool], line: bool) -> list[str]:
    """Middles of at most `limit` tokens, the most likely first.

    `proceed` sees every begun middle and answers whether it may go on. With `line` a middle ends with its line, and may
    end after any token (how likely, the chance of the suffix there tells); without, where the model ends it.

    The last tokens of the head are given back and their text demanded of the first new ones ("token healing"): a
    cursor inside a word would otherwise force a split that the model has not seen.
    """
    start = _Start.of(reader)
    found: dict[str, float] = {}
    beam = [Hypothesis((), "", 0.0, ROOT)]
    for _ in range(limit):
        grown: list[Hypothesis] = []
        first = len(start.tree)
        for place, (hypothesis, probabilities) in enumerate(zip(beam, start.next_probabilities(beam), strict=True)):
            if line:
                _keep(found, hypothesis.text, hypothesis.total + start.log_end(probabilities))
            grown += start.extended(hypothesis, probabilities, width, first + place)
        grown.sort(key=lambda hypothesis: -hypothesis.total)
        beam = []
        for hypothesis in grown[: 2 * width]:
            if hypothesis.ids[-1] in start.ends:
                _keep(found, hypothesis.text, hypothesis.total)
            elif line and "\n" in hypothesis.text:
                _keep(found, hypothesis.text.split("\n", 1)[0], hypothesis.total)
            elif period := looping(hypothesis.ids):
                _keep(found, start.text(hypothesis.ids[: -2 * period]), hypothesis.total)
            elif not proceed(hypothesis.text):
                _keep(found, hypothesis.text, hypothesis.total)
            elif len(beam) < width:
                beam.append(hypothesis)
        if not beam or _settled(found, beam[0].total):
            break
    else:
        for hypothesis in beam:
            _keep(found, hypothesis.text, hypothesis.total)
    return sorted(found, key=lambda text: -found[text])[:KEPT]


def _keep(found: dict[str, float], text: str, total: float) -> None:
    text = text.rstrip()
    if text:
        found[text] = max(total, found.get(text, -math.inf))


def _settled(found: dict[str, float], best_open: float) -> bool:
    """Whether hardly anything that is still open can come among the best: a total only falls as tokens are added."""
    return sum(total > best_open for total in found.values()) >= KEPT // 2


def looping(ids: tuple[int, ...], longest: int = 8) -> int:
    """The period with which ids end in the same tokens three times over, else 0: drafts get stuck so."""
    return next((p for p in range(1, longest + 1) if len(ids) >= 3 * p and ids[-3 * p :] == ids[-p:] * 3), 0)


@dataclass(frozen=True, slots=True)
class _Start:
    """Where all hypotheses begin: what is encoded already, and how a middle may end."""

    reader: Reader
    tree: TokenTree
    last: int
    history: list[int]  # before the middle, for the n-grams
    demanded: str
    ends: tuple[int, ...]
    suffix: tuple[int, ...]  # the suffix's first token, if there is one

    @classmethod
    def of(cls, reader: Reader) -> _Start:
        layout, tokens, network = reader.layout, reader.tokens, reader.network
        count, demanded = _given_back(layout, tokens)
        head = layout.head[: len(layout.head) - count]
        suffix = [i for i in layout.suffix[:FIM_SUFFIX_TOKENS] if i not in tokens.stop_ids]
        ids, ends = [reader.context.last, *head], tokens.stop_ids
        if reader.fim and suffix:
            before_suffix, before_middle, end = reader.fim
            ids = [reader.context.last, before_suffix, *suffix, before_middle, *head]
            ends = (end,)
        cache = reader.context.cache
        if len(ids) > 1:
            cache = network.encode(torch.tensor([ids[:-1]], device=network.device), cache)
        history = [*layout.context[1:], *head][-HISTORY:]
        return cls(reader, TokenTree(network, cache), ids[-1], history, demanded, ends, tuple(suffix[:1]))

    def next_probabilities(self, beam: list[Hypothesis]) -> list[NDArray[np.float64]]:
        """For each hypothesis the probabilities [V] of its next token; its last one is read now."""
        network, tokens = self.reader.network, self.reader.tokens
        hidden = self.tree.grow([h.ids[-1] if h.ids else self.last for h in beam], [h.parent for h in beam])
        rows = network.causal_logits(hidden).softmax(dim=-1).double().cpu().numpy()
        for hypothesis, row in zip(beam, rows, strict=True):
            if self.reader.ngrams:
                self.reader.ngrams.mix(row, [*self.history, *hypothesis.ids])
            row[[i for i in tokens.special_ids if i not in self.ends]] = 0.0
            if left := self.demanded[len(tokens.decode(list(hypothesis.ids))) :]:
                allowed = tokens.spelling(left)
                kept = row[allowed]
                row[:] = 0.0
                row[allowed] = kept / max(kept.sum(), LEAST)
        return list(rows)

    def log_end(self, probabilities: NDArray[np.float64]) -> float:
        """How likely the middle is over: the model says so, or the suffix's first token comes next."""
        return math.log(max(float(probabilities[list({*self.ends, *self.suffix})].sum()), LEAST))

    def extended(
        self, hypothesis: Hypothesis, probabilities: NDArray[np.float64], width: int, place: int
    ) -> list[Hypothesis]:
        """The `width` most likely ways to go on from a hypothesis whose last token has this place in the tree."""
        best = np.argpartition(-probabilities, width)[:width].tolist()
        grown = [((*hypothesis.ids, i), float(probabilities[i])) for i in best if probabilities[i] > 0]
        return [Hypothesis(ids, self.text(ids), hypothesis.total + math.log(p), place) for ids, p in grown]

    def text(self, ids: tuple[int, ...]) -> str:
        """The text of a middle's ids, without what was given back."""
        return self.reader.tokens.decode(list(ids))[len(self.demanded) :]


def _given_back(layout: Layout, tokens: Tokens) -> tuple[int, str]:
    """How many of the head's last tokens to give back, and their text: those that may be one word with what comes."""
    given, text = 0, ""
    for token in reversed(layout.head[-HEALED_TOKENS:]):
        given, text = given + 1, tokens.pieces[token] + text
        if not tokens.pieces[token][:1].isalnum():
            break
    return given, text
