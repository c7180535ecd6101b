"""What Python refuses although the grammar here takes it: blocks without a body, `try` alone, a name's missing end."""

from __future__ import annotations

from tree_sitter import Node

from dg_lsp.completion.filters.place import Place, opens_python_block
from dg_lsp.completion.filters.syntax_gate import PLAIN_NAME, parse_before, parse_with, rows_of_hole

_HANDLERS = {"except_clause", "except_group_clause", "finally_clause"}


def python_gate(text: str, place: Place) -> str:
    """The text, or nothing if it leaves such a lapse where the document had none, or a plain name would leave none."""
    header = place.hole.single_line and opens_python_block(place.head + text, "python")
    if place.language != "python" or header:  # the user is about to type its body
        return text
    before, after = parse_before(place), parse_with(text, place)
    if before is None or after is None:
        return text
    first, last = rows_of_hole(place)
    left = _lapses(after.root_node, first, first + text.count("\n"))
    if not left or (left <= _lapses(before.root_node, first, last) and _needs_more(place, left)):
        return text
    return ""


def _needs_more(place: Place, left: int) -> bool:
    """Whether a plain name in the hole would not do either: the line is still being typed."""
    first, _ = rows_of_hole(place)
    named = parse_with(PLAIN_NAME, place)
    return named is None or left <= _lapses(named.root_node, first, first)


def _lapses(root: Node, first: int, last: int) -> int:
    """How many lapses there are among the nodes that touch the rows from `first` to `last`."""
    count, waiting = 0, [root]
    while waiting:
        node = waiting.pop()
        if node.start_point.row <= last + 1 and node.end_point.row >= first - 1:
            count += _is_lapse(node)
            waiting += node.children
    return count


def _is_lapse(node: Node) -> bool:
    if node.type == "block":
        return not node.children
    if node.type == "try_statement":
        return not any(child.type in _HANDLERS for child in node.children)
    if node.type == "attribute":  # "self." takes the name from the next line
        *_, dot, name = node.children
        return dot.start_point.row < name.start_point.row
    return False
