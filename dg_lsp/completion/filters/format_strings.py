"""What Python before 3.12 takes between the braces of a format string: not its own quotes, no backslash, no comment.

Other quotes mean the same to every Python, so they are preferred. A project that names 3.12 or newer gets all of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from dg_lsp.completion.filters.place import Place
from dg_lsp.context.python_version import oldest_python
from dg_lsp.uris import file_path

_FREE_SINCE = 12
_MOST = 20
"""Strings of an answer that get other quotes."""

_OPENING = re.compile(r"#[^\n]*|\"{3}|'{3}|[\"']")
_CONTENT = {
    '"': re.compile(r"(?:\\.|[^\"\\\n])*", re.DOTALL),
    "'": re.compile(r"(?:\\.|[^'\\\n])*", re.DOTALL),
    '"""': re.compile(r"(?:\\.|(?!\"{3})[^\\])*", re.DOTALL),
    "'''": re.compile(r"(?:\\.|(?!'{3})[^\\])*", re.DOTALL),
}
_PLAIN = {quote: re.compile(rf"{quote}(?!{quote})[^\"'\\\n]*{quote}(?!{quote})") for quote in "\"'"}
_OTHER = {'"': "'", "'": '"'}
_FORMAT = re.compile(r"\b(?:[fF][rR]?|[rR][fF])[\"']")


def other_quotes(text: str, place: Place) -> str:
    """The text where a string between the braces of a format string has other quotes than that one."""
    changed = text
    for _ in range(_MOST):
        fault = next(_faults(changed, place), None)
        if fault is None:
            return changed
        plain = _PLAIN.get(changed[fault : fault + 1])
        found = plain.match(changed, fault) if plain else None
        if found is None:
            return text
        quote = _OTHER[changed[fault]]
        changed = f"{changed[:fault]}{quote}{found[0][1:-1]}{quote}{changed[found.end() :]}"
    return text


def format_strings(text: str, place: Place) -> str:
    """The text, or nothing where a Python of the project takes it for a fault."""
    return "" if next(_faults(text, place), None) is not None else text


def _faults(text: str, place: Place) -> Iterator[int]:
    """Where in the text an older Python of the project stumbles over a format string."""
    # The top of a long document is out of sight, so it may be within a string.
    before = place.head if place.cut_above else place.prefix
    if place.language != "python" or not _FORMAT.search(before + text):
        return
    first, last = len(before), len(before) + len(text)
    for fault in _faults_in(before + text + place.suffix, _begun(before), first, last):
        path = file_path(place.snapshot.uri)
        if path and (oldest_python(path) or 0) >= _FREE_SINCE:
            return
        if first <= fault < last:  # others are the user's own, who has a newer one then
            yield fault - first


@lru_cache(maxsize=4)
def _begun(before: str) -> int:
    """Where the string or comment begins that a text ends in; its end when it ends in none."""
    at = begin = 0
    while at < len(before) and (opening := _OPENING.search(before, at)):
        end, closed = _content(before, opening, len(before))
        begin, at = opening.start(), end + len(opening[0]) * closed
        if at == len(before) and not closed:
            return begin
    return len(before)


def _faults_in(source: str, at: int, first: int, last: int) -> Iterator[int]:
    """The first fault of each format string, as an older Python reads them from `at` on, that touches the range."""
    while (opening := _OPENING.search(source, at)) and opening.start() < last:
        end, closed = _content(source, opening, len(source))
        at = end + len(opening[0]) * closed
        if at > first and _is_format(source, opening):
            fault = _fault_between(source, opening.end(), end, closed)
            if fault is not None:
                yield fault


def _is_format(source: str, opening: re.Match[str]) -> bool:
    """Whether a string has the letter of a format string before its quotes."""
    before = re.split(r"\W", source[max(opening.start() - 3, 0) : opening.start()])[-1]
    return opening[0][0] != "#" and len(before) <= 2 and "f" in before.lower()


def _content(source: str, opening: re.Match[str], limit: int) -> tuple[int, bool]:
    """Where the content of a string or a comment ends, and whether the string is closed there."""
    content = _CONTENT.get(opening[0])
    if content is None:  # a comment
        return opening.end(), False
    found = content.match(source, opening.end(), limit)
    end = found.end() if found else opening.end()
    return end, source.startswith(opening[0], end, limit)


def _fault_between(source: str, at: int, end: int, closed: bool) -> int | None:
    """The first fault of a format string with the content `source[at:end]`; its end, where that is between braces."""
    while (at := source.find("{", at, end)) >= 0:
        if source.startswith("{{", at):
            at += 2
            continue
        behind, fault = _behind_braces(source, at + 1, end)
        if behind is None:
            return end if fault is None and closed else fault
        at = behind
    return None


def _behind_string(source: str, opening: re.Match[str], end: int) -> tuple[int, int | None]:
    """Where a string within the braces ends, beyond `end` when it does not; and its first fault."""
    inner, closed = _content(source, opening, end)
    if not closed:
        return end + 1, None
    backslash = source.find("\\", opening.end(), inner)
    if backslash >= 0:
        return inner, backslash
    fault = _fault_between(source, opening.end(), inner, closed=True) if _is_format(source, opening) else None
    return inner + len(opening[0]), fault


def _behind_braces(source: str, at: int, end: int) -> tuple[int | None, int | None]:
    """Where what follows braces begins, of which the first was opened before `at`; or None, and the fault if any."""
    around = ["{"]  # "{" for an expression, ":" for the format behind it, "(" for a bracket within an expression
    while at < end:
        character, within = source[at], around[-1]
        if character == "}" and within != "(":
            del around[-2 if within == ":" else -1 :]
            if not around:
                return at + 1, None
        elif within == ":":
            around += ["{"] if character == "{" else []
        elif character in "\\#":
            return None, at
        elif character in ")]}" and within == "(":
            around.pop()
        elif character in "([{":
            around.append("(")
        elif character == ":" and within == "{":
            around.append(":")
        elif opening := _OPENING.match(source, at, end):
            at, fault = _behind_string(source, opening, end)
            if fault is not None or at > end:
                return None, fault
            continue
        at += 1
    return None, None
