"""The places where the user was a moment ago, as a ring of chunks of code."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from dg_lsp.documents import Snapshot

_CHUNKS = 16
_REACH = 32
"""Lines on either side of a place that belong to its chunk."""
_MAX_LINE = 500
"""Longer lines are left out."""
_SAME = 0.9
_DISTORTS = 0.5
"""A chunk that resembles the code around the hole more than this makes a model repeat it."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """The code around a line of a document."""

    uri: str
    line: int
    text: str
    lines: frozenset[str]


class Recent:
    """Knows the last places, one chunk for places near each other or of nearly the same text."""

    def __init__(self) -> None:
        self._chunks: deque[Chunk] = deque(maxlen=_CHUNKS)

    def visit(self, snapshot: Snapshot, line: int) -> None:
        """The user is at a line."""
        new = chunk_at(snapshot, line)
        kept = [chunk for chunk in self._chunks if not (_near(chunk, new) or _likeness(chunk, new) > _SAME)]
        self._chunks = deque([*kept, new], maxlen=_CHUNKS)

    def elsewhere(self, here: Chunk) -> Iterator[Chunk]:
        """The chunks of other documents that are not much like the code here, the latest first."""
        return (c for c in reversed(self._chunks) if c.uri != here.uri and _likeness(c, here) <= _DISTORTS)


def chunk_at(snapshot: Snapshot, line: int) -> Chunk:
    """The chunk around a line."""
    reach = range(max(line - _REACH, 0), min(line + _REACH + 1, snapshot.line_count))
    texts = [text for number in reach if len(text := snapshot.line_text(number)) <= _MAX_LINE]
    lines = frozenset(stripped for text in texts if (stripped := text.strip()))
    return Chunk(snapshot.uri, line, "\n".join(texts).strip("\n"), lines)


def _near(one: Chunk, other: Chunk) -> bool:
    return one.uri == other.uri and abs(one.line - other.line) <= _REACH


def _likeness(one: Chunk, other: Chunk) -> float:
    """The share of lines that two chunks have in common."""
    return 2 * len(one.lines & other.lines) / (len(one.lines) + len(other.lines) or 1)
