"""What the file itself says comes next: an n-gram cache, mixed into the causal probabilities.

A cache language model (Kuhn and De Mori 1990; nested and used on code by Hellendoorn and Devanbu 2017): for the last
1 to `ORDER` tokens, what followed their earlier occurrences in the file and its related snippets. Names and idioms of
a file repeat far beyond what a small model's context holds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]

ORDER = 8  # tokens of history compared at most
BREAK = -1  # in place of an id: nothing follows, nothing matches


@dataclass(frozen=True, slots=True)
class Trust:
    """How much the followers of an n-gram weigh against all shorter ones and the model.

    The weight is sigmoid(bias + slope * log(occurrences / distinct followers)), with a bias of its own for matches
    of full `ORDER`; fitted by `engine.training.trust` for one checkpoint and kept in its config.json.
    """

    bias: float
    slope: float
    full_order_bias: float

    def weight(self, order: int, followers: Ids) -> float:
        """For n-grams of `order` tokens whose occurrences were followed by these ids, not empty."""
        bias = self.full_order_bias if order == ORDER else self.bias
        repeats = len(followers) / len(set(followers.tolist()))
        return 1 / (1 + math.exp(-bias - self.slope * math.log(repeats)))


@dataclass
class NgramCache:
    """The n-grams of some token ids; `BREAK` separates texts that do not follow each other."""

    ids: Sequence[int]
    trust: Trust
    _followers: dict[tuple[int, ...], list[tuple[float, Ids]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._ids = np.array([*self.ids, BREAK], dtype=np.int64)
        order = np.argsort(self._ids, kind="stable")
        groups = np.split(order, np.flatnonzero(np.diff(self._ids[order])) + 1)
        self._places: dict[int, Ids] = {int(self._ids[group[0]]): group for group in groups}
        self._places.pop(BREAK, None)

    def followers(self, history: Sequence[int]) -> list[tuple[float, Ids]]:
        """Weight and following ids for the last 1, 2, … tokens of the history, as long as there are any."""
        key = tuple(history[-ORDER:])
        if key not in self._followers:
            self._followers[key] = list(self._look_up(key))
        return self._followers[key]

    def _look_up(self, key: tuple[int, ...]) -> list[tuple[float, Ids]]:
        found: list[tuple[float, Ids]] = []
        places = self._places.get(key[-1], np.empty(0, np.int64)) if key else np.empty(0, np.int64)
        for order in range(1, len(key) + 1):
            following = self._ids[places + 1]
            following = following[following != BREAK]
            if not len(following):
                break
            found.append((self.trust.weight(order, following), following))
            if order < len(key):
                places = places[places >= order]
                places = places[self._ids[places - order] == key[-1 - order]]
        return found

    def mixed(self, probability: float, history: Sequence[int], token: int) -> float:
        """The model's probability of one token, mixed with the file's."""
        for weight, following in self.followers(history):
            probability = (1 - weight) * probability + weight * float((following == token).mean())
        return probability

    def mix(self, probabilities: NDArray[np.float64], history: Sequence[int]) -> None:
        """The same for all tokens, [V], in place."""
        for weight, following in self.followers(history):
            tokens, counts = np.unique(following, return_counts=True)
            probabilities *= 1 - weight
            probabilities[tokens] += weight * counts / len(following)
