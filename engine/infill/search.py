"""Causal drafts: a beam search for middles, each likely by itself and likely to be followed by the suffix."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from heapq import nlargest

import torch
from torch import Tensor

from engine.infill.context import HISTORY, LEAST, Context, Reader
from engine.infill.layout import Layout
from engine.infill.tokens import Tokens
from engine.model.token_tree import ROOT

_SUFFIX_BEGINNING = 16  # characters of the suffix with which a token may say that the middle is over
HEALED_TOKENS = 4  # given back at most at a cursor inside a word
KEPT = 24  # middles answered at most
_TEMPERATURE = 0.7  # of drawn middles


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A begun middle: its ids (first those that spell the text given back), its text, summed log-probability (nats).

    `parent` is the place of its last token's parent in the token tree.
    """

    ids: tuple[int, ...]
    text: str
    total: float
    parent: int


@dataclass(frozen=True, slots=True)
class _Next:
    """What may follow a hypothesis: the likeliest tokens with their probabilities, and the chance that it is over.

    `place` is that of the hypothesis' last token in the tree.
    """

    likeliest: list[tuple[float, int]]
    end: float
    place: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How a search goes on and ends.

    A middle has at most `limit` tokens. `proceed` sees every begun middle and answers whether it may go on; those that
    are `forbidden` are not followed. With `line` a middle ends with its line, and may end after any token (how likely,
    the chance of the suffix there tells); without, where the model ends it. The search ends once `enough` middles are
    there that nothing still open can beat. `on_step` gets the likeliest begun middle after every pass. A `seed` other
    than 0 draws middles at random instead of taking the likeliest.
    """

    width: int
    limit: int
    line: bool
    proceed: Callable[[str], bool] = lambda text: True
    forbidden: Callable[[str], bool] = lambda text: False
    on_step: Callable[[str], None] = lambda text: None
    seed: int = 0
    enough: int = 6  # of 600 holes as many are right as with 12


@torch.inference_mode()
def search(reader: Reader, rules: Rules) -> list[str]:
    """Returns middles, the most likely first.

    The last tokens of the head are given back and their text demanded of the first new ones ("token healing"): a
    cursor inside a word would otherwise force a split that the model has not seen.
    """
    start = _Start.of(reader, rules.width)
    chance = _chance(rules.seed)
    found: dict[str, float] = {}
    beam = [Hypothesis((), "", 0.0, ROOT)]
    for _ in range(rules.limit):
        grown: list[tuple[float, float, tuple[int, ...], int]] = []
        for hypothesis, following in zip(beam, start.next_tokens(beam), strict=True):
            if rules.line:
                _keep(found, hypothesis.text, hypothesis.total + math.log(max(following.end, LEAST)))
            for probability, token in following.likeliest:
                total = hypothesis.total + math.log(probability)
                grown.append((total + chance(), total, (*hypothesis.ids, token), following.place))
        beam = []
        for _, total, ids, place in nlargest(3 * rules.width, grown):
            hypothesis = Hypothesis(ids, start.text(ids), total, place)
            if not _ends(found, hypothesis, start, rules) and len(beam) < rules.width:
                beam.append(hypothesis)
        if not beam or _settled(found, beam[0].total, rules.enough):
            break
        rules.on_step(beam[0].text)
    else:
        for hypothesis in beam:
            _keep(found, hypothesis.text, hypothesis.total)
    return sorted(found, key=lambda text: -found[text])[:KEPT]


def _ends(found: dict[str, float], hypothesis: Hypothesis, start: _Start, rules: Rules) -> bool:
    """True when a begun middle goes no further; unless it is forbidden it is kept then."""
    text, total, ids = hypothesis.text, hypothesis.total, hypothesis.ids
    if rules.forbidden(text):
        return True
    if ids[-1] in start.ends:
        _keep(found, text, total)
    elif rules.line and "\n" in text:
        _keep(found, text.split("\n", 1)[0], total)
    elif period := looping(ids):
        _keep(found, start.text(ids[: -2 * period]), total)
    elif not rules.proceed(text):
        _keep(found, text, total)
    else:
        return False
    return True


def _chance(seed: int) -> Callable[[], float]:
    """Returns what is added to log-probabilities before the likeliest are taken: Gumbel noise, or nothing for seed 0.

    Taking the largest of log-probabilities with Gumbel noise draws without replacement (arXiv:1903.06059).
    """
    if seed == 0:
        return lambda: 0.0
    draw = random.Random(seed)
    return lambda: -_TEMPERATURE * math.log(-math.log(draw.random() or LEAST))


def _keep(found: dict[str, float], text: str, total: float) -> None:
    text = text.rstrip()
    if text:
        found[text] = max(total, found.get(text, -math.inf))


def _settled(found: dict[str, float], best_open: float, enough: int) -> bool:
    """Whether hardly anything that is still open can come among the best: a total only falls as tokens are added."""
    return sum(total > best_open for total in found.values()) >= enough


def looping(ids: tuple[int, ...], longest: int = 8) -> int:
    """The period with which ids end in the same tokens three times over, else 0: drafts get stuck so."""
    return next((p for p in range(1, longest + 1) if len(ids) >= 3 * p and ids[-3 * p :] == ids[-p:] * 3), 0)


@dataclass(frozen=True)
class _Start:
    """Where all hypotheses begin: what is read before them, and how a middle may end."""

    reader: Reader
    width: int
    context: Context
    opening: list[int]  # read behind the context, before any hypothesis
    history: list[int]  # before the middle, for the n-grams
    demanded: str
    ends: tuple[int, ...]
    over: Tensor  # tokens that say the middle is over: its ends, and what the suffix may begin with
    ruled_out: Tensor

    @classmethod
    def of(cls, reader: Reader, width: int) -> _Start:
        layout, tokens = reader.layout, reader.tokens
        count, demanded = _given_back(layout, tokens)
        head = layout.head[: len(layout.head) - count]
        context, opening, ends = _opening(reader, head)
        return cls(
            reader,
            width,
            context,
            opening,
            history=[*layout.context[1:], *head][-HISTORY:],
            demanded=demanded,
            ends=ends,
            over=torch.tensor(sorted({*ends, *_suffix_beginnings(reader)})),
            ruled_out=torch.tensor([i for i in tokens.special_ids if i not in ends], dtype=torch.long),
        )

    def next_tokens(self, beam: list[Hypothesis]) -> list[_Next]:
        """What may follow each hypothesis; its last token is read now."""
        rows = [[h.ids[-1]] for h in beam] if beam[0].ids else [self.opening]
        places = [path[-1] for path in self.context.read(rows, [h.parent for h in beam])]
        logits = self.context.logits(places)[:, : len(self.reader.tokens.pieces)].cpu()
        logits[:, self.ruled_out] = -torch.inf
        followed = zip(beam, logits, logits.logsumexp(dim=-1).tolist(), places, strict=True)
        return [self._next(hypothesis, row, total, place) for hypothesis, row, total, place in followed]

    def _next(self, hypothesis: Hypothesis, row: Tensor, total: float, place: int) -> _Next:
        """`row`: the model's logits [V], `total` their log-sum; the file's n-grams are mixed into the probabilities."""
        mixture = self.reader.mixture([*self.history, *hypothesis.ids])
        left = self._left_to_spell(hypothesis)
        if left:
            allowed = self.reader.tokens.spelling(left)
            best = allowed[row[allowed].topk(min(self.width, len(allowed))).indices]
            whole = float((row[allowed].logsumexp(dim=-1) - total).exp())
        else:
            best, whole = row.topk(self.width).indices, 1.0
        chosen = list({*best.tolist(), *(() if left else mixture.tokens())})
        odds = [mixture.of(token, p) for token, p in zip(chosen, (row[chosen] - total).exp().tolist(), strict=True)]
        likeliest = nlargest(self.width, zip(odds, chosen, strict=True))
        over = (row[self.over] - total).exp()
        end = mixture.keep * float(over.sum()) + sum(
            mixture.of(token, 0.0) for token in mixture.tokens() & self._over_set
        )
        return _Next([(min(p / max(whole, LEAST), 1.0), token) for p, token in likeliest if p > 0], end, place)

    @cached_property
    def _over_set(self) -> set[int]:
        return set(self.over.tolist())

    def _left_to_spell(self, hypothesis: Hypothesis) -> str:
        """What of the text given back the hypothesis has not spelled yet."""
        return "" if hypothesis.text else self.demanded[len(self.reader.tokens.decode(list(hypothesis.ids))) :]

    def text(self, ids: tuple[int, ...]) -> str:
        """The text of a middle's ids, without what was given back."""
        return self.reader.tokens.decode(list(ids))[len(self.demanded) :]


