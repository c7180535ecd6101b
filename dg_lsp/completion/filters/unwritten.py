"""No text that leaves what was asked for still to be written."""

from __future__ import annotations

from dg_lsp.completion.filters.place import Place
from dg_lsp.syntax.holes import CODE
from dg_lsp.syntax.stubs import is_unwritten


def unwritten(text: str, place: Place) -> str:
    """The text, or nothing if it only stands for the code of a function, an arm or a TODO."""
    return "" if place.hole.kind in CODE and is_unwritten(text, place.language) else text
