"""Quiet for a while: until then nothing is suggested automatically."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

DEFAULT_MINUTES = 10
MAX_MINUTES = 24 * 60


class Snooze:
    """When suggestions come back, for all documents of this editor. A clock that is set meanwhile does not matter."""

    def __init__(self) -> None:
        self._ends = 0.0

    def begin(self, minutes: float) -> None:
        """Be quiet for so long from now on; 0 ends it."""
        self._ends = time.monotonic() + 60 * minutes

    @property
    def left_s(self) -> float:
        """How long it still lasts, in seconds; 0 when it is over."""
        return max(self._ends - time.monotonic(), 0.0)

    @property
    def until(self) -> datetime | None:
        """When it ends; None when it is over."""
        return datetime.now().astimezone() + timedelta(seconds=self.left_s) if self.left_s else None

    @property
    def reason(self) -> str:
        """Why nothing is suggested, in one line; "" when it is over."""
        until = self.until
        return f"snoozed until {until:%H:%M}" if until else ""
