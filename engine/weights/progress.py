"""How far a download is: a bar on a terminal, lines elsewhere, JSON objects for editors."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import rich.console
import rich.progress

from engine.weights.catalogue import gigabytes

_JSON_SECONDS = 0.5
_LINE_SECONDS = 5.0


class Progress:
    """Hears of every bit of a download, and shows it now and then: `show` gets the bytes done and in all."""

    def __init__(self, name: str, show: Callable[[int, int], None], every_seconds: float) -> None:
        self.name = name
        self.total = 0
        self._show = show
        self._every = every_seconds
        self._done = 0  # never falls, though the parts of a file are counted when they arrive and when they are joined
        self._shown = -1
        self._shown_at = float("-inf")

    def at(self, done: int) -> None:
        """`done` bytes are there."""
        self._done = max(self._done, done)
        now = time.monotonic()
        if self._done > self._shown and (now - self._shown_at >= self._every or self._done == self.total):
            self._shown, self._shown_at = self._done, now
            self._show(self._done, self.total)


def note(line: str) -> None:
    """A line about the download; on stderr, for stdout may be read by a program."""
    print(line, file=sys.stderr, flush=True)


@contextmanager
def shown(name: str, as_json: bool) -> Iterator[Progress]:
    """The progress of a model's download, on stdout as JSON, else on stderr."""
    if as_json:
        yield Progress(name, lambda done, total: print_json(name=name, done=done, total=total), _JSON_SECONDS)
    elif not sys.stderr.isatty():
        line = "{:.0%} of {}"
        yield Progress(
            name, lambda done, total: note(line.format(done / max(total, 1), gigabytes(total))), _LINE_SECONDS
        )
    else:
        with _bar() as bar:
            task = bar.add_task(name, total=None)
            yield Progress(name, lambda done, total: bar.update(task, completed=done, total=total), 0.0)


def print_json(**fields: object) -> None:
    """One JSON object as a line of its own, at once."""
    print(json.dumps(fields), flush=True)


def _bar() -> rich.progress.Progress:
    return rich.progress.Progress(
        rich.progress.TextColumn("{task.description}"),
        rich.progress.BarColumn(),
        rich.progress.DownloadColumn(),
        rich.progress.TransferSpeedColumn(),
        rich.progress.TimeRemainingColumn(),
        console=rich.console.Console(stderr=True),
    )
