"""Where a middle begins: what is read before it, and what the model says may follow."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from heapq import nlargest

import torch
from torch import Tensor

from engine.infill.context import HISTORY, LEAST, Context, Reader
from engine.infill.layout import Layout
from engine.infill.ngram_cache import Mixture
from engine.infill.tokens import Tokens

_SUFFIX_BEGINNING = 16  # characters of the suffix with which a token may say that the middle is over
HEALED_TOKENS = 4  # given back at most at a cursor inside a word


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
class Next:
    """What may follow a hypothesis: the likeliest tokens with their probabilities, and the chance that it is over.

    `place` is that of the hypothesis' last token in the tree. `logs` are the model's own log-probabilities [V]; those
    of the file are in `mixture`, and all tokens that spell what has to be spelled next have the probability `allowed`.
    """

    likeliest: list[tuple[float, int]]
    end: float
    place: int
    logs: Tensor
    mixture: Mixture
    allowed: float


@dataclass(frozen=True)
class Start:
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
    def of(cls, reader: Reader, width: int) -> Start:
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

    def next_tokens(self, beam: list[Hypothesis]) -> list[Next]:
        """What may follow each hypothesis; its last token is read now."""
        rows = [[h.ids[-1]] for h in beam] if beam[0].ids else [self.opening]
        places = [path[-1] for path in self.context.read(rows, [h.parent for h in beam])]
        logits = self.context.logits(places)[:, : len(self.reader.tokens.pieces)].cpu()
        logits[:, self.ruled_out] = -torch.inf
        followed = zip(beam, logits, logits.logsumexp(dim=-1).tolist(), places, strict=True)
        return [self._next(hypothesis, row, total, place) for hypothesis, row, total, place in followed]

    def _next(self, hypothesis: Hypothesis, row: Tensor, total: float, place: int) -> Next:
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
        whole = max(whole, LEAST)
        following = [(min(p / whole, 1.0), token) for p, token in likeliest if p > 0]
        return Next(following, end, place, row - total, mixture, whole)

    def chance_of(self, text: str, following: Next) -> float:
        """The chance that the text of the next token begins so."""
        ids = self.reader.tokens.starting_with(text)
        model, mixture = float(following.logs[ids].exp().sum()), following.mixture
        file = sum(mixture.of(token, 0.0) for token in mixture.tokens() & set(ids.tolist()))
        return min((mixture.keep * model + file) / following.allowed, 1.0)

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
