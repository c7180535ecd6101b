"""No text that breaks what parsed before."""

from __future__ import annotations

from tree_sitter import Node, Parser, Tree

from dg_lsp.completion.filters.place import Place
from dg_lsp.positions import with_newlines
from dg_lsp.syntax.alone import blocks_around
from dg_lsp.syntax.languages import grammar
from dg_lsp.syntax.parser import reparsed, source_of
from dg_lsp.syntax.tree import parse

MAX_BYTES = 512 * 1024
"""Longer documents are not judged: the first answer would wait too long for their tree."""

_MAX_S = 0.05
PLAIN_NAME = "x"


def syntax_gate(text: str, place: Place) -> str:
    """The text, or nothing if it adds errors to the document.

    The errors before are those of the document as it stands, so that a line that is broken while it is being typed
    may stay so; or those with a plain name in the hole, if they are fewer, for then the hole alone was the fault. In
    a document with errors of its own, which move about, the block around the hole is judged alone, or, where that is
    not in order either, there must be more errors around the text as well. What cannot be parsed, or not within the
    time limit, passes.
    """
    before, after = parse_before(place), parse_with(text, place)
    if before is None or after is None or not after.root_node.has_error:
        return text
    if before.root_node.has_error and (sound := _is_sound_alone(text, place)) is not None:
        return text if sound else ""
    named = parse_with(PLAIN_NAME, place) or before
    old = min(_errors(before.root_node), _errors(named.root_node), key=len)
    new = _errors(after.root_node)
    if len(new) <= len(old):
        return text
    first, last = rows_of_hole(place)
    near_old = _between(old, first, last)
    near_new = _between(new, first, first + text.count("\n"))
    return "" if not old or near_new > near_old else text


def _is_sound_alone(text: str, place: Place) -> bool | None:
    """Whether the text fits the block around its hole; None where none is in order with a plain name in the hole."""
    snapshot, hole, language = place.snapshot, place.hole, grammar(place.language)
    for start, end in blocks_around(snapshot, snapshot.line_at(hole.start)):
        if language and hole.end <= end:
            head, tail = snapshot.text[start : hole.start] + place.typed, snapshot.text[hole.end : end]
            blocks = (with_newlines(f"{head}{middle}{tail}\n") for middle in (PLAIN_NAME, text))
            named, filled = (Parser(language).parse(block.encode("utf-8", "replace")) for block in blocks)
            if not named.root_node.has_error:
                return not filled.root_node.has_error
    return None


def is_sound(text: str, place: Place) -> bool:
    """Whether the document with the text in its hole is known to have no error at all."""
    tree = parse_with(text, place)
    return tree is not None and not tree.root_node.has_error


def in_text(place: Place) -> bool:
    """Whether the hole lies in a string or a comment, as far as the grammar can tell."""
    tree = parse_before(place)
    if tree is None:
        return False
    byte = place.snapshot.byte_at(place.hole.start)
    node = tree.root_node.descendant_for_byte_range(byte, byte)
    return node is not None and ("string" in node.type or "comment" in node.type)


def parse_before(place: Place) -> Tree | None:
    """The tree of the document; None where none is made for filters."""
    return None if len(place.snapshot.utf8) > MAX_BYTES else parse(place.snapshot)


def parse_with(text: str, place: Place) -> Tree | None:
    """The tree of the document with the text in its hole; None without one, or when it takes too long."""
    if text not in place.trees:
        place.trees[text] = _parse_with(text, place)
    return place.trees[text]


def _parse_with(text: str, place: Place) -> Tree | None:
    snapshot, hole = place.snapshot, place.hole
    language, tree = grammar(place.language), parse_before(place)
    if language is None or tree is None:
        return None
    start, end = snapshot.byte_at(hole.start), snapshot.byte_at(hole.end)
    new = (place.typed + text).encode("utf-8", "replace")
    source = source_of(snapshot)
    merged = source[:start] + new + source[end:]
    return reparsed(tree, language, source, merged, (start, end, start + len(new)), _MAX_S)


def rows_of_hole(place: Place) -> tuple[int, int]:
    """The first and the last row of the hole."""
    return place.snapshot.line_at(place.hole.start), place.snapshot.line_at(place.hole.end)


def _between(errors: list[Node], first: int, last: int) -> int:
    """How many errors touch the rows from `first` to `last`, or one beside them."""
    return sum(node.start_point.row <= last + 1 and node.end_point.row >= first - 1 for node in errors)


def _errors(node: Node) -> list[Node]:
    """The error and missing nodes of a tree."""
    found, waiting = [], [node]
    while waiting:
        node = waiting.pop()
        if node.has_error:
            if node.is_error or node.is_missing:
                found.append(node)
            waiting += node.children
    return found
