"""What the file itself and its repository say comes next: n-gram caches, mixed into the causal probabilities.

A cache language model (Kuhn and De Mori 1990; nested and used on code by Hellendoorn and Devanbu 2017): for the last
1 to `ORDER` tokens, what followed their earlier occurrences in the file and its related snippets; for the last three or
more, also what followed them in the repository that a model was fine-tuned on. Names and idioms repeat far beyond what
a small model's context holds.
"""

from __future__ import annotations

import math
from collections import Counter
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


@dataclass(frozen=True, slots=True)
class Mixture:
    """What texts say of the next token: the model's probability of each counts `keep`, and each part's share of it as
    much as stands beside that part."""

    keep: float = 1.0
    parts: tuple[tuple[float, dict[int, float]], ...] = ()

    def of(self, token: int, probability: float) -> float:
        """The mixed probability of a token that has this one by the model."""
        return self.keep * probability + sum(weight * shares.get(token, 0.0) for weight, shares in self.parts)

    def tokens(self) -> set[int]:
        """The tokens that the texts know behind this history."""
        return {token for _, shares in self.parts for token in shares}

    def joined(self, weight: float, shares: dict[int, float]) -> Mixture:
        """This mixture with one more part, which weighs against all of it."""
        kept = tuple((part * (1 - weight), known) for part, known in self.parts)
        return Mixture(self.keep * (1 - weight), (*kept, (weight, shares)))


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
        self._places = lru_cache(maxsize=4096)(self._find)
        self._shares = lru_cache(maxsize=4096)(self._count)

    def _number(self, windows: Ids) -> Ids:
        """For each row of `least` ids [N, least] a number of its own."""
        numbers: Ids = windows @ self._base ** np.arange(self.least)
        return numbers

    def followers(self, history: Sequence[int]) -> list[tuple[float, Ids]]:
        """Weight and following ids for the last `least`, `least` + 1, … tokens of the history, while there are any."""
        found: list[tuple[float, Ids]] = []
        for order in range(self.least, min(ORDER, len(history)) + 1):
            following = self._following(tuple(history[-order:]))
            if not len(following):
                break
            found.append((self.trust.weight(order, following), following))
        return found

    def mixture(self, history: Sequence[int]) -> Mixture:
        """What to mix into the model's probabilities behind a history: each order of n-gram weighs against all shorter
        ones and the model."""
        mixture = self.below.mixture(history) if self.below else Mixture()
        for order in range(self.least, min(ORDER, len(history)) + 1):
            shares = self._shares(tuple(history[-order:]))
            if shares is None:
                break
            mixture = mixture.joined(*shares)
        return mixture

    def _count(self, key: tuple[int, ...]) -> tuple[float, dict[int, float]] | None:
        """The weight of an n-gram and the share of each token that follows it; None where nothing does."""
        following = self._following(key)
        if not len(following):
            return None
        counts = Counter(following.tolist())
        return self.trust.weight(len(key), following), {token: n / len(following) for token, n in counts.items()}

    def _following(self, key: tuple[int, ...]) -> Ids:
        following = self._ids[self._places(key) + 1]
        known: Ids = following[following != BREAK]
        return known

    def _find(self, key: tuple[int, ...]) -> Ids:
        """Where an n-gram of `least` tokens or more ends."""
        if len(key) == self.least:
            if max(key) >= self._base:
                return np.empty(0, np.int64)
            number = self._number(np.array(key))
            first, last = (np.searchsorted(self._numbers, number, side) for side in ("left", "right"))
            places: Ids = self._ends[first:last]
            return places
        shorter = self._places(key[1:])
        shorter = shorter[shorter >= len(key) - 1]
        longer: Ids = shorter[self._ids[shorter - len(key) + 1] == key[0]]
        return longer
