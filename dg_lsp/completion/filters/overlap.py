"""Text whose end stands behind the cursor already, on the same line (U2)."""

from __future__ import annotations

import re
from itertools import islice

from dg_lsp.completion.filters.place import Place
from dg_lsp.completion.filters.syntax_gate import is_sound

_WORD = re.compile(r"[^\W\d]\w{2}")
_TERMINATORS = (":", ";", ",", "):", ");", "),")
_QUOTES = ("'", '"', "`")
_LONGEST = 500
_LOOKED_AT = 16
"""Characters that are compared, and ends of a text that are looked at."""
_PAIRS = {")": "(", "]": "[", "}": "{"}


def overlap(text: str, place: Place) -> str:
    """The text without an end that repeats the rest of the line, or its first words.

    Where words do not tell, the grammar does: an end goes when the document is in order only without it.
    """
    rest = place.rest.rstrip()
    if not rest.strip() or not text.strip("".join(_QUOTES)):  # quotes alone: a part of three of them
        return text
    kept, _, last = text.rpartition("\n")
    before = kept + "\n" if kept or "\n" in text else ""
    head = "" if before else place.head
    sizes = range(min(len(rest), len(last), _LONGEST), 0, -1)
    for size in islice((size for size in sizes if last.endswith(rest[:size])), _LOOKED_AT):
        shorter = before + last[:-size]
        if _is_repeat(head, last[:-size], rest[:size], rest):
            return shorter
        if is_sound(shorter, place) and not is_sound(text, place):
            return shorter
    return text


def _is_repeat(head: str, begin: str, end: str, rest: str) -> bool:
    """Whether `end`, with which `rest` begins as well, belongs to the rest of the line rather than to `begin`."""
    if _closes_something_of(begin, end):
        return False
    doubled = rest.startswith(2 * end[0])  # three quotes, or a string of its own
    if end[0] in _QUOTES and not doubled and (head + begin + end + rest).count(end[0]) % 2 == 1:
        return True
    whole = end == rest
    if whole and (end in _TERMINATORS or _WORD.search(end)):
        return True
    if end[-1].isalnum() and rest[len(end) : len(end) + 1].isalnum():
        return False
    words = _WORD.findall(end)
    in_list = end.strip()[:1] in ",.([" or end.strip()[-1:] == ","  # where the same may come twice
    return len(words) >= 2 or (len(words) == 1 and not in_list and len(end) >= 4)


def _closes_something_of(begin: str, end: str) -> bool:
    """Whether a bracket that `begin` opens is closed in `end`."""
    open_ones: list[str] = []
    for character in begin:
        if character in _PAIRS.values():
            open_ones.append(character)
        elif character in _PAIRS and open_ones:
            open_ones.pop()
    inner = 0
    for character in end:
        if character in _PAIRS.values():
            inner += 1
        elif character in _PAIRS:
            if inner == 0 and open_ones:
                return True
            inner = max(inner - 1, 0)
    return False