def _opening(reader: Reader, head: list[int]) -> tuple[Context, list[int], tuple[int, ...]]:
    """What is read before the hypotheses, what is read behind it, and the tokens that end a middle."""
    layout, tokens, context = reader.layout, reader.tokens, reader.context
    if reader.prompt and reader.fim:
        return reader.prompt, [reader.prompt.last, *head], reader.fim.ends
    suffix = [i for i in layout.suffix if i not in tokens.stop_ids]
    if reader.fim and suffix:
        shown = suffix[: reader.fim.suffix_tokens]
        return context, [context.last, reader.fim.suffix, *shown, reader.fim.middle, *head], reader.fim.ends
    return context, [context.last, *head], tokens.stop_ids


def _suffix_beginnings(reader: Reader) -> list[int]:
    """The tokens with which the suffix may begin, whatever its tokenizer's boundaries."""
    text = reader.layout.suffix_text
    line = text.split("\n", 1)[0]
    if not line.strip():
        return reader.tokens.newline_ids
    return reader.tokens.beginnings(text[:_SUFFIX_BEGINNING])


def _given_back(layout: Layout, tokens: Tokens) -> tuple[int, str]:
    """How many of the head's last tokens to give back, and their text: those that may be one word with what comes."""
    given, text = 0, ""
    for token in reversed(layout.head[-HEALED_TOKENS:]):
        given, text = given + 1, tokens.pieces[token] + text
        if not tokens.pieces[token][:1].isalnum():
            break
    return given, text
