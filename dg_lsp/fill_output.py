"""What `dg-lsp fill` shows: a bar while it works, the middles, the change that it is about to write."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import SequenceMatcher
from io import TextIOWrapper
from types import TracebackType

from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from dg_lsp.completion.sites import Site
from dg_lsp.context.window import to_document
from dg_lsp.documents import Snapshot
from dg_lsp.files import DocumentError
from engine.protocol import Candidate, Draft, FillResult, Health, to_json

_SHOW_AFTER_S = 1.0
_CONTEXT = 3
_STYLES = {"-": "red", "+": "green", "@": "cyan", " ": ""}


class Bar:
    """A bar on a terminal while the engine starts, loads and fills, if that takes longer than a second."""

    def __init__(self) -> None:
        self._bar = Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())
        self._work = self._bar.add_task("Waiting for the engine", total=None)

    def __enter__(self) -> Bar:
        self._show = asyncio.get_running_loop().call_later(_SHOW_AFTER_S, self._bar.start)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._show.cancel()
        self._bar.stop()

    async def load(self, health: Health) -> None:
        """Show how far the model is loaded."""
        self._bar.update(self._work, description=f"Loading {health.model}", total=1.0, completed=health.progress)

    def draft(self, draft: Draft) -> None:
        """Show how far the fill is."""
        self._bar.update(self._work, description="Filling", total=draft.steps, completed=draft.step)


def text_at(site: Site, middle: str) -> str:
    """All that goes into a site with a middle, in the line endings of the document."""
    return site.before + to_document(site.snapshot, middle) + site.after


def print_json(snapshot: Snapshot, site: Site, result: FillResult) -> None:
    """Print the answer as a JSON object; its middles are all that goes into the range, with "\\n" line ends."""
    start, end = snapshot.position_at(site.start, "utf-16"), snapshot.position_at(site.end, "utf-16")
    texts = [text_at(site, candidate.middle).replace(snapshot.eol, "\n") for candidate in result.candidates]
    candidates = [{**to_json(c), "middle": text} for c, text in zip(result.candidates, texts, strict=True)]
    answer = {
        "middle": texts[0],
        "range": {
            "start": {"line": start.line, "character": start.character},
            "end": {"line": end.line, "character": end.character},
        },
        "finish_reason": result.finish_reason,
        "steps": result.steps,
        "confidence": result.confidence,
        "source": result.candidates[0].source,
        "candidates": candidates,
        "model": result.model,
        "timings_ms": result.timings_ms,
    }
    print(json.dumps(answer))


@contextmanager
def printing() -> Iterator[None]:
    """Print in UTF-8, as files are read. Raises `DocumentError` when that cannot be written, as on a full disk."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="replace")
    try:
        yield
        if sys.stdout:
            sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more when it ends
        raise DocumentError(f"the answer cannot be printed: {error.strerror or error}") from None


def print_middles(snapshot: Snapshot, site: Site, candidates: Sequence[Candidate], *, numbered: bool) -> None:
    """Print the middles, each below its number where these are wanted.

    On a terminal each stands in its lines and has a colour; elsewhere it is printed as it is, and nothing else.
    """
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    on_terminal = bool(sys.stdout) and sys.stdout.isatty()
    for number, candidate in enumerate(candidates, 1):
        if numbered:
            print(f"--- {number} of {len(candidates)}: {candidate.confidence:.0%} sure, {candidate.source}")
        if on_terminal:
            console.print(_in_its_lines(snapshot, site, candidate.middle))
        else:
            print(candidate.middle)


def _in_its_lines(snapshot: Snapshot, site: Site, middle: str) -> Text:
    first, last = snapshot.line_at(site.start), snapshot.line_at(site.end)
    head, tail = (
        snapshot.text[snapshot.line_start(first) : site.start],
        snapshot.text[site.end : snapshot.line_end(last)],
    )
    filled = text_at(site, middle).replace(snapshot.eol, "\n")
    return Text(printable(head)).append(printable(filled), "bold green").append(printable(tail))


def printable(text: str) -> str:
    """The text without what a terminal would take for a command."""
    return "".join(c if c.isprintable() or c in "\t\n" else "�" for c in text)


def print_change(name: str, before: Snapshot, site: Site, after: Snapshot) -> None:
    """Print a unified diff, in colours on a terminal."""
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    console.print(f"--- {name}\n+++ {name}", style="bold")
    for line in _difference(before, site, after):
        console.print(line, style=_STYLES[line[0]])


def confirmed(name: str) -> bool:
    """Ask the user at the terminal whether to write the file."""
    print(f"Write this to {name}? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _difference(before: Snapshot, site: Site, after: Snapshot) -> Iterator[str]:
    """The hunks of a unified diff. Only the lines around the site are compared: the rest is the same."""
    above = max(before.line_at(site.start) - _CONTEXT, 0)
    below = before.line_count - min(before.line_at(site.end) + 1 + _CONTEXT, before.line_count)
    old = [before.line_text(line) for line in range(above, before.line_count - below)]
    new = [after.line_text(line) for line in range(above, after.line_count - below)]
    for hunk in SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(_CONTEXT):
        (_, a, _, c, _), (_, _, b, _, d) = hunk[0], hunk[-1]
        yield f"@@ -{above + a + 1},{b - a} +{above + c + 1},{d - c} @@"
        for kind, a, b, c, d in hunk:
            if kind == "equal":
                yield from (f" {line}" for line in old[a:b])
            else:
                yield from (f"-{line}" for line in old[a:b])
                yield from (f"+{line}" for line in new[c:d])
