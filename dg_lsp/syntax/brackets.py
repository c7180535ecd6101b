"""Places found by the text alone, for languages without a grammar and texts that do not parse."""

from __future__ import annotations

import re

from dg_lsp.documents import Snapshot

Span = tuple[int, int]

_REACH = 4000
"""How many characters around the cursor are searched for brackets."""

_CLOSERS = {")": "(", "]": "[", "}": "{"}
# Behind a backslash a quote begins no string: so one without an end is looked through once on a line.
_QUOTED = re.compile(r"\"(?:[^\"\\\r\n]|\\[^\r\n])*\"|'(?:[^'\\\r\n]|\\[^\r\n])*'|\\[^\r\n]")
_CONDITION = re.compile(r"^[ \t}]*(?:else[ \t]+)?(?:if|elif|elsif|elseif|while|until|unless|for|foreach)\b[ \t]*(.*)$")
_BODY_BEGINS = re.compile(r"(?<![ \t])[ \t]*(?::[ \t]*|\{.*|\bthen\b.*|\bdo\b.*)?$")
_COMMENT_LINE = re.compile(r"[ \t]*(?:#|//|--|;|%|/\*|\*|<!--)")
_EMPTY_BODY = re.compile(r"\b(\w+)[ \t]*\([^(){};]*\)[^(){};=]*\{([ \t]*(?:(?:\r\n|\r|\n)[ \t]*)?)\}")
_NO_FUNCTION = ("if", "for", "foreach", "while", "switch", "catch", "using", "lock", "synchronized")


def inside_parentheses(snapshot: Snapshot, offset: int) -> Span | None:
    """The range between the innermost round brackets around an offset, behind a name, on few lines."""
    first = max(offset - _REACH, 0)
    text = without_strings(snapshot.text[first : offset + _REACH])
    start = _opener(text, offset - first)
    if start is None or not re.search(r"[\w>\])!][ \t]*\($", text[max(start - 80, 0) : start + 1]):
        return None
    end = _closer(text, start + 1)
    return None if end is None else (first + start + 1, first + end)


def condition_on_line(snapshot: Snapshot, offset: int) -> Span | None:
    """What stands between the keyword of a condition or loop and its body, on the line of an offset."""
    line = snapshot.line_at(offset)
    text, line_start = snapshot.line_text(line), snapshot.line_start(line)
    found = _CONDITION.match(text)
    if found is None:
        return None
    start, rest = found.start(1), found.group(1)
    if rest.startswith("("):
        end = _closer(without_strings(rest), 1)
        return None if end is None else (line_start + start + 1, line_start + start + end)
    body = _BODY_BEGINS.search(rest)
    end = start + (body.start() if body else len(rest))
    return line_start + start, line_start + end


def comment_line(text: str) -> bool:
    """Whether a line looks like a comment in one of many languages."""
    return _COMMENT_LINE.match(text) is not None


def empty_bodies(snapshot: Snapshot, start: int, end: int) -> list[tuple[str, Span]]:
    """Names and insides of the `name(…) { }` whose braces lie in a range."""
    found = _EMPTY_BODY.finditer(snapshot.text, start, end)
    return [(body.group(1), body.span(2)) for body in found if body.group(1) not in _NO_FUNCTION]


def without_strings(text: str) -> str:
    """The text with blanks for its strings of one line; the quote of one that is not closed stays."""
    return _QUOTED.sub(lambda found: found[0] if found[0][0] == "\\" else " " * len(found[0]), text)


def _opener(text: str, offset: int) -> int | None:
    """Where the round bracket around an offset opens."""
    depth = 0
    for at in range(offset - 1, -1, -1):
        if text[at] in _CLOSERS:
            depth += 1
        elif text[at] in "([{":
            if depth == 0:
                return at if text[at] == "(" else None
            depth -= 1
    return None


def _closer(text: str, start: int) -> int | None:
    """Where the round bracket that is open at `start` closes."""
    open_ = ["("]
    for at in range(start, len(text)):
        if text[at] in "([{":
            open_.append(text[at])
        elif text[at] in _CLOSERS:
            if open_.pop() != _CLOSERS[text[at]]:
                return None
            if not open_:
                return at
    return None
