"""One line where one line is wanted, and no blanks at the end of a line."""

from __future__ import annotations

from dg_lsp.completion.filters.place import Place


def line_tail(text: str, place: Place) -> str:
    """The first line alone for a hole of one line; no blanks before the line's end, or before other blanks."""
    if place.hole.single_line:
        text = text.split("\n", 1)[0]
    rest = place.rest
    if not rest.strip():
        return text.rstrip()
    return text.rstrip(" \t") if rest[0] in " \t" else text
