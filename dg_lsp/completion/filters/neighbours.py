"""Whole lines that stand above or below the hole already (U2)."""

from __future__ import annotations

from dg_lsp.completion.filters.place import Place, is_distinctive
from dg_lsp.completion.filters.syntax_gate import is_sound


def lines_above(text: str, place: Place) -> str:
    """The text without first lines that repeat the lines above."""
    if not place.at_line_start and "\n" not in text:
        return "" if _same([place.head + text], place.above[-1:], place) else text
    if not place.at_line_start:
        return text
    lines = text.split("\n")
    for count in range(min(len(lines), len(place.above)), 0, -1):
        own = [place.head + lines[0], *lines[1:count]]
        if _same(own, place.above[-count:], place):
            left = "\n".join(lines[count:])
            return left.lstrip() if place.head else left.lstrip("\n")
    return text


def lines_below(text: str, place: Place) -> str:
    """The text up to the line from which on it repeats the lines below; a last one may be cut short."""
    if place.rest.strip() or not place.below:
        return text
    lines = text.split("\n")
    whole = [place.head + lines[0], *lines[1:]]
    numbers = [number for number, line in enumerate(whole) if line.strip()]
    for at, first in enumerate(numbers):
        tail = [whole[number] for number in numbers[at : at + len(place.below) + 2]]
        same = _same_below(tail, place)
        if not same or not _reaches_end(tail, same, place):
            continue
        shorter = "\n".join(lines[:first]).rstrip()
        if same >= 3 or any(is_distinctive(line) for line in tail[:same]):
            return shorter
        if shorter and is_sound(shorter, place) and not is_sound(text, place):
            return shorter  # a closing tag, say: a line too short to be sure, but the grammar is
    return text


def _same_below(tail: list[str], place: Place) -> int:
    """How many lines are those below the hole, from its first on."""
    same = 0
    while same < min(len(tail), len(place.below)) and _equal(tail[same], place.below[same], place):
        same += 1
    return same


def _reaches_end(tail: list[str], same: int, place: Place) -> bool:
    """Whether the repeat goes to the end, but for a line cut short, or is too long for a chance."""
    if same >= 3 or same == len(tail):
        return True
    last = tail[same].strip()
    return same == len(tail) - 1 and same < len(place.below) and place.below[same].strip().startswith(last)


def _same(own: list[str], others: list[str], place: Place) -> bool:
    return (
        len(own) == len(others)
        and all(_equal(a, b, place) for a, b in zip(own, others, strict=True))
        and any(is_distinctive(line) for line in own)
    )


def _equal(a: str, b: str, place: Place) -> bool:
    return a.strip() == b.strip() and place.columns(a) == place.columns(b)
