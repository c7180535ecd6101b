"""What `dg-lsp demo` shows: colours and moving lines on a terminal, the same as plain lines elsewhere."""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table
from rich.text import Text

from dg_lsp.documents import Snapshot
from dg_lsp.fill_output import printable
from dg_lsp.syntax.holes import Hole
from engine.protocol import Draft, FillResult

_STEP_S, _TOKEN_S = 0.15, 0.05  # a canvas and a draft stay at least so long, or nobody would see them
_PINNED_CHARS = 32
_LINES_BEFORE = 2
_BAR = 20  # with it the name of a model and all numbers have room in 80 columns
_PARTS = ("total", "queue", "context", "denoise", "causal", "copy", "choose")
_MARKS = {"\n": "⏎", "\t": "⇥"}


class Screen:
    """Prints the demonstration, part by part."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        self._moving = self._console.is_terminal and not self._console.is_dumb_terminal
        self._legend_shown = False

    def code(self, lines: str) -> None:
        """Lines that are to be copied: none is broken."""
        self._console.print(Text(lines), soft_wrap=True)

    def say(self, line: str, style: str = "") -> None:
        """Text, whose lines are wrapped between words on a terminal and stay whole elsewhere."""
        self._print(Text(line, style))

    @contextmanager
    def waiting(self, what: str) -> Iterator[Callable[[str], None]]:
        """A spinner on a terminal meanwhile; the function given changes its line."""
        with self._console.status(what) as status:
            yield lambda line: status.update(line)

    @contextmanager
    def downloading(self, name: str, size: int) -> Iterator[Callable[[int, int], None]]:
        """A progress bar on a terminal; the function given hears the bytes done and all of them."""
        columns = (BarColumn(_BAR), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        with Progress("  {task.description}", *columns, console=self._console, disable=not self._moving) as bar:
            task = bar.add_task(name, total=size)
            yield lambda done, total: bar.update(task, completed=done, total=total)

    def place(self, snapshot: Snapshot, hole: Hole) -> None:
        """The lines before a hole, and the hole."""
        line = snapshot.line_at(hole.start)
        for number in range(max(line - _LINES_BEFORE, 0), line):
            self._print(Text(f"{number + 1:4} {snapshot.line_text(number)}", "dim"))
        column = hole.start - snapshot.line_start(line)
        text = snapshot.line_text(line)
        shown = Text().append(f"{line + 1:4} {text[:column]}", "dim").append("▁▁▁", "bold yellow")
        self._print(shown.append(text[column + hole.end - hole.start :], "dim"))

    @contextmanager
    def drafts(self, snapshot: Snapshot, hole: Hole) -> Iterator[Callable[[Draft], None]]:
        """Shows each draft given to the function: in one place on a terminal, else on a line of its own."""
        head = snapshot.text[snapshot.line_start(snapshot.line_at(hole.start)) : hole.start]
        if not self._moving:
            yield lambda draft: self._print_draft(head, draft)
            return
        with Live(console=self._console, auto_refresh=False) as live:
            rows = 0

            def show(draft: Draft) -> None:
                nonlocal rows
                if not draft.slots:
                    live.update(Group(_step(draft), _growing(head, draft)), refresh=True)
                    time.sleep(_TOKEN_S)
                    return
                self._explain_canvas()
                lines = _lines(_gap(head.lstrip(), draft), self._console.width)
                rows = max(rows, len(lines))  # never fewer, so that the suffix stays where it is
                live.update(Group(_step(draft), *lines, *[""] * (rows - len(lines)), _pinned(draft)), refresh=True)
                time.sleep(_STEP_S)

            yield show

    def _print_draft(self, head: str, draft: Draft) -> None:
        """A canvas on one line; of drafts that grow, those after 1, 2, 4, 8, … steps."""
        if draft.slots:
            self._explain_canvas()
            gap = Text("").join(_gap(head.lstrip(), draft))
            self._print(Text("  ").join([_step(draft), gap, _pinned(draft)]))
        elif draft.step & (draft.step - 1) == 0:
            self._print(Text("  ").join([_step(draft), Text(_marked(head.lstrip() + draft.text.rstrip()))]))

    def _explain_canvas(self) -> None:
        """What the lines of a canvas mean, before the first one."""
        if self._legend_shown:
            return
        self._legend_shown = True
        legend = Text("A canvas: ")
        legend.append("the line before the gap", "dim").append(", the gap's tokens between bars (")
        legend.append("accepted in this step", "green").append(" or ").append("still moving", "yellow")
        legend.append(", ·×n: n empty ones), ").append("the pinned suffix", "bold blue").append(".")
        self._print(legend)

    def diff(self, name: str, before: str, after: str) -> None:
        """The edit as a unified diff."""
        styles = {"+": "green", "-": "red", "@": "cyan"}
        lines = difflib.unified_diff(before.split("\n"), after.split("\n"), f"a/{name}", f"b/{name}", n=1, lineterm="")
        for line in lines:
            self._print(Text(printable(line), styles.get(line[0], "")))

    def times(self, round_trips_ms: Sequence[float], results: Sequence[FillResult]) -> None:
        """A column for each hole, a row for each part of its time."""
        table = Table(box=None)
        table.add_column(" milliseconds")
        for number in range(1, len(results) + 1):
            table.add_column(f"gap {number}", justify="right")
        table.add_row(" over LSP, there and back", *(f"{ms:.1f}" for ms in round_trips_ms))
        for part in _PARTS:
            label = " engine, asked again: total" if part == "total" else f"   {part}"
            table.add_row(label, *(f"{result.timings_ms.get(part, 0):.1f}" for result in results))
        self._console.print(table)

    def _print(self, line: Text) -> None:
        self._console.print(line, soft_wrap=not self._moving)


def _step(draft: Draft) -> Text:
    accepted = f"  {sum(draft.settled):2} of {len(draft.slots)} accepted" if draft.slots else ""
    return Text(f"  step {draft.step:2}/{draft.steps}{accepted}")


def _growing(head: str, draft: Draft) -> Text:
    """The cursor's line up to the hole, and what is written so far, indented as in the file."""
    first, *others = (printable(line) for line in draft.text.rstrip().split("\n"))
    text = Text("  ").append(head, "dim").append(first, "yellow")
    return text.append("".join(f"\n  {line}" for line in others), "yellow")


