"""Text that begins with what stands before the cursor on its line (U2)."""

from __future__ import annotations

import re

from dg_lsp.completion.filters.place import Place

_WORD_AT_END = re.compile(r"\b[^\W\d]\w*$")
_LETTERS = re.compile(r"[^\W\d_]{3}")
_COMMENT = ("#", "//", "/*")


def echo(text: str, place: Place) -> str:
    """The text without the beginning of the line, the begun word, or the blank that the line has already."""
    head = place.head
    if place.at_line_start:
        return text
    text = _without_head(text, head.strip())
    if head[-1] in " \t" and text[:1] in (" ", "\t") and not (_aligned(place) or text.lstrip().startswith(_COMMENT)):
        text = text.lstrip(" \t")
    word = _WORD_AT_END.search(head)
    if word and len(word.group()) >= 3 and text.startswith(word.group()):
        follows = text[len(word.group()) :][:1]
        if follows.isalnum() or follows in ("_", "(", "."):
            return text[len(word.group()) :]
    return text


def _without_head(text: str, head: str) -> str:
    """Without the whole line up to the cursor, if that is more than a mark or two."""
    bare = text.lstrip()
    if not _LETTERS.search(head) or not bare.startswith(head):
        return text
    follows = bare[len(head) :]
    if head[-1].isalnum() and follows[:1].isalnum():
        return text
    return follows


def _aligned(place: Place) -> bool:
    """Whether columns are aligned by several blanks around here."""
    return any("  " in line.strip() for line in [*place.above[-1:], *place.below[:1]])
