"""What `dg-lsp demo` shows: colours and moving lines on a terminal, the same as plain lines elsewhere."""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from dg_lsp.documents import Snapshot
from dg_lsp.syntax.holes import Hole
from engine.protocol import Draft, FillResult

_STEP_S = 0.15  # a draft stays at least so long, or nobody would see it
_PINNED_CHARS = 32
_LINES_BEFORE = 2
_PARTS = ("queue", "context", "denoise", "causal", "copy", "choose", "total")
_MARKS = {"\n": "⏎", "\t": "⇥"}


class Screen:
    """Prints the demonstration, part by part."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self._moving = self._console.is_terminal and not self._console.is_dumb_terminal

    def say(self, line: str, style: str = "") -> None:
        """One line of text."""
        self._console.print(Text(line, style))

    @contextmanager
    def waiting(self, what: str) -> Iterator[Callable[[str], None]]:
        """A spinner on a terminal meanwhile; the function given changes its line."""
        with self._console.status(what) as status:
            yield lambda line: status.update(line)

    def place(self, snapshot: Snapshot, hole: Hole) -> None:
        """The lines before a hole, and the hole."""
        line = snapshot.line_at(hole.start)
        for number in range(max(line - _LINES_BEFORE, 0), line):
            self._console.print(Text(f"{number + 1:5}  {snapshot.line_text(number)}", "dim"))
        column = hole.start - snapshot.line_start(line)
        text = snapshot.line_text(line)
        shown = Text(f"{line + 1:5}  {text[:column]}", "dim")
        shown.append("▁▁▁", "bold yellow")
        shown.append(text[column + hole.end - hole.start :])
        self._console.print(shown)

    @contextmanager
    def drafts(self, snapshot: Snapshot, hole: Hole) -> Iterator[Callable[[Draft], None]]:
        """Shows each draft given to the function: in one place on a terminal, else on a line of its own."""
        head = snapshot.text[snapshot.line_start(snapshot.line_at(hole.start)) : hole.start].lstrip()
        live = Live(console=self._console, auto_refresh=False) if self._moving else None

        def show(draft: Draft) -> None:
            canvas = _canvas(head, draft)
            if live is None:
                self._console.print(canvas)
            else:
                live.update(canvas, refresh=True)
                time.sleep(_STEP_S)

        if live is None:
            yield show
        else:
            with live:
                yield show

    def legend(self) -> None:
        """What the canvas lines mean."""
        legend = Text("  each line: step, ")
        legend.append("text before the cursor", "dim")
        legend.append(", the gap's tokens between bars (")
        legend.append("settled", "green").append(" or ").append("still moving", "yellow")
        legend.append(", ·×n: n empty slots), ").append("the pinned suffix", "bold blue")
        self._console.print(legend)

    def diff(self, name: str, before: str, after: str) -> None:
        """The edit as a unified diff."""
        styles = {"+": "green", "-": "red", "@": "cyan"}
        lines = difflib.unified_diff(before.split("\n"), after.split("\n"), f"a/{name}", f"b/{name}", n=1, lineterm="")
        for line in lines:
            self._console.print(Text(_printable(line), styles.get(line[0], "")))

    def times(self, round_trips_ms: Sequence[float], results: Sequence[FillResult]) -> None:
        """A column for each hole, a row for each part of its time."""
        table = Table(box=None, title="Milliseconds per hole", title_justify="left", title_style="bold")
        table.add_column("")
        for number in range(1, len(results) + 1):
            table.add_column(f"hole {number}", justify="right")
        table.add_row("over LSP, there and back", *(f"{ms:.1f}" for ms in round_trips_ms))
        for part in _PARTS:
            label = "engine, second time: total" if part == "total" else f"  {part}"
            table.add_row(label, *(f"{result.timings_ms.get(part, 0):.1f}" for result in results))
        self._console.print(table)


def _canvas(head: str, draft: Draft) -> Text:
    """One step: the cursor's line up to the gap, the gap slot by slot, the head of the suffix."""
    slots = [_marked(slot) for slot in draft.slots]
    used = max((index for index, slot in enumerate(slots, 1) if slot), default=0)
    line = Text(f"  step {draft.step:2}/{draft.steps}  {sum(draft.settled):2} of {len(slots)} settled  ")
    line.append(head, "dim")
    for slot, settled in zip(slots[:used], draft.settled, strict=False):
        line.append("|", "dim").append(slot or "·", "green" if settled else "yellow")
    if empty := len(slots) - used:
        line.append("|", "dim").append(f"·×{empty}", "green" if all(draft.settled[used:]) else "yellow")
    line.append("| pinned: ", "dim")
    return line.append(_marked(draft.pinned)[:_PINNED_CHARS], "bold blue")


def _marked(text: str) -> str:
    """The text on one line: a mark for each character that takes no place or another line."""
    return "".join(_MARKS.get(c, c if c.isprintable() else "�") for c in text)


def _printable(line: str) -> str:
    return "".join(c if c.isprintable() or c == "\t" else "�" for c in line)
