"""The requests of somebody who types lines into a file of the standard library."""

from __future__ import annotations

import importlib.util
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["opened", "new line", "typing"]

MODULES = (
    "argparse",
    "ast",
    "configparser",
    "difflib",
    "inspect",
    "logging",
    "mailbox",
    "pathlib",
    "tarfile",
    "zipfile",
)
_ABOVE, _BELOW = 2_000, 400  # characters, about 500 and 100 tokens
_LINES = 5  # typed in a session
_STEP = 4  # characters between two requests on one line


@dataclass(frozen=True, slots=True)
class Request:
    """A cursor behind `head`, the typed part of its line; `above` and `below` are whole lines around that line.

    `kind` is "opened" for the first request in a file, "new line" for the first one on a later line.
    """

    kind: Kind
    above: str
    head: str
    below: str


def sessions(seed: int, count: int) -> list[list[Request]]:
    """The requests of `count` sessions, each in a file of its own."""
    source = random.Random(seed)
    return [list(session(_text(module), source)) for module in source.sample(MODULES, count)]


def session(text: str, source: random.Random) -> Iterator[Request]:
    """Type some lines of `text` again, at a random place with enough text above and below it."""
    lines = text.splitlines(keepends=True)
    first = _first_line(lines, source)
    below = _beginning("".join(lines[first + _LINES :]), _BELOW)
    start = len("".join(lines[:first])) - _ABOVE
    start = text.index("\n", start) + 1  # the file's beginning is cut off once, as a server's window would do
    kind: Kind = "opened"
    for number in range(first, first + _LINES):
        above, line = text[start : len("".join(lines[:number]))], lines[number].rstrip()
        indent = len(line) - len(line.lstrip())
        for end in range(indent, max(len(line), indent + 1), _STEP):
            yield Request(kind, above, line[:end], below)
            kind = "typing"
        kind = "new line"


def _first_line(lines: list[str], source: random.Random) -> int:
    """A line from which on `_LINES` lines hold code, with enough text above and below."""
    lengths = [len(line) for line in lines]
    found = [
        at
        for at in range(len(lines) - _LINES)
        if sum(lengths[:at]) > 2 * _ABOVE
        and sum(lengths[at + _LINES :]) > 2 * _BELOW
        and all(len(line.strip()) > 2 * _STEP and "#" not in line for line in lines[at : at + _LINES])
    ]
    return source.choice(found)


def _beginning(text: str, length: int) -> str:
    """The first whole lines of `text`, at least `length` characters."""
    return text[: text.index("\n", length) + 1]


def _text(module: str) -> str:
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).read_text("utf-8")
