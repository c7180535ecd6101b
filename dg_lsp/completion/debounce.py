"""How long an automatic request waits, so that the engine is not asked between two keys."""

from __future__ import annotations

import time
from collections.abc import Callable

_INTERVAL_S = 0.15
"""Between two keys, before the user's own is known."""
_PAUSE_S = 1.0
"""A longer interval is no typing."""
_NEWEST = 0.2
"""What the newest interval counts in the average."""
_ANSWER_S = 0.3
"""What an answer takes, before that was measured."""
_MOST_S = 0.4
_PAST_THE_INTERVAL = 1.3
_OPENERS = (".", "(", "[", "{", "\n")


class Debounce:
    """Follows the user's typing.

    A wait a little longer than between two keys tells a pause from typing. It is never longer than an answer takes: to
    ask in vain costs no more than that.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: float | None = None
        self._interval_s = _INTERVAL_S

    def typed(self) -> None:
        """The user changed a document."""
        now = self._clock()
        if self._last is not None and now - self._last <= _PAUSE_S:
            self._interval_s += _NEWEST * (now - self._last - self._interval_s)
        self._last = now

    def since_typed_s(self) -> float:
        """How long ago a document was changed."""
        return float("inf") if self._last is None else self._clock() - self._last

    def wait_s(
        self, before: str, *, answer_s: float | None = None, client_s: float = 0.0, accepted: float | None = None
    ) -> float:
        """How long to wait at a cursor with the text `before` it.

        `answer_s` is what an answer takes, `client_s` what the editor has waited itself, `accepted` the share of
        suggestions that the user takes (each None where it is not known).
        """
        wait = min(_PAST_THE_INTERVAL * self._interval_s, _ANSWER_S if answer_s is None else answer_s, _MOST_S)
        if (before.rstrip(" \t") or "\n").endswith(_OPENERS):  # a place to think, or a new line
            wait /= 2
        if accepted is not None:
            wait *= 1.5 - accepted
        return max(wait - client_s, 0.0)
