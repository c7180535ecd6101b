"""What syntax trees say; a tree is made when first asked for and kept as long as its snapshot lives."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from tree_sitter import Node, QueryCursor, Tree

from dg_lsp.documents import Snapshot
from dg_lsp.syntax.brackets import comment_line
from dg_lsp.syntax.languages import PROSE, query
from dg_lsp.syntax.parser import tree_or_reason

_LINES_AROUND = 20

REACH = 10_000
"""Characters beside a range that are looked at, at most: its neighbour may be a line of a megabyte."""

Captures = dict[str, list[Node]]

_found: WeakKeyDictionary[Snapshot, tuple[tuple[int, int], list[Captures]]] = WeakKeyDictionary()


def parse(snapshot: Snapshot) -> Tree | None:
    """The syntax tree of a snapshot; None where `why_no_tree` says so."""
    parsed = tree_or_reason(snapshot)
    return None if isinstance(parsed, str) else parsed


def why_no_tree(snapshot: Snapshot) -> str | None:
    """Why a snapshot has no syntax tree, in one line; None when it has one."""
    parsed = tree_or_reason(snapshot)
    return parsed if isinstance(parsed, str) else None


def matches(snapshot: Snapshot, start: int, end: int) -> list[Captures]:
    """What the query of the language finds in a range of characters; nothing without a tree.

    The last answer is kept, for who asks for one thing asks for the next in the same range.
    """
    tree = parse(snapshot)
    if tree is None:
        return []
    last = _found.get(snapshot)
    if last is None or last[0] != (start, end):
        last = _found[snapshot] = (start, end), matches_in(tree, snapshot, start, end)
    return last[1]


def matches_in(tree: Tree, snapshot: Snapshot, start: int, end: int) -> list[Captures]:
    """What the query finds in a tree of a snapshot that has a grammar, or of a part of it."""
    wanted = query(snapshot.language_id)
    assert wanted
    cursor = QueryCursor(wanted)
    cursor.set_byte_range(snapshot.byte_at(start), snapshot.byte_at(end) + 1)
    return [captures for _, captures in cursor.matches(tree.root_node)]


def captured(snapshot: Snapshot, name: str, start: int, end: int) -> list[Node]:
    """The nodes of one capture in a range of characters."""
    return [node for captures in matches(snapshot, start, end) for node in captures.get(name, ())]


def widened(snapshot: Snapshot, start: int, end: int) -> tuple[int, int]:
    """A range with some lines around it: comments in them may belong to what it touches."""
    first, last = snapshot.line_at(start) - _LINES_AROUND, snapshot.line_at(end) + _LINES_AROUND
    top, bottom = snapshot.line_start(max(first, 0)), snapshot.line_end(min(last, snapshot.line_count - 1))
    return max(top, start - REACH), min(bottom, end + REACH)


def span(snapshot: Snapshot, node: Node) -> tuple[int, int]:
    """The range of a node in characters."""
    return snapshot.offset_of_byte(node.start_byte), snapshot.offset_of_byte(node.end_byte)


def text_of(node: Node) -> str:
    """The text of a node."""
    return (node.text or b"").decode("utf-8", "replace")


def is_comment(node: Node) -> bool:
    """Whether a node is a comment, whatever its grammar calls it."""
    return "comment" in node.type


def in_comment(snapshot: Snapshot, offset: int) -> bool:
    """Whether what is typed at an offset goes into a comment or a docstring; without a tree, as the line looks."""
    tree, byte = parse(snapshot), snapshot.byte_at(offset)
    if tree is None:
        return snapshot.language_id not in PROSE and comment_line(
            snapshot.text[snapshot.line_start(snapshot.line_at(offset)) : offset]
        )
    node = tree.root_node.descendant_for_byte_range(max(byte - 1, 0), byte)
    while node and not (is_comment(node) or _is_docstring(node)):
        node = node.parent
    if node is None or node.start_byte >= byte:
        return False
    open_ended = is_comment(node) and not text_of(node).endswith(("*/", "\n"))
    return byte < node.end_byte + open_ended


def _is_docstring(node: Node) -> bool:
    return node.type == "string" and node.parent is not None and node.parent.type == "expression_statement"
