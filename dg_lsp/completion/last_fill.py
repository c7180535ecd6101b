"""Where the last fill of each document stands, and what of it nobody has changed since."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

from dg_lsp.completion.several import Edit
from dg_lsp.documents import Snapshot
from dg_lsp.positions import split_lines
from dg_lsp.syntax.holes import Hole, selection_hole

Span = tuple[int, int]

_MAX_COMPARED = 200
"""Larger changes, in lines, are taken as one: comparing them line by line would take too long."""


@dataclass(frozen=True, slots=True)
class Hunk:
    """A change: `size` characters took the place of `[start, end)`."""

    start: int
    end: int
    size: int

    @property
    def growth(self) -> int:
        return self.size - (self.end - self.start)


@dataclass(frozen=True, slots=True)
class Trace:
    """A fill that stands at `[start, end)` of a document; `pieces` of it are as the model wrote them.

    `seed` is the last one's, `said` what the model has written there so far.
    """

    start: int
    end: int
    pieces: tuple[Span, ...]
    seed: int
    said: frozenset[str] = frozenset()

    def after(self, hunks: Sequence[Hunk], document: Snapshot) -> Trace | None:
        """The trace in `document`, which came about by `hunks`; None when the fill is gone.

        A line in which anything was changed is no longer the model's.
        """
        start, end = _start_after(self.start, hunks), _end_after(self.end, hunks)
        if start >= end:
            return None
        parts = (part for piece in self.pieces for part in _untouched(piece, hunks, document))
        kept = tuple(part for part in parts if document.text[slice(*part)].strip())
        return replace(self, start=start, end=end, pieces=kept)


def reroll_holes(snapshot: Snapshot, trace: Trace, start: int, end: int) -> list[Hole]:
    """What is to be filled anew: what is selected of the fill, else all that nobody changed."""
    first, last = max(start, trace.start), min(end, trace.end)
    if first < last:
        return [selection_hole(snapshot, first, last)]
    return [_piece_hole(snapshot, piece) for piece in trace.pieces]


def _piece_hole(snapshot: Snapshot, piece: Span) -> Hole:
    start, end = piece
    first, last = snapshot.line_at(start), snapshot.line_at(end)
    before = snapshot.text[snapshot.line_start(first) : start]
    beside = before + snapshot.text[end : snapshot.line_end(last)]
    indentation = before[: len(before) - len(before.lstrip())]
    single_line = first == last and bool(beside.strip())
    return Hole(
        kind="selection", start=start, end=end, label="last fill", single_line=single_line, indentation=indentation
    )


class LastFills:
    """Follows the last fill of each document through its versions."""

    def __init__(self) -> None:
        self._expected: dict[str, tuple[Snapshot, Sequence[Edit], Trace | None]] = {}
        self._traces: dict[str, list[Trace]] = {}

    def expect(self, snapshot: Snapshot, edits: Sequence[Edit], again: Trace | None = None) -> None:
        """Edits are on their way to the editor, which may apply all of them, some or none; `again` is a fill redone."""
        self._expected[snapshot.uri] = snapshot, edits, again

    def follow(self, old: Snapshot, new: Snapshot) -> None:
        """The next version of a document has come."""
        uri = old.uri
        expected = self._expected.pop(uri, None)
        if expected and expected[0] is old and (landed := _landed(expected[1], new)):
            self._traces[uri] = self._traces_with(landed, new, expected[2])
        elif known := self._traces.get(uri):
            hunks = list(hunks_between(old, new))
            self._traces[uri] = [moved for trace in known if (moved := trace.after(hunks, new))]

    def at(self, snapshot: Snapshot, start: int, end: int) -> Trace | None:
        """The fill on the lines of a range, or on one beside them."""
        first, last = snapshot.line_at(start) - 1, snapshot.line_at(end) + 1
        for trace in self._traces.get(snapshot.uri, ()):
            if snapshot.line_at(trace.start) <= last and snapshot.line_at(trace.end) >= first:
                return trace
        return None

    def forget(self, uri: str) -> None:
        """A document was closed."""
        self._expected.pop(uri, None)
        self._traces.pop(uri, None)

    def _traces_with(self, landed: Sequence[Edit], new: Snapshot, again: Trace | None) -> list[Trace]:
        hunks = [Hunk(edit.start, edit.end, len(edit.text)) for edit in landed]
        pieces = list(_pieces(landed))
        said = [edit.text[edit.first : edit.last] for edit in landed]
        if again is None:
            return [Trace(*piece, (piece,), 0, frozenset({words})) for piece, words in zip(pieces, said, strict=True)]
        others = [trace for trace in self._traces.get(new.uri, ()) if trace != again]
        kept = again.after(hunks, new)
        pieces = sorted([*(kept.pieces if kept else ()), *pieces])
        start, end = pieces[0][0], pieces[-1][1]
        if kept:
            start, end = min(start, kept.start), max(end, kept.end)
        moved = [trace.after(hunks, new) for trace in others]
        return [Trace(start, end, tuple(pieces), again.seed + 1, again.said.union(said)), *filter(None, moved)]


def _landed(edits: Iterable[Edit], new: Snapshot) -> list[Edit]:
    """The edits that the editor applied: those whose text stands where it must then."""
    landed, moved = [], 0
    for edit in edits:
        if new.text.startswith(edit.text, edit.start + moved):
            landed.append(edit)
            moved += len(edit.text) - (edit.end - edit.start)
    return landed


def _pieces(edits: Iterable[Edit]) -> Iterator[Span]:
    """Where the model's words stand when edits have been applied."""
    moved = 0
    for edit in edits:
        yield edit.start + moved + edit.first, edit.start + moved + edit.last
        moved += len(edit.text) - (edit.end - edit.start)


