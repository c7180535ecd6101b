"""A block of lines parsed without what stands beside it.

A line that is being typed (`d = {`) makes an error of much that follows it. What a block is, and what it lies in, shows
in the indentation alone, so it can be read for itself.
"""

from __future__ import annotations

from collections.abc import Iterator

from tree_sitter import Parser, Range, Tree

from dg_lsp.documents import Snapshot
from dg_lsp.syntax.languages import grammar
from dg_lsp.syntax.parser import source_of

_MARKS = ("@", "#", "//", "/*", "*")
"""How comments and attributes begin, which belong to what stands below them."""
_GOES_ON = (")", "]", "}", "{")
"""How a line begins that goes on with one above it that stands as deep."""
_LONGEST, _MAX_BYTES = 400, 64 * 1024
"""Lines of a block that are looked at, and what is parsed at once."""


def trees_alone(snapshot: Snapshot, first: int) -> Iterator[Tree]:
    """The trees of the block that begins at a line: with its marks and the edges of those around it, and without."""
    language, source = grammar(snapshot.language_id), source_of(snapshot)
    if language is None:
        return
    last, marked = _last(snapshot, first), _with_marks(snapshot, first)
    edges = {line for outer in _heads(snapshot, first) for line in _edges(snapshot, outer)}
    around = [(line, line) for line in edges if not marked <= line <= last]
    for lines in ([*around, (marked, last)], [*around, (first, last)], [(first, last)]):
        ranges = [_range(snapshot, *part) for part in sorted(lines)]
        if sum(part.end_byte - part.start_byte for part in ranges) <= _MAX_BYTES:
            yield Parser(language, included_ranges=ranges).parse(source)


def blocks_around(snapshot: Snapshot, line: int) -> Iterator[tuple[int, int]]:
    """Where the blocks begin and end that a line lies in, from the innermost on; no longer ones than are parsed."""
    for first in _heads(snapshot, line):
        start, end = snapshot.line_start(first), snapshot.line_end(_last(snapshot, first))
        if end - start <= _MAX_BYTES:
            yield start, end


def heads_near(snapshot: Snapshot, first: int, last: int) -> list[int]:
    """The lines from `first` to `last` that may begin a function, and those whose blocks the first one lies in."""
    return sorted({*_heads(snapshot, first), *(line for line in range(first, last + 1) if _may_begin(snapshot, line))})


def _may_begin(snapshot: Snapshot, line: int) -> bool:
    text = snapshot.line_text(line).strip()
    if snapshot.language_id == "python":
        return text.startswith(("def ", "async "))
    below = snapshot.line_text(line + 1).lstrip() if line + 1 < snapshot.line_count else ""
    return "{" in text or (text.endswith(")") and below.startswith("{"))


def _heads(snapshot: Snapshot, line: int) -> Iterator[int]:
    """The first lines of the blocks that a line lies in, from the innermost on."""
    reach = max(line - _LONGEST, -1)
    text = snapshot.line_text(line).strip()
    depth = _depth(snapshot, line) + text.startswith(_GOES_ON)
    for above in range(line - 1, reach, -1):
        if not depth:
            return
        text = snapshot.line_text(above).strip()
        if text and _depth(snapshot, above) < depth and not text.startswith((*_MARKS, *_GOES_ON)):
            depth = _depth(snapshot, above)
            yield above


def _edges(snapshot: Snapshot, first: int) -> list[int]:
    """The first line of a block, and the last one where that closes it."""
    last = _last(snapshot, first)
    closes = snapshot.line_text(last).lstrip().startswith(_GOES_ON)
    return [first, last] if closes and _depth(snapshot, last) == _depth(snapshot, first) else [first]


def _last(snapshot: Snapshot, first: int) -> int:
    """The last line of a block: what is deeper than its first one belongs to it, and what goes on with that."""
    depth, last = _depth(snapshot, first), first
    for line in range(first + 1, min(first + _LONGEST, snapshot.line_count)):
        text = snapshot.line_text(line).strip()
        if text and _depth(snapshot, line) < depth + (not text.startswith(_GOES_ON)):
            break
        last = line if text else last
    return last


def _with_marks(snapshot: Snapshot, line: int) -> int:
    """The first of the comments and attributes right above a line."""
    depth = _depth(snapshot, line)
    for above in range(line - 1, max(line - _LONGEST, -1), -1):
        if _depth(snapshot, above) != depth or not snapshot.line_text(above).lstrip().startswith(_MARKS):
            return above + 1
    return max(line - _LONGEST + 1, 0)


def _depth(snapshot: Snapshot, line: int) -> int:
    text = snapshot.line_text(line)
    return len(text[: len(text) - len(text.lstrip(" \t"))].expandtabs(4))


def _range(snapshot: Snapshot, first: int, last: int) -> Range:
    """The lines from `first` to `last`, with their line endings."""
    start, row = snapshot.byte_at(snapshot.line_start(first)), last + 1
    if row < snapshot.line_count:
        return Range((first, 0), (row, 0), start, snapshot.byte_at(snapshot.line_start(row)))
    end = len(snapshot.utf8)
    return Range((first, 0), (last, end - snapshot.byte_at(snapshot.line_start(last))), start, end)
