"""Python's blocks have no bracket to count: a header at the end of a text needs a body below it."""

from __future__ import annotations

from dg_lsp.completion.filters.brackets import open_brackets
from dg_lsp.completion.filters.place import Place, in_string, opens_python_block
from dg_lsp.completion.filters.syntax_gate import in_text


def open_block(text: str, place: Place) -> str:
    """The text without a last line that opens a block where the line below the hole is no deeper.

    In a begun line the header may stand: its body will be typed next.
    """
    if place.in_a_line or place.rest.strip() or in_string(text):
        return text
    lines = text.rstrip().split("\n")
    last = place.head + lines[0] if len(lines) == 1 else lines[-1]
    if not opens_python_block(last, place.language) or open_brackets(text, place.language):
        return text
    if (place.below and place.columns(place.below[0]) > place.columns(last)) or in_text(place):
        return text
    return "\n".join(lines[:-1])
