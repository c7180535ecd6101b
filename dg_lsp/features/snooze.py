"""The command `dg.snooze`: no automatic suggestions for some minutes, in whatever editor."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from dg_lsp.completion.snooze import DEFAULT_MINUTES, MAX_MINUTES
from dg_lsp.session import Session


class SnoozeCommand:
    """Begins and ends the snooze of a session, and has the status tell both."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._wake: asyncio.TimerHandle | None = None

    def execute(self, minutes: object = DEFAULT_MINUTES) -> dict[str, Any] | None:
        """Snooze for so many minutes from now (0 ends it). Answers when it ends; None after telling what is wrong."""
        if isinstance(minutes, bool) or not isinstance(minutes, int | float) or not 0 <= minutes <= MAX_MINUTES:
            given = json.dumps(minutes, default=str)
            self._session.status.tell(f"dg.snooze takes minutes, a number from 0 to {MAX_MINUTES}, not {given}")
            return None
        session = self._session
        session.snooze.begin(minutes)
        if self._wake:
            self._wake.cancel()
            self._wake = None
        if minutes:
            session.status.quiet(session.snooze.reason)
            self._wake = asyncio.get_running_loop().call_later(session.snooze.left_s, session.status.turned_on)
        else:
            session.status.turned_on()
        return {"snoozed_until": session.snoozed_until}
