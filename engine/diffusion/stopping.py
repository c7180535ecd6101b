"""When a canvas has settled."""

from __future__ import annotations

from collections import deque

import torch
from torch import Tensor


class StopRule:
    """Done when the draft has been the same for `stability` steps more and its mean entropy is below `confidence`.

    Only free slots are looked at: the reference averages over the whole canvas, which loosens the test by
    the share of pinned slots.
    """

    def __init__(self, stability: int, confidence: float) -> None:
        self.confidence = confidence
        self.stability = stability
        self.history: deque[Tensor] = deque(maxlen=stability)

    def done(self, draft: Tensor, entropies: Tensor) -> bool:
        """Take in one step's draft [R] and entropies [R] of the free slots."""
        stable = len(self.history) == self.stability and all(torch.equal(old, draft) for old in self.history)
        self.history.append(draft)
        return stable and bool(entropies.mean() < self.confidence)
