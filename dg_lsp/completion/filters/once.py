"""Lines that say nothing new a second time: imports, the entries of a dictionary, assignments (U2)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from dg_lsp.completion.filters.place import Place
from dg_lsp.syntax.languages import PROSE

_IMPORT = re.compile(r"(?:import|from|use|using|require|package|#\s*include)\b.*[^\s({\[]$")
_HEADER = r"(?!(?:else|try|except|finally|default|lambda)\b)"
_KEY = r"(?:(?P<key>\"[^\"\\]+\"|'[^'\\]+')|[\w.-]+)"
_ENTRY = re.compile(rf"{_HEADER}{_KEY}\s*(?::(?!:)|=>)\s*\S.*[^\s({{\[]$|\w+\s*=[^=].*,$")
# Of names and literals alone: a call may do something each time.
_VALUE = r"[\w.\"'\[\]{},:/-]"
_ASSIGNMENT = re.compile(
    rf"(?:[A-Za-z]+\s+)*(?P<name>[\w.]+)\s*(?::[^=()]*)?:?=\s*(?P<value>{_VALUE}(?:{_VALUE}| )*);?$"
)
_ASKS = re.compile(r"\b(?:await|yield)\b")


def once(text: str, place: Place) -> str:
    """The text without first lines of that kind that stand nearby, and up to the next such line.

    Imports and entries are looked for among the lines as deep around the hole, assignments right beside it.
    """
    if place.language in PROSE:
        return text
    lines = text.split("\n")
    whole = [place.head + lines[0], *lines[1:]]
    whole[-1] += place.rest
    repeats = [_is_repeat(line, [*place.above, *whole[:at]], place) for at, line in enumerate(whole)]
    first = repeats.index(False) if False in repeats else len(lines)
    if first and not place.at_line_start:
        return ""
    cut = repeats.index(True, first) if True in repeats[first:] else len(lines)
    kept = "\n".join(lines[first:cut]).rstrip() if cut < len(lines) else "\n".join(lines[first:])
    return kept if not first else kept.lstrip() if place.head else kept.lstrip("\n")


def _is_repeat(line: str, above: list[str], place: Place) -> bool:
    """Whether a line stands nearby already."""
    said = line.strip()
    if _IMPORT.match(said) or _ENTRY.match(said):
        depth = place.columns(line)
        near = (*_as_deep(reversed(above), depth, place), *_as_deep(place.below, depth, place))
        return any(_meant(said) == _meant(other) for other in near)
    assigned = _ASSIGNMENT.match(said)
    if assigned is None or assigned["name"] in assigned["value"] or _ASKS.search(said):
        return False
    beside = (*above[-1:], *place.below[:1])
    return any(said == other.strip() and place.columns(line) == place.columns(other) for other in beside)


def _as_deep(lines: Iterable[str], depth: int, place: Place) -> Iterator[str]:
    """The lines of that depth, nearest first, up to the end of their block."""
    for line in lines:
        columns = place.columns(line)
        if columns < depth:
            return
        if columns == depth:
            yield line.strip()


def _meant(line: str) -> str:
    """The key of an entry that has one in quotes; of another line all but the comma."""
    entry = _ENTRY.match(line)
    return entry["key"] if entry and entry["key"] else line.rstrip(",;")