def _gap(head: str, draft: Draft) -> list[Text]:
    """The cursor's line up to the gap, and the gap slot by slot; empty slots at its end are counted."""
    slots = [_marked(slot) for slot in draft.slots]
    used = max((index for index, slot in enumerate(slots, 1) if slot), default=0)
    parts = [Text("  ").append(head, "dim")]
    for slot, settled in zip(slots[:used], draft.settled, strict=False):
        parts.append(Text("|", "dim").append(slot or "·", "not dim green" if settled else "not dim yellow"))
    if empty := len(slots) - used:
        style = "not dim green" if all(draft.settled[used:]) else "not dim yellow"
        parts.append(Text("|", "dim").append(f"·×{empty}", style))
    return [*parts, Text("|", "dim")]


def _lines(parts: Sequence[Text], width: int) -> list[Text]:
    """The parts one after the other in lines of a width, none of them broken."""
    lines = [Text()]
    for part in parts:
        if lines[-1].plain and lines[-1].cell_len + part.cell_len > width:
            lines.append(Text("  "))
        lines[-1].append_text(part)
    return lines


def _pinned(draft: Draft) -> Text:
    return Text("  pinned: ", "dim").append(_marked(draft.pinned)[:_PINNED_CHARS], "not dim bold blue")


def _marked(text: str) -> str:
    """The text on one line: a mark for each character that takes no place or another line."""
    return "".join(_MARKS.get(c, c if c.isprintable() else "�") for c in text)
