"""Whole lines that stand above or below the hole already (U2)."""

from __future__ import annotations

from dg_lsp.completion.filters.place import Place, is_distinctive


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
    for first in range(len(lines)):
        if not whole[first].strip():
            continue
        tail = [line for line in whole[first:] if line.strip()]
        if _goes_on_below(tail, place):
            return "\n".join(lines[:first]).rstrip()
    return text


def _goes_on_below(tail: list[str], place: Place) -> bool:
    """Whether lines are those below the hole, from its first to the end of either."""
    same = 0
    while same < min(len(tail), len(place.below)) and _equal(tail[same], place.below[same], place):
        same += 1
    if not same or not (same >= 3 or any(is_distinctive(line) for line in tail[:same])):
        return False
    if same >= 3 or same == len(tail):
        return True
    left = tail[same:]
    return len(left) == 1 and same < len(place.below) and place.below[same].strip().startswith(left[0].strip())


def _same(own: list[str], others: list[str], place: Place) -> bool:
    return (
        len(own) == len(others)
        and all(_equal(a, b, place) for a, b in zip(own, others, strict=True))
        and any(is_distinctive(line) for line in own)
    )


def _equal(a: str, b: str, place: Place) -> bool:
    return a.strip() == b.strip() and place.columns(a) == place.columns(b)
