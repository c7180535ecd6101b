"""Candidates copied from the file: what followed earlier occurrences of the text before the cursor."""

from __future__ import annotations

import re
from collections.abc import Iterator

CONTEXT_LENGTHS = (
    40,
    30,
    24,
    20,
    16,
    12,
    10,
    8,
    6,
    5,
    4,
    3,
    2,
)  # characters before the cursor to look for, longest first
MATCHES = 3  # occurrences looked at per length, the nearest first
LONGEST = 200  # characters of a copy


def copies(before: str, suffix: str, sources: list[str], *, whole_lines: bool = False, limit: int = 16) -> list[str]:
    """Up to `limit` distinct copies, from the longest match down, each one line at most.

    `before` is the text before the cursor, itself the first source; `sources` are further texts (the
    suffix, related files). With `whole_lines` a copy goes to the end of its line.
    """
    found: dict[str, None] = {}
    for text in _continuations(before, sources):
        for cut in cuts(text, suffix)[: 1 if whole_lines else None]:
            found.setdefault(cut)
            if len(found) >= limit:
                return list(found)
    return list(found)


def cuts(text: str, suffix: str) -> list[str]:
    """Where a one-line continuation may end: before what follows the cursor, at a word's end, at the line's end."""
    line = text.split("\n", 1)[0].rstrip()
    tail = suffix.split("\n", 1)[0]
    ends = [line]
    if head := tail.strip():
        for key in (head[:3], head[:1]):
            at = line.find(key)
            if at > 0:
                ends.append(line[:at])
        if word := re.match(r"\W?\w+", line):
            ends.append(word[0])
    elif word := re.match(r"\w+", line):
        ends.append(word[0])
    return [end for end in dict.fromkeys(ends) if end.strip() and end != head]


def _continuations(before: str, sources: list[str]) -> Iterator[str]:
    """What followed each match, longest matches first."""
    for length in CONTEXT_LENGTHS:
        key = before[-length:]
        if len(key) < length or not key.strip():
            continue
        for source in (before[:-1], *sources):
            at = len(source)
            for _ in range(MATCHES):
                at = source.rfind(key, 0, at)
                if at < 0:
                    break
                yield source[at + length : at + length + LONGEST]
