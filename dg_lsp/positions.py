"""Lines and columns as the Language Server Protocol counts them.

Only "\\n", "\\r\\n" and "\\r" end a line; a column counts code units of the negotiated encoding.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate, groupby
from typing import Literal

from lsprotocol import types

Encoding = Literal["utf-8", "utf-16", "utf-32"]

_LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n)")
_CODECS: dict[Encoding, tuple[str, int]] = {
    "utf-8": ("utf-8", 1),
    "utf-16": ("utf-16-le", 2),
    "utf-32": ("utf-32-le", 4),
}
_LONG = 10_000
"""Characters of a line from which on several edits of it are made in its code units: so none reads all of it."""

Change = types.TextDocumentContentChangeEvent


def split_lines(text: str) -> list[str]:
    """The lines of a text, each with its line ending; the last one, possibly empty, has none."""
    tail = max(text.rfind("\n"), text.rfind("\r")) + 1
    # Without the bound the pattern would scan an unterminated last line once per character.
    lines = _LINE.findall(text, 0, tail)
    lines.append(text[tail:])
    return lines


def with_newlines(text: str) -> str:
    """The text with "\\n" for each of its line endings."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def code_units(text: str, encoding: Encoding) -> int:
    """How many code units the text takes in an encoding; a lone surrogate counts as one character."""
    if encoding == "utf-32" or text.isascii():
        return len(text)
    codec, width = _CODECS[encoding]
    return len(text.encode(codec, "surrogatepass")) // width


def characters_before(line: str, column: int, encoding: Encoding) -> int:
    """How many characters of the line lie wholly before a column.

    A column inside a character goes back to its start, one beyond the line to its end.
    """
    if encoding == "utf-32" or line.isascii():
        return min(column, len(line))
    low, high = 0, min(column, len(line))
    while low < high:  # halving keeps the work in the codec: linear in the line, no step per character
        middle = (low + high + 1) // 2
        units = code_units(line[low:middle], encoding)
        if units <= column:
            column -= units
            low = middle
        else:
            high = middle - 1
    return low


def content(line: str) -> str:
    """A line without its line ending."""
    return line.rstrip("\r\n")


def locate(lines: list[str], position: types.Position, encoding: Encoding) -> tuple[int, int]:
    """The line and the character in it where a position falls, clamped to the document."""
    if position.line >= len(lines):
        return len(lines) - 1, len(lines[-1])
    return position.line, characters_before(content(lines[position.line]), position.character, encoding)


def changed(lines: Sequence[str], changes: Iterable[Change], encoding: Encoding) -> list[str]:
    """The lines after edits, each relative to the result of the one before (LSP 3.18, didChange)."""
    new = list(lines)
    for line, run in groupby(changes, _line_within):
        edits = list(run)
        if line is not None and line < len(new) and len(new[line]) > _LONG and len(edits) > 1:
            new[line] = _changed_line(new[line], edits, encoding)
            continue
        for edit in edits:
            if isinstance(edit, types.TextDocumentContentChangePartial):
                _replace(new, edit.range, edit.text, encoding)
            else:
                new = split_lines(edit.text)
    return new


def _line_within(change: Change) -> int | None:
    """The line that a change stays in; None when it touches several, or brings a line ending."""
    if isinstance(change, types.TextDocumentContentChangeWholeDocument) or re.search(r"[\r\n]", change.text):
        return None
    return change.range.start.line if change.range.start.line == change.range.end.line else None


def _changed_line(line: str, edits: list[Change], encoding: Encoding) -> str:
    codec, width = _CODECS[encoding]
    units = bytearray(content(line).encode(codec, "surrogatepass"))
    for edit in edits:
        assert isinstance(edit, types.TextDocumentContentChangePartial)
        edges = [_edge(units, column.character * width, encoding) for column in (edit.range.start, edit.range.end)]
        units[min(edges) : max(edges)] = edit.text.encode(codec, "surrogatepass")
    return units.decode(codec, "surrogatepass") + line[len(content(line)) :]


def _edge(units: bytearray, byte: int, encoding: Encoding) -> int:
    """The byte itself, or the beginning of the character that it lies in."""
    byte = min(byte, len(units))
    if encoding == "utf-8":
        while byte < len(units) and units[byte] & 0xC0 == 0x80:
            byte -= 1
    elif encoding == "utf-16" and 0 < byte < len(units):
        inside = units[byte + 1] & 0xFC == 0xDC and units[byte - 1] & 0xFC == 0xD8
        byte -= 2 * inside
    return byte


def _replace(lines: list[str], where: types.Range, text: str, encoding: Encoding) -> None:
    """Replace a range in a list of lines, in place: only the lines it touches are split anew."""
    edges = (locate(lines, where.start, encoding), locate(lines, where.end, encoding))
    (first, head), (last, tail) = min(edges), max(edges)
    text = "".join((lines[first][:head], text, lines[last][tail:]))
    if first > 0 and text.startswith("\n") and lines[first - 1].endswith("\r"):
        first -= 1  # the edit brought "\r" and "\n" together: they are one line ending now
        text = lines[first] + text
    new = split_lines(text)
    if last + 1 < len(lines):
        new.pop()  # the empty line behind the last line ending is the next line, which stands already
    lines[first : last + 1] = new


class LineStarts:
    """Where lines start, in code units: summed up for blocks of lines at once, and line by line where one looks."""

    BLOCK = 1024

    def __init__(self, lines: list[str], encoding: Encoding) -> None:
        self._lines = lines
        self._encoding = encoding
        self._within: dict[int, list[int]] = {}
        blocks = ("".join(lines[first : first + self.BLOCK]) for first in range(0, len(lines), self.BLOCK))
        self._blocks = _starts_of((code_units(block, encoding) for block in blocks), 0)

    def of(self, line: int) -> int:
        """Where a line starts. Raises IndexError beyond the last one."""
        block, index = divmod(line, self.BLOCK)
        return self._in_block(block)[index]

    def line_at(self, offset: int) -> int:
        """The line that holds an offset: of those that start there or before it, the last."""
        block = max(bisect_right(self._blocks, offset) - 1, 0)
        return self.BLOCK * block + max(bisect_right(self._in_block(block), offset) - 1, 0)

    def _in_block(self, block: int) -> list[int]:
        if block not in self._within:
            lines = self._lines[self.BLOCK * block : self.BLOCK * (block + 1)]
            sizes = (code_units(line, self._encoding) for line in lines)
            self._within[block] = _starts_of(sizes, self._blocks[block])
        return self._within[block]


def _starts_of(sizes: Iterable[int], first: int) -> list[int]:
    starts = list(accumulate(sizes, initial=first))
    starts.pop()
    return starts
