"""What Python refuses although the grammar here takes it.

Blocks without a body, `try` alone, a name's missing end, and lines below that are deeper for no reason.
"""

from __future__ import annotations

from tree_sitter import Node

from dg_lsp.completion.filters.brackets import open_brackets
from dg_lsp.completion.filters.place import Place, in_string, opens_python_block
from dg_lsp.completion.filters.syntax_gate import PLAIN_NAME, in_text, parse_before, parse_with, rows_of_hole

_HANDLERS = {"except_clause", "except_group_clause", "finally_clause"}


def python_gate(text: str, place: Place) -> str:
    """The text, or nothing if it leaves such a lapse where the document had none, or a plain name would leave none."""
    header = place.in_a_line and opens_python_block(place.head + text, "python")
    if place.language != "python" or header:  # the user is about to type its body
        return text
    if _leaves_lines_hanging(text, place):
        return ""
    before, after = parse_before(place), parse_with(text, place)
    if before is None or after is None:
        return text
    first, last = rows_of_hole(place)
    while first > 0 and _blank_or_comment(place.snapshot.line_text(first - 1)):
        first -= 1  # to the header that these lines are no body for
    left = _lapses(after.root_node, first, rows_of_hole(place)[0] + text.count("\n"))
    if not left or (left <= _lapses(before.root_node, first, last) and _needs_more(place, left, first)):
        return text
    return ""


def _leaves_lines_hanging(text: str, place: Place) -> bool:
    """Whether the line below is deeper than the text's last one, which opens no block."""
    last = (place.head + text).rstrip().split("\n")[-1]
    if not (place.at_line_start and place.below) or place.rest.strip() or opens_python_block(last, "python"):
        return False
    if place.columns(place.below[0]) <= place.columns(last) or last.lstrip().startswith("#") or last.endswith("\\"):
        return False
    return not (in_string(text) or open_brackets(place.prefix + text, "python") or in_text(place))


def _blank_or_comment(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")


def _needs_more(place: Place, left: int, first: int) -> bool:
    """Whether a plain name in the hole would not do either: the line is still being typed."""
    named = parse_with(PLAIN_NAME, place)
    return named is None or left <= _lapses(named.root_node, first, rows_of_hole(place)[0])


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
