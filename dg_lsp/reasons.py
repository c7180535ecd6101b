"""Why requests were answered with nothing: the last reasons, without code."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dg_lsp.syntax.languages import language_name
from dg_lsp.uris import file_name
from engine.protocol import Health

NO_SUGGESTION = "no suggestion: "
"""How a reason begins that was given for a request."""

SUPERSEDED = "a newer request or an edit came before the answer"
RESTARTED = "the engine is gone: it is started again"

_KEPT = 50
_FEW = 3


def unfamiliar(health: Health | None, language_id: str) -> str:
    """Returns why the model cannot do well in a language, in one line; "" where it can, or where that is not known."""
    if health is None or not health.languages or language_id in health.languages:
        return ""
    here, known = language_name(language_id), [language_name(language) for language in health.languages]
    if len(known) > _FEW:
        return f"{health.model} does not know {here}"
    *first, last = known
    named = f"{', '.join(first)} and {last}" if first else last
    return f"{health.model} knows {named} only; this file is {here}"


@dataclass(frozen=True, slots=True)
class Reason:
    """`count` answers of nothing for one reason; `time` (seconds since 1970) and `line` (from 0) are the last one's.

    `uri` is "" and `line` None where the reason is of no document or no place in it.
    """

    time: float
    uri: str
    line: int | None
    reason: str
    count: int

    def as_json(self) -> dict[str, Any]:
        """With the file's name alone, and the line as editors show it, from 1."""
        when = datetime.fromtimestamp(self.time).astimezone().isoformat(timespec="seconds")
        line = None if self.line is None else self.line + 1
        return {"time": when, "file": file_name(self.uri), "line": line, "reason": self.reason, "count": self.count}

    def told(self) -> str:
        """One line for the user: the reason, then where and when it was."""
        times = f"{self.count} times, last at " if self.count > 1 else ""
        at = f"{times}{datetime.fromtimestamp(self.time):%H:%M:%S}"
        return f"{self.reason.removeprefix(NO_SUGGESTION)} ({', '.join(filter(None, [self._place, at]))})"

    def __str__(self) -> str:
        times = f" ({self.count} times)" if self.count > 1 else ""
        place = f"{self._place}: " if self._place else ""
        return f"{datetime.fromtimestamp(self.time):%H:%M:%S}  {place}{self.reason}{times}"

    @property
    def _place(self) -> str:
        return file_name(self.uri) + ("" if self.line is None else f":{self.line + 1}")


class Reasons:
    """The last 50 reasons. One that comes again for the same line is counted, and superseded requests by document."""

    def __init__(self) -> None:
        self._reasons: dict[tuple[str, int | None, str], Reason] = {}

    def __len__(self) -> int:
        return len(self._reasons)

    def add(self, reason: str, *, uri: str = "", line: int | None = None) -> None:
        """Keep a reason."""
        key = (uri, None if reason == SUPERSEDED else line, reason)
        known = self._reasons.pop(key, None)
        self._reasons[key] = Reason(time.time(), uri, key[1], reason, known.count + 1 if known else 1)
        if len(self._reasons) > _KEPT:
            del self._reasons[next(iter(self._reasons))]

    def all(self) -> list[Reason]:
        """The newest first."""
        return list(reversed(self._reasons.values()))

    def latest(self, uri: str = "") -> Reason | None:
        """The newest one of a document, or of any; a superseded request only where there is nothing else."""
        found = [reason for reason in self.all() if not uri or reason.uri in ("", uri)]
        return next((reason for reason in found if reason.reason != SUPERSEDED), found[0] if found else None)
