"""Brackets that fit those before and behind the hole (U2)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import accumulate, pairwise

from dg_lsp.completion.filters.place import Place
from dg_lsp.completion.filters.syntax_gate import is_sound

_DEEPEST = 200
"""Brackets in one another; nobody writes code so deep."""

_CLOSING = {")": "(", "]": "[", "}": "{"}
_BRACKET = r"[()\[\]{}]"
_DOUBLE = r'"(?:\\.|[^"\\\n])*"'
_SINGLE = r"'(?:\\.|[^'\\\n])*'"
_CHARACTER = r"'(?:\\[^'\n]{1,8}|[^'\\\n]|\\')'"
_BACKTICK = r"`(?:\\.|[^`\\])*`"
_C_COMMENT = r"//[^\n]*|/\*.*?(?:\*/|\Z)"
_PYTHON = rf"#[^\n]*|'''.*?(?:'''|\Z)|\"\"\".*?(?:\"\"\"|\Z)|{_DOUBLE}|{_SINGLE}"
_SCRIPT = rf"{_C_COMMENT}|{_DOUBLE}|{_SINGLE}|{_BACKTICK}"
_GO = rf"{_C_COMMENT}|{_DOUBLE}|{_CHARACTER}|`[^`]*`"
_C_LIKE = rf"{_C_COMMENT}|{_DOUBLE}|{_CHARACTER}"
_PATTERNS = {
    **dict.fromkeys(("javascript", "javascriptreact", "typescript", "typescriptreact"), _SCRIPT),
    **dict.fromkeys(("rust", "c", "cpp", "java"), _C_LIKE),
    "python": _PYTHON,
    "go": _GO,
}


def brackets(text: str, place: Place) -> str:
    """The text up to a bracket that closes what the suffix closes, or opens what nobody closes.

    Both are so only where it makes the document worse: a bracket that was missing may be added. The line of an
    opening bracket is left out whole, unless it is the first; there a "{" that ends the line may stay.
    """
    if not open_brackets(text, place.language):
        return text
    start, end = len(place.prefix), len(place.prefix) + len(text)
    stack: list[str] = []
    own: list[tuple[int, str]] = []
    behind: list[str] = []
    for at, bracket in _brackets(place.prefix + text + place.suffix, place.language):
        if at < start:
            _step(stack, bracket)
        elif at < end:
            own.append((at - start, bracket))
        else:
            _step(behind, bracket)
    closers = [bracket for bracket in behind if bracket in _CLOSING]
    if (not stack and place.language not in _PATTERNS) or min(len(stack), len(closers)) > _DEEPEST:
        return text  # prose, perhaps
    cut = _first_misfit(own, stack, closers, place)
    if cut is None or is_sound(text, place):  # the grammar knows better
        return text
    at, bracket = cut
    kept = text[:at]
    if bracket in _CLOSING:
        return kept.rstrip() if "\n" in text else kept
    if "\n" in kept:
        return kept[: kept.rfind("\n")].rstrip()
    if bracket == "{" and not text[at + 1 :].strip() and not place.rest.strip():
        return text
    return kept.rstrip()


def _first_misfit(
    own: list[tuple[int, str]], stack: list[str], closers: list[str], place: Place
) -> tuple[int, str] | None:
    """The bracket to cut at, for the longest text that leaves the document no worse; None when that is all of it."""
    states = [_mismatch(stack, closers, place)]
    inside, depths = stack.copy(), [len(stack)]
    for _, bracket in own:
        _step(inside, bracket)
        states.append(_mismatch(inside, closers, place))
        depths.append(len(inside))
    lowest = list(accumulate(depths, min))
    for at, (before, after) in enumerate(pairwise(states)):
        closes_others = own[at][1] in _CLOSING and depths[at] == lowest[at]
        if closes_others and before < after <= states[-1]:
            return own[at]  # a closer too many, though the text as a whole may leave less open than there was
    fitting = [at for at, state in enumerate(states) if state <= states[0]]
    return own[fitting[-1]] if fitting[-1] < len(own) else None


def _mismatch(stack: list[str], closers: list[str], place: Place) -> int:
    """How many open brackets and closers are left over, matched from the innermost on."""
    matched = 0
    for opener, closer in zip(reversed(stack), closers, strict=False):
        if opener != _CLOSING[closer]:  # also where a closer without its opener lies on the stack
            break
        matched += 1
    openers_left, closers_left = len(stack) - matched, len(closers) - matched
    if not closers_left and place.cut_below:
        return 0  # the rest is closed where we do not see it
    if not openers_left and place.cut_above:
        return 0
    return openers_left + closers_left


def open_brackets(text: str, language: str) -> list[str]:
    """The brackets that have no partner in a text, outside strings and comments."""
    stack: list[str] = []
    for _, bracket in _brackets(text, language):
        _step(stack, bracket)
    return stack


def closer_at(text: str, closer: str, language: str) -> int | None:
    """Where a text closes what was opened before it, by this bracket or quote; None when it does not."""
    if closer not in _CLOSING:
        return text.find(closer) if closer in text else None
    stack: list[str] = []
    for at, bracket in _brackets(text, language):
        if bracket in _CLOSING and not stack:
            return at if bracket == closer else None
        _step(stack, bracket)
    return None


def _step(stack: list[str], bracket: str) -> None:
    """Take a bracket: an opener or a closer without its opener stays on the stack."""
    if bracket in _CLOSING and stack and stack[-1] == _CLOSING[bracket]:
        stack.pop()
    else:
        stack.append(bracket)


def _brackets(text: str, language: str) -> Iterator[tuple[int, str]]:
    """The brackets outside strings and comments, with their places."""
    skipped = _PATTERNS.get(language, _DOUBLE)
    # A quote behind a backslash begins no string: so one without an end is looked through once on a line.
    for match in re.finditer(rf"{skipped}|\\.|({_BRACKET})", text, re.DOTALL):
        if match.group(1):
            yield match.start(), match.group(1)
