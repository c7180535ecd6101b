"""Loops of a model: the same lines, or the same tokens, again and again."""

from __future__ import annotations

import re

from dg_lsp.completion.filters.place import Place

_TIMES = 3
_LONGEST_BLOCK = 4
# Five times the same up to 40 characters, with letters in it.
_TOKEN_LOOP = re.compile(r"(?=[^\n]{0,38}[^\W\d_]{2})([^\n]{2,40}?)\1{4,}")


def repetition(text: str, place: Place) -> str:
    """The text up to the second time of what comes three times in a row, or of a piece that comes five times."""
    lines = text.split("\n")
    for size in range(1, _LONGEST_BLOCK + 1):
        for start in range(len(lines) - _TIMES * size + 1):
            block = [line.strip() for line in lines[start : start + size]]
            if _says_something(block) and all(
                [line.strip() for line in lines[start + size * turn : start + size * (turn + 1)]] == block
                for turn in range(1, _TIMES)
            ):
                return "\n".join(lines[: start + size])
    if (loop := _TOKEN_LOOP.search(text)) and re.search(r"[^\W\d_]{2}", loop.group(1)):
        return text[: loop.end(1)].rstrip(" \t,")
    return text


def _says_something(block: list[str]) -> bool:
    return all(block) and any(len(line) >= 4 and re.search(r"[^\W\d_]", line) for line in block)