def _start_after(offset: int, hunks: Iterable[Hunk]) -> int:
    """Where something that begins at an offset begins after hunks; what is inserted right before it stays out."""
    moved = 0
    for hunk in hunks:
        if hunk.end <= offset:
            moved += hunk.growth
        elif hunk.start < offset:
            return hunk.start + moved + hunk.size
    return offset + moved


def _end_after(offset: int, hunks: Iterable[Hunk]) -> int:
    """Where something that ends at an offset ends after hunks; what is inserted right behind it stays out."""
    moved = 0
    for hunk in hunks:
        if hunk.start >= offset:
            break
        if hunk.end > offset:
            return hunk.start + moved
        moved += hunk.growth
    return offset + moved


def _untouched(piece: Span, hunks: Iterable[Hunk], document: Snapshot) -> Iterator[Span]:
    """The parts of a piece that lie on lines without a change, in the new document."""
    start, end = piece
    moved, cut = 0, False  # `cut`: a hunk ends right before `start`
    for hunk in hunks:
        if hunk.start >= end:
            break
        if hunk.end > start or (hunk.end == start and cut):
            before = _line_end_above(document, hunk.start + moved)
            if start < hunk.start and (part := _part(start + moved, before, document, cut)):
                yield part
            start, cut = max(hunk.end, start), True
        moved += hunk.growth
    if start < end and (part := _part(start + moved, end + moved, document, cut)):
        yield part


def _part(start: int, end: int, document: Snapshot, cut: bool) -> Span | None:
    """The range without what is left of a changed line at its start; None when nothing stays."""
    if cut:
        line = document.line_at(start)
        if start > document.line_start(line):
            line += 1
        if line >= document.line_count:
            return None
        text = document.line_text(line)
        start = document.line_start(line) + len(text) - len(text.lstrip())
    return (start, end) if start < end else None


def _line_end_above(document: Snapshot, offset: int) -> int:
    line = document.line_at(min(offset, len(document.text)))
    return document.line_end(line - 1) if line else 0


def hunks_between(old: Snapshot, new: Snapshot) -> Iterator[Hunk]:
    """The changes that make one version out of another, in document order; several where lines between them stay."""
    a, b = old.text, new.text
    head = _common(a, b)
    tail = _common(a[head:][::-1], b[head:][::-1])
    if not any(end in a[head : len(a) - tail] + b[head : len(b) - tail] for end in "\r\n"):
        if a != b:
            yield Hunk(head, len(a) - tail, len(b) - tail - head)
        return
    head = old.line_start(old.line_at(head))
    end = old.line_at(len(a) - tail) + 1
    tail = len(a) - old.line_start(end) if end < old.line_count else 0
    olds, news = split_lines(a[head : len(a) - tail]), split_lines(b[head : len(b) - tail])
    if max(len(olds), len(news)) > _MAX_COMPARED:
        yield Hunk(head, len(a) - tail, len(b) - tail - head)
        return
    at = head
    for kind, first, last, new_first, new_last in SequenceMatcher(None, olds, news, autojunk=False).get_opcodes():
        size = sum(map(len, olds[first:last]))
        if kind != "equal":
            yield Hunk(at, at + size, sum(map(len, news[new_first:new_last])))
        at += size


def _common(a: str, b: str) -> int:
    """How many characters two texts begin with alike."""
    low, high = 0, min(len(a), len(b))
    while low < high:  # halving keeps the comparing out of Python
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
