"""How long the last fills took, and whether that is too slow to type by."""

from __future__ import annotations

import math
from collections import deque

SLOW_MS = 400.0
"""A fill that takes longer comes behind the typing."""

_KEPT = 20
_ENOUGH = 8


class Latency:
    """The last 20 automatic fills.

    It is slow from the moment when more than half of them are, and not slow again when fewer than a quarter are.
    A fill counts as slow above `SLOW_MS`, or when the deadline cut it short.
    """

    def __init__(self) -> None:
        self._fills: deque[tuple[float, bool]] = deque(maxlen=_KEPT)
        self.slow = False

    def __len__(self) -> int:
        return len(self._fills)

    def add(self, ms: float, *, cut: bool = False) -> None:
        """Take in the time of one fill, from the request to the engine until its result."""
        self._fills.append((ms, cut))
        share = sum(cut or ms > SLOW_MS for ms, cut in self._fills) / len(self._fills)
        self.slow = len(self._fills) >= _ENOUGH and (share >= 0.25 if self.slow else share > 0.5)

    def clear(self) -> None:
        """Forget all: another engine answers now."""
        self._fills.clear()
        self.slow = False

    def percentile(self, percent: float) -> float | None:
        """The time in ms within which `percent` of the fills ended; None without fills."""
        times = sorted(ms for ms, _ in self._fills)
        return times[max(0, math.ceil(len(times) * percent / 100) - 1)] if times else None

    @property
    def mostly_cut(self) -> bool:
        """Whether the deadline ended most of the fills."""
        return 2 * sum(cut for _, cut in self._fills) > len(self._fills)
