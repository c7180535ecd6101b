"""Documents written with marks: ⟦ and ⟧ around a range, │ for the cursor."""

from __future__ import annotations

from dg_lsp.documents import Snapshot

OPEN, CLOSE, CURSOR = "⟦", "⟧", "│"


def snapshot(language: str, text: str) -> Snapshot:
    return Snapshot("file:///a", language, 1, text)


def marked(language: str, text: str) -> tuple[Snapshot, list[tuple[int, int]]]:
    """The document without its marks, and the ranges that these enclose."""
    plain, ranges = "", []
    for piece in text.split(OPEN):
        inside, closed, after = piece.partition(CLOSE)
        if closed:
            ranges.append((len(plain), len(plain) + len(inside)))
        plain += inside + after
    return snapshot(language, plain), ranges


def at_cursor(language: str, text: str) -> tuple[Snapshot, int]:
    before, _, after = text.partition(CURSOR)
    return snapshot(language, before + after), len(before)
