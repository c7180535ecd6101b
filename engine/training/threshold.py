"""The threshold of automatic answers: from which confidence on few enough of them are wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence

FALSE_RATE = 0.25  # of automatic answers, at most
DOUBT = 0.25  # the chance that more are wrong after all: from few hundred answers less would show hardly anything


def threshold(answers: Sequence[tuple[float, bool]]) -> float | None:
    """The lowest confidence from which on, but for a chance of `DOUBT`, at most `FALSE_RATE` of answers are wrong.

    `answers` are confidence and whether right. None where there is no such confidence.
    """
    surest = sorted(answers, reverse=True)
    lowest, wrong = None, 0
    for place, (confidence, right) in enumerate(surest, start=1):
        wrong += not right
        tied = place < len(surest) and surest[place][0] == confidence
        if not tied and at_most(wrong, place, FALSE_RATE) <= DOUBT:
            lowest = confidence
    return lowest


def at_most(wrong: int, total: int, rate: float) -> float:
    """The chance that no more than so many of a total are wrong where each is wrong at this rate, in (0, 1)."""
    odds, per_wrong = total * math.log1p(-rate), math.log(rate) - math.log1p(-rate)
    # By logarithms: the number of ways is too large for a float from a thousand answers on.
    ways = (math.lgamma(total + 1) - math.lgamma(k + 1) - math.lgamma(total - k + 1) for k in range(wrong + 1))
    return sum(math.exp(way + odds + k * per_wrong) for k, way in enumerate(ways))
