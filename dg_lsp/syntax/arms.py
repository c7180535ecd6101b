"""The arms of a switch or match that are still to be written."""

from __future__ import annotations

import re

from tree_sitter import Node

from dg_lsp.documents import Snapshot
from dg_lsp.syntax.stubs import statements, stub_range
from dg_lsp.syntax.tree import is_comment, span, text_of

Span = tuple[int, int]

_BLOCKS = ("block", "compound_statement", "statement_block")
_FALLS_THROUGH = ("javascript", "javascriptreact", "typescript", "typescriptreact", "c", "cpp", "java")
_WILDCARD = re.compile(r"default\b|(?:case\s+)?_\s*(?:=>|:)")
_ASKED_FOR = re.compile(r"TODO|FIXME|\b(?:todo|unimplemented)!")


def arm_range(snapshot: Snapshot, arm: Node) -> Span | None:
    """The range to fill in an arm that is empty or a stub; None when it is written, or empty on purpose.

    Written is also what does not parse yet. On purpose is an arm that falls through to the next one, one that only
    leaves the switch, one that returns nothing, and an empty `default` or `_`.
    """
    mark = next((child for child in arm.children if child.type in (":", "=>", "->")), None)
    if mark is None:  # Java keeps the colon beside its label
        return None
    after = [node for node in arm.children if node.start_byte >= mark.end_byte]
    loose = _loose_comments(arm)
    if _WILDCARD.match(text_of(arm)) and not any(_ASKED_FOR.search(text_of(node)) for node in after + loose):
        return None
    blocks = [node for node in after if node.type in _BLOCKS]
    if blocks and snapshot.language_id != "python":
        return _in_block(snapshot, blocks[0]) if len([n for n in after if n.is_named]) == 1 else None
    inner = [inner for node in after if node.is_named for inner in _flat(node)] + loose
    left = [node for node in inner if node.type != "break_statement"]
    if left:
        return None if any(map(_returns, left)) else stub_range(snapshot, left)
    below = arm.next_named_sibling
    follows = below is not None and (below.is_error or snapshot.language_id in _FALLS_THROUGH)  # or is begun
    if inner or follows:
        return None
    start = snapshot.offset_of_byte(mark.end_byte)
    return start, start


def _flat(node: Node) -> list[Node]:
    return statements(node) if node.type in ("block", "statement_list") else [node]


def _in_block(snapshot: Snapshot, block: Node) -> Span | None:
    inner = statements(block)
    if inner:
        return None if any(map(_returns, inner)) else stub_range(snapshot, inner)
    return snapshot.offset_of_byte(block.start_byte) + 1, snapshot.offset_of_byte(block.children[-1].start_byte)


def _returns(node: Node) -> bool:
    return text_of(node).startswith("return")


def _loose_comments(arm: Node) -> list[Node]:
    """The comments that the grammar leaves behind an arm, though they stand in it."""
    found: list[Node] = []
    node = arm.next_named_sibling
    while node is not None and is_comment(node):
        found.append(node)
        node = node.next_named_sibling
    return found


def arm_label(snapshot: Snapshot, arm: Node) -> str:
    """The first line of an arm up to its mark."""
    start, end = span(snapshot, arm)
    head = snapshot.text[start : min(end, snapshot.line_end(snapshot.line_at(start)))]
    return re.split(r"=>|->|:(?!:)", head)[0].removeprefix("case").strip()
