"""No docstring without a word."""

from __future__ import annotations

import re

from dg_lsp.completion.filters.place import Place

_LETTER = re.compile(r"[^\W\d_]")


def wordless(text: str, place: Place) -> str:
    """The text, or nothing if it is to be a docstring and has only signs and digits."""
    return "" if place.hole.kind == "docstring" and not _LETTER.search(text) else text
