"""What the model sees of a document: the text around a hole, cut to what fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dg_lsp.documents import Snapshot
from dg_lsp.positions import with_newlines
from dg_lsp.syntax.holes import Hole


@dataclass(frozen=True, slots=True)
class Window:
    """The text before and after a hole, with "\\n" line endings."""

    prefix: str
    suffix: str


def window(snapshot: Snapshot, hole: Hole, *, prefix_chars: int = 40_000, suffix_chars: int = 20_000) -> Window:
    """At most so many characters on either side of a hole, whole lines where these are not too long.

    More than a model reads at once: the names and idioms of the rest of the file count too.

    Both ends move in large steps, so that keys typed at the hole leave them where they are: what an answer was asked
    for and what is asked now must begin alike for the answer to serve both.

    A leading byte-order mark is left out.
    """
    length = len(snapshot.text)
    first = _first(snapshot, _stepped(hole.start - prefix_chars, prefix_chars // 8), hole.start)
    last = _last(snapshot, hole.end, length - _stepped(length - hole.end - suffix_chars, suffix_chars // 8))
    prefix, suffix = snapshot.text[first : hole.start], snapshot.text[hole.end : last]
    if first == 0:
        prefix = prefix.removeprefix("\ufeff")
    if hole.end == 0:
        suffix = suffix.removeprefix("\ufeff")
    return Window(_for_model(prefix), _for_model(suffix))


def cells_above(cells: Sequence[Snapshot], language_id: str, *, chars: int = 20_000) -> str:
    """The code of a notebook's cells above one, in its language, as it would stand before it in a file.

    Whole cells, the nearest ones, that together hold at most so many characters.
    """
    near = ""
    for cell in reversed(cells):
        if cell.language_id != language_id:
            continue
        text = _for_model(cell.text).rstrip("\n") + "\n\n"
        if len(text) + len(near) > chars:
            break
        near = text + near
    return near


def to_document(snapshot: Snapshot, middle: str) -> str:
    """A middle with "\\n" line endings in the line endings of its document."""
    return middle.replace("\n", snapshot.eol)


def _stepped(offset: int, step: int) -> int:
    """The first multiple of `step` from `offset` on, at least 0."""
    return max(0, -(-offset // max(step, 1)) * max(step, 1))


def _first(snapshot: Snapshot, floor: int, start: int) -> int:
    """The first line start from `floor` on, or `floor` itself where the cut would cost over half the text."""
    line = snapshot.line_at(floor)
    if snapshot.line_start(line) == floor:
        return floor
    cut = snapshot.line_start(line + 1) if line + 1 < snapshot.line_count else start
    return cut if start - cut > (start - floor) // 2 else floor


def _last(snapshot: Snapshot, end: int, ceiling: int) -> int:
    """The last line start up to `ceiling`, or `ceiling` itself where the cut would cost over half the text."""
    if ceiling == len(snapshot.text):
        return ceiling
    cut = snapshot.line_start(snapshot.line_at(ceiling))
    return cut if cut - end > (ceiling - end) // 2 else ceiling


def _for_model(text: str) -> str:
    """The text with "\\n" line endings and without lone surrogates, which no UTF-8 message can carry."""
    return with_newlines(text).encode("utf-8", "replace").decode("utf-8")
