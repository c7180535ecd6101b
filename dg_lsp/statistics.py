"""What was offered and accepted, counted by day and language in one file of this user, for `dg-lsp stats`.

No code and no file names, and nothing leaves the machine. Each line of the file is a JSON object with counts to add;
several servers append to it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from threading import Thread

from dg_lsp.completion.acceptance import Outcome

_SAVE_AFTER = 20
_SAVE_AFTER_S = 60.0
_LAST_SAVE_WITHIN_S = 0.5


@dataclass(slots=True)
class Counts:
    """Offers, of how many of them all, a line or a word was taken, and the characters that came in so."""

    offered: int = 0
    full: int = 0
    line: int = 0
    word: int = 0
    characters: int = 0

    def add(self, other: Counts) -> None:
        """Add the other's counts."""
        self.offered += other.offered
        self.full += other.full
        self.line += other.line
        self.word += other.word
        self.characters += other.characters

    @property
    def accepted(self) -> int:
        """Offers of which something was taken."""
        return self.full + self.line + self.word


Rows = dict[tuple[str, str], Counts]
"""Counts by (day or week, language)."""


class Statistics:
    """Counts outcomes and appends them to the file now and then; a disk that fails costs only the counts."""

    def __init__(self, file: Path | None = None) -> None:
        """`file` is `statistics_file()` if not given."""
        self._file = file
        self._unsaved: Rows = {}
        self._saved_at = time.monotonic()
        self._saving: Thread | None = None

    def add(self, outcome: Outcome) -> None:
        """Count one offer."""
        counts = self._unsaved.setdefault((date.today().isoformat(), outcome.language), Counts())
        counts.add(Counts(offered=1, characters=outcome.characters))
        if outcome.kind:
            setattr(counts, outcome.kind, getattr(counts, outcome.kind) + 1)
        unsaved = sum(counts.offered for counts in self._unsaved.values())
        if unsaved >= _SAVE_AFTER or time.monotonic() - self._saved_at >= _SAVE_AFTER_S:
            self.save()

    def today(self) -> Counts:
        """What all servers of this user have counted today; it reads the file. Counts only its own where that fails."""
        if self._saving:
            self._saving.join(_LAST_SAVE_WITHIN_S)
        day, total = date.today().isoformat(), Counts()
        try:
            saved = by_day(self._file or statistics_file(), day)
        except (OSError, RuntimeError):
            saved = {}
        for rows in (saved, dict(self._unsaved)):
            for (of, _), counts in rows.items():
                if of == day:
                    total.add(counts)
        return total

    def save(self) -> None:
        """Append what was counted, in a thread: a disk may take its time."""
        rows, self._unsaved, self._saved_at = self._unsaved, {}, time.monotonic()
        if rows:
            lines = [
                json.dumps({"day": day, "language": language, **asdict(counts)})
                for (day, language), counts in rows.items()
            ]
            self._saving = Thread(target=_append, args=(lines, self._file), daemon=True)
            self._saving.start()

    def close(self) -> None:
        """Save the rest, waiting for it shortly."""
        self.save()
        if self._saving:
            self._saving.join(_LAST_SAVE_WITHIN_S)


def statistics_file() -> Path:
    """The file in the user's folder for data. Raises `RuntimeError` for a user without a home."""
    return _data_folder() / "dg-lsp" / "statistics.jsonl"


def by_day(file: Path, day: str = "") -> Rows:
    """The counts in a file, of one `day` or of all, nothing where there is none; a line that was cut is left out.

    Raises `OSError`.
    """
    try:
        text = file.read_text("utf-8", errors="replace")
    except FileNotFoundError:
        return {}
    return _sums(filter(None, (_row(line) for line in text.splitlines() if day in line)))


def by_week(days: Rows) -> Rows:
    """The same by calendar week, as "2026-W47", and language."""
    return _sums(((_week(day), language), counts) for (day, language), counts in days.items())


def _data_folder() -> Path:
    if own := os.environ.get("XDG_DATA_HOME"):
        return Path(own)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    return Path.home() / ("Library/Application Support" if sys.platform == "darwin" else ".local/share")


def _append(lines: Iterable[str], file: Path | None) -> None:
    # It begins with a line ending too: so a line that a full disk cut spoils no other. One write at the end of the
    # file is not mixed with that of another process.
    data = "\n".join(("", *lines, "")).encode()
    try:
        file = file or statistics_file()
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        opened = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(opened, data)
        finally:
            os.close(opened)
    except (OSError, RuntimeError):
        return


def _row(line: str) -> tuple[tuple[str, str], Counts] | None:
    """None for what is no line of ours."""
    try:
        fields = json.loads(line)
        day, language = fields.pop("day"), fields.pop("language")
        date.fromisoformat(day)
        counts = Counts(**{name: int(value) for name, value in fields.items()})
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        return None
    return (day, str(language)), counts


def _sums(rows: Iterable[tuple[tuple[str, str], Counts]]) -> Rows:
    sums: Rows = {}
    for key, counts in rows:
        sums.setdefault(key, Counts()).add(counts)
    return dict(sorted(sums.items()))


def _week(day: str) -> str:
    year, week, _ = date.fromisoformat(day).isocalendar()
    return f"{year}-W{week:02}"
