"""Indentation as the document has it (U3)."""

from __future__ import annotations

import re

from dg_lsp.completion.filters.brackets import open_brackets
from dg_lsp.completion.filters.place import Place, in_string, lead_of, opens_block, starts_with_closer
from dg_lsp.completion.filters.syntax_gate import in_text

# Lines that stand further left than the code above them by right.
_STANDS_LEFT = re.compile(
    r"\s*(?:else|elif|except|finally|case|default|catch|public|private|protected|#|@|\w+:$|\*/|\"{3}|'{3})"
)


def indentation(text: str, place: Place) -> str:
    """The text in the document's tabs or spaces, its first line going on from the cursor, the others below it."""
    if place.at_line_start:
        text = _from_the_cursor(text, place)
    first, *others = text.split("\n")
    if place.tabs is not None:
        own_unit = _unit_of(others)
        others = [_in_style(line, own_unit, place) for line in others]
        if place.at_line_start:
            first = _in_style(first, own_unit, place)
    if others and _is_relative(first, others, place):
        base = lead_of(place.head + first)
        others = [base + line if line.strip() else line for line in others]
    elif others and _is_too_deep(first, others[0], place):
        surplus = lead_of(others[0])[len(lead_of(place.head + first)) :]
        others = [line.replace(surplus, "", 1) if lead_of(line).startswith(surplus) else line for line in others]
    return "\n".join([first, *others])


def _from_the_cursor(text: str, place: Place) -> str:
    """Without blank lines at the start, the indentation that stands before the cursor already, and what is too deep."""
    text = text[text.rfind("\n", 0, len(text) - len(text.lstrip())) + 1 :]
    above = place.above[-1].rstrip() if place.above else ""
    if place.language == "python" and not place.head and in_string(above):
        return text  # the end of a long string may stand at the margin
    if place.columns(place.head) >= place.expected_depth:
        return text.lstrip(" \t")
    return _no_deeper_than(above, text, place) if place.language == "python" else text


def _no_deeper_than(above: str, text: str, place: Place) -> str:
    """Without what the text is deeper than Python takes, where the line above is a whole statement or header."""
    lead, surplus = lead_of(text), place.columns(place.head + lead_of(text)) - place.expected_depth
    begun = above.lstrip().startswith("#") or starts_with_closer(above) or above.endswith("\\")
    if surplus <= 0 or not lead.endswith(" " * surplus) or begun or open_brackets(above, "python") or in_text(place):
        return text
    return "\n".join(line.removeprefix(" " * surplus) for line in text.split("\n"))


def _unit_of(lines: list[str]) -> int:
    """What a text in spaces means by one level."""
    widths = [len(lead_of(line)) for line in lines if line.startswith("  ") and line.strip()]
    return next((unit for unit in (4, 2, 3) if not any(width % unit for width in widths)), 4)


def _in_style(line: str, own_unit: int, place: Place) -> str:
    lead = lead_of(line)
    if place.tabs and len(lead) > 1 and "\t" not in lead:
        return "\t" * round(len(lead) / own_unit) + line[len(lead) :]
    if place.tabs is False and "\t" in lead:
        return " " * place.columns(lead) + line[len(lead) :]
    if place.tabs and " \t" in lead:  # spaces before a tab are seen by nobody, and by Python as an error
        return "\t" * (place.columns(lead) // place.unit) + line[len(lead) :]
    return line


def _is_relative(first: str, others: list[str], place: Place) -> bool:
    """Whether the lines below the first are written as if the first stood at the margin.

    That is so when the line below one that opens a block is not deeper, and when the second line is at the margin
    although nothing was closed or left.
    """
    begun = place.head + first
    base = place.columns(begun)
    if not base or _ends_something(first) or not others[0].strip() or starts_with_closer(others[0]):
        return False
    second = place.columns(others[0])
    wrong = second <= base if opens_block(begun, place.language) else place.at_line_start and second == 0
    return wrong and not _STANDS_LEFT.match(others[0]) and not in_text(place)


def _is_too_deep(first: str, second: str, place: Place) -> bool:
    """Whether a second line is deeper though the first opened nothing; to Python an error."""
    begun = place.head + first
    if place.language != "python" or not place.at_line_start or not second.strip():
        return False
    if not lead_of(second).startswith(lead_of(begun)) or len(lead_of(second)) == len(lead_of(begun)):
        return False
    if opens_block(begun, "python") or begun.rstrip().endswith("\\") or in_string(first):
        return False
    return not open_brackets(place.prefix + first, "python") and not in_text(place)


def _ends_something(line: str) -> bool:
    """Whether a line ends, or begins, what runs over several: a string, a comment, an argument list."""
    return (
        any(line.count(quotes) % 2 for quotes in ('"""', "'''", "`"))
        or line.count(")") > line.count("(")
        or line.count("*/") > line.count("/*")
    )
