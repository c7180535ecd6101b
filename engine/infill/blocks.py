"""Where a drafted block of lines ends: models seldom say so themselves, so the indentation and the suffix tell."""

from __future__ import annotations

import re
from itertools import islice

from engine.infill.layout import Layout
from engine.infill.tokens import FENCE

_WORD_CHARACTERS = 2  # of a suffix line, that make its return in a draft mean something
_KEYS = (12, 3)  # characters of a suffix that begins within a line, whose return in a draft may end it
_ENDS = 6  # such ends looked at
_OPENING = {")": "(", "]": "[", "}": "{"}


class Block:
    """The block of lines that a gap is to hold, as far as prefix and suffix tell."""

    def __init__(self, layout: Layout, max_lines: int | None = None) -> None:
        self._max_lines = max_lines
        self._head = layout.head_text.lstrip("\n")
        rest, *lines = layout.suffix_text.split("\n")
        self._rest = layout.suffix_text if rest.strip() else ""
        first = "" if rest.strip() else next((line for line in lines if line.strip()), "")
        self._next_line = first.rstrip() if sum(map(str.isalnum, first)) >= _WORD_CHARACTERS else None

    def is_over(self, text: str) -> bool:
        """True once the text has begun a line that does not belong to the block, two blank lines, or the suffix."""
        if self._returns(text, _KEYS[0]):
            return True
        return "\n\n\n" in text or self.cut(text) != text.rstrip()

    def cuts(self, text: str) -> list[str]:
        """Returns where a text may end: before the suffix's beginning where that stands within a line, else once."""
        block = self.cut(text)
        places = dict.fromkeys(place for length in _KEYS for place in self._returns(block, length))
        return [block[:place] for place in islice(filter(None, places), _ENDS)] or [block]

    def _returns(self, text: str, length: int) -> list[int]:
        """Where the first characters of a suffix that begins within a line stand in a text.

        A closing bracket of the suffix closes none that the text has opened.
        """
        key = self._rest[:length].rstrip()
        if not key:
            return []
        opening, closing = _OPENING.get(key[0]), key[0]
        places, open_brackets, counted = list[int](), 0, 0
        for match in re.finditer(re.escape(key), text):
            place = match.start()
            if opening:
                open_brackets += text.count(opening, counted, place) - text.count(closing, counted, place)
                counted = place
            if open_brackets <= 0:
                places.append(place)
        return places

    def cut(self, text: str) -> str:
        """Returns the lines up to the first that stands left of the block, or that the suffix begins with."""
        first, *rest = (self._head + text).split("\n")
        indent = _indent(first) if first.strip() else None
        kept = [first]
        for line in rest:
            if line.strip():
                if line.startswith(FENCE) or line.rstrip() == self._next_line or self._full(kept):
                    break
                if indent is not None and _indent(line) < indent:
                    break
                indent = _indent(line) if indent is None else indent
            kept.append(line)
        return "\n".join(kept)[len(self._head) :].rstrip()

    def _full(self, lines: list[str]) -> bool:
        return self._max_lines is not None and sum(bool(line.strip()) for line in lines) >= self._max_lines


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
