"""What the file itself and its repository say comes next: n-gram caches, mixed into the causal probabilities.

A cache language model (Kuhn and De Mori 1990; nested and used on code by Hellendoorn and Devanbu 2017): for the last
1 to `ORDER` tokens, what followed their earlier occurrences in the file and its related snippets; for the last three or
more, also what followed them in the repository that a model was fine-tuned on. Names and idioms repeat far beyond what
a small model's context holds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]

ORDER = 8  # tokens of history compared at most
BREAK = -1  # in place of an id: nothing follows, nothing matches


@dataclass(frozen=True, slots=True)
class Trust:
    """How much the followers of an n-gram weigh against all shorter ones and the model.

    The weight is sigmoid(bias + slope * log(occurrences / distinct followers)), with a bias of its own for matches
    of full `ORDER`; fitted by `engine.training.calibrate` for one checkpoint and kept in its config.json.
    """

    bias: float
    slope: float
    full_order_bias: float

    def weight(self, order: int, followers: Ids) -> float:
        """For n-grams of `order` tokens whose occurrences were followed by these ids, not empty."""
        bias = self.full_order_bias if order == ORDER else self.bias
        repeats = len(followers) / len(set(followers.tolist()))
        return 1 / (1 + math.exp(-bias - self.slope * math.log(repeats)))


class NgramCache:
    """The n-grams of some token ids, of `least` tokens to `ORDER`.

    `BREAK` among the ids separates texts that do not follow each other.

    What `below` says is mixed into the model's probabilities first: that of a repository before that of the file.
    """

    def __init__(self, ids: Sequence[int] | Ids, trust: Trust, least: int = 1, below: NgramCache | None = None) -> None:
        self.trust, self.least, self.below = trust, least, below
        self._ids = np.concatenate([[BREAK] * (least - 1), np.asarray(ids, np.int64), [BREAK]]).astype(np.int64)
        self._base = int(self._ids.max()) + 2
        ends = np.arange(least - 1, len(self._ids))
        windows = np.stack([self._ids[ends - i] for i in reversed(range(least))], axis=1)
        whole = (windows != BREAK).all(1)
        numbers = self._number(windows[whole])
        order = np.argsort(numbers, kind="stable")
        self._numbers, self._ends = numbers[order], ends[whole][order]
        self._looked_up = lru_cache(maxsize=4096)(self._look_up)

    def _number(self, windows: Ids) -> Ids:
        """For each row of `least` ids [N, least] a number of its own."""
        numbers: Ids = windows @ self._base ** np.arange(self.least)
        return numbers

    def followers(self, history: Sequence[int]) -> list[tuple[float, Ids]]:
        """Weight and following ids for the last `least`, `least` + 1, … tokens of the history, while there are any."""
        return self._looked_up(tuple(history[-ORDER:]))

    def _look_up(self, key: tuple[int, ...]) -> list[tuple[float, Ids]]:
        found: list[tuple[float, Ids]] = []
        places = self._places(key[-self.least :])
        for order in range(self.least, len(key) + 1):
            following = self._ids[places + 1]
            following = following[following != BREAK]
            if not len(following):
                break
            found.append((self.trust.weight(order, following), following))
            if order < len(key):
                places = places[places >= order]
                places = places[self._ids[places - order] == key[-1 - order]]
        return found

    def _places(self, key: tuple[int, ...]) -> Ids:
        """Where these tokens, `least` of them, end."""
        if len(key) < self.least or max(key) >= self._base:
            return np.empty(0, np.int64)
        number = self._number(np.array(key))
        first, last = (np.searchsorted(self._numbers, number, side) for side in ("left", "right"))
        places: Ids = self._ends[first:last]
        return places

    def mixed(self, probability: float, history: Sequence[int], token: int) -> float:
        """The model's probability of one token, mixed with the texts'."""
        if self.below:
            probability = self.below.mixed(probability, history, token)
        for weight, following in self.followers(history):
            probability = (1 - weight) * probability + weight * float((following == token).mean())
        return probability

    def mix(self, probabilities: NDArray[np.float64], history: Sequence[int]) -> None:
        """The same for all tokens, [V], in place."""
        if self.below:
            self.below.mix(probabilities, history)
        for weight, following in self.followers(history):
            tokens, counts = np.unique(following, return_counts=True)
            probabilities *= 1 - weight
            probabilities[tokens] += weight * counts / len(following)
