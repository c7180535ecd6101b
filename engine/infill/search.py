"""Causal drafts: a beam search for middles, each likely by itself and likely to be followed by the suffix."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from heapq import nlargest

import torch

from engine.infill.context import LEAST, Reader
from engine.infill.start import Hypothesis, Start
from engine.model.token_tree import ROOT

KEPT = 24  # middles answered at most
_ENOUGH = 6  # that nothing open can beat: of 600 holes as many are right as with 12
_TEMPERATURE = 0.7  # of drawn middles


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How a search goes on and ends.

    A middle has at most `limit` tokens. `proceed` sees every begun middle and answers whether it may go on; those that
    are `forbidden` are not followed. With `line` a middle ends with its line, and may end after any token (how likely,
    the chance of the suffix there tells); without, where the model ends it. The search ends once enough middles are
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


@torch.inference_mode()
def search(reader: Reader, rules: Rules) -> list[str]:
    """Returns middles, the most likely first.

    The last tokens of the head are given back and their text demanded of the first new ones ("token healing"): a
    cursor inside a word would otherwise force a split that the model has not seen.
    """
    start = Start.of(reader, rules.width)
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
        if not beam or _settled(found, beam[0].total):
            break
        rules.on_step(beam[0].text)
    else:
        for hypothesis in beam:
            _keep(found, hypothesis.text, hypothesis.total)
    return sorted(found, key=lambda text: -found[text])[:KEPT]


def _ends(found: dict[str, float], hypothesis: Hypothesis, start: Start, rules: Rules) -> bool:
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


def _settled(found: dict[str, float], best_open: float) -> bool:
    """Whether hardly anything that is still open can come among the best: a total only falls as tokens are added."""
    return sum(total > best_open for total in found.values()) >= _ENOUGH


def looping(ids: tuple[int, ...], longest: int = 8) -> int:
    """The period with which ids end in the same tokens three times over, else 0: drafts get stuck so."""
    return next((p for p in range(1, longest + 1) if len(ids) >= 3 * p and ids[-3 * p :] == ids[-p:] * 3), 0)
