"""Tells a completion list that the user asked for from one that the editor opened by itself.

The protocol has one kind for both, Invoked, and Kate and Sublime Text name none at all. What their sources and those of
Helix and eglot do:

* While a word is typed all of them open lists by themselves, 0.05 to 0.5 seconds after the last key. eglot sends the
  edit only with the request, so that the time between both tells nothing there.
* Behind anything else they open one for trigger characters alone. eglot and Helix tell so, Kate and Sublime do not.
* Helix also opens one where the user begins to insert behind a word, and for the trigger characters of other servers
  and "/", within 5 ms.
* None opens a second one at a place where nothing changed: that is always the user.

A list that is taken for the editor's is less complete, not lost: asking once more settles it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from lsprotocol.types import CompletionContext, CompletionTriggerKind

from dg_lsp.documents import Snapshot

TRIGGER_CHARACTERS = (".", "(")

_HELIX = "helix"
_TYPING_S = 1.0
"""So long after a change an editor may still open a list by itself."""
_HAND_S = 0.05
"""Nobody is faster between two keys."""
_TWICE_S = 0.2
"""A second request that comes sooner is the editor's own."""
_WORD = re.compile(r"\w")


@dataclass(frozen=True, slots=True)
class _Asked:
    """The last request."""

    snapshot: Snapshot
    offset: int
    time: float


class ListTrigger:
    """Follows the requests of one editor; `since_change` tells how many seconds ago a document changed."""

    def __init__(self, since_change: Callable[[], float], clock: Callable[[], float] = time.monotonic) -> None:
        self._since_change = since_change
        self._clock = clock
        self._last: _Asked | None = None

    def by_hand(self, context: CompletionContext | None, editor: str, snapshot: Snapshot, offset: int) -> bool:
        """True when the user asked for the list at an offset."""
        last, now = self._last, self._clock()
        self._last = _Asked(snapshot, offset, now)
        if context and context.trigger_kind != CompletionTriggerKind.Invoked:
            return False
        if last and last.snapshot is snapshot and last.offset == offset:
            return now - last.time > _TWICE_S
        before = snapshot.text[offset - 1 : offset] if offset else ""
        behind_word = bool(_WORD.match(before))
        if editor == _HELIX:
            return not behind_word and self._since_change() > _HAND_S
        untold = context is None and before in TRIGGER_CHARACTERS
        return self._since_change() > _TYPING_S if behind_word or untold else True
