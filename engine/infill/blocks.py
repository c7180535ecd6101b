"""Where a drafted block of lines ends: models seldom say so themselves, so the indentation and the suffix tell."""

from __future__ import annotations

from engine.infill.chat import FENCE
from engine.infill.layout import Layout

_WORD_CHARACTERS = 2  # of a suffix line, that make its return in a draft mean something


class Block:
    """The block of lines that a gap is to hold, as far as prefix and suffix tell."""

    def __init__(self, layout: Layout, max_lines: int | None = None) -> None:
        self._max_lines = max_lines
        self._head = layout.head_text.lstrip("\n")
        lines = (line for line in layout.suffix_text.split("\n")[1:] if line.strip())
        first = next(lines, "") if not layout.suffix_text.split("\n", 1)[0].strip() else ""
        self._next_line = first.rstrip() if sum(map(str.isalnum, first)) >= _WORD_CHARACTERS else None

    def is_over(self, text: str) -> bool:
        """True once the text has begun a line that does not belong to the block, or two blank lines."""
        return "\n\n\n" in text or self.cut(text) != text.rstrip()

    def cut(self, text: str) -> str:
        """Returns the lines up to the first that stands left of the block, or that the suffix begins with."""
        first, *rest = (self._head + text).split("\n")
        indent = _indent(first) if first.strip() else None
        kept = [first]
        for line in rest:
            if line.strip():
                if line.startswith(FENCE):
                    break
                if self._max_lines and sum(bool(one.strip()) for one in kept) >= self._max_lines:
                    break
                if indent is not None and _indent(line) < indent:
                    break
                if line.rstrip() == self._next_line:
                    break
                indent = _indent(line) if indent is None else indent
            kept.append(line)
        return "\n".join(kept)[len(self._head) :].rstrip()


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
