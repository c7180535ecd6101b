"""Syntax trees, parsed when first asked for and kept as long as their snapshot lives."""

from __future__ import annotations

import re
import time
from weakref import WeakKeyDictionary

from tree_sitter import Language, Node, Parser, QueryCursor, Tree

from dg_lsp.documents import Snapshot
from dg_lsp.syntax.languages import grammar, query

MAX_PARSE_BYTES = 2 * 1024 * 1024
"""Longer texts are not parsed: tree-sitter holds the interpreter lock, about 0.3 s for this much."""

MAX_PARSE_S = 0.5
"""Parsing that takes longer is given up, for the same reason."""

# The time of a query grows with the square of what stands side by side in an error, and cannot be limited:
# tree-sitter 0.26.1 crashes when a query is given a progress callback.
_MAX_IN_ERROR = 5000

_LINES_AROUND = 20
_CHUNK = 64 * 1024
_LONE_CR = re.compile(rb"\r(?!\n)")

_parsed: WeakKeyDictionary[Snapshot, Tree | str] = WeakKeyDictionary()

Captures = dict[str, list[Node]]

_found: WeakKeyDictionary[Snapshot, tuple[tuple[int, int], list[Captures]]] = WeakKeyDictionary()


def parse(snapshot: Snapshot) -> Tree | None:
    """The syntax tree of a snapshot; None where `why_no_tree` says so."""
    parsed = _tree_or_reason(snapshot)
    return None if isinstance(parsed, str) else parsed


def why_no_tree(snapshot: Snapshot) -> str | None:
    """Why a snapshot has no syntax tree, in one line; None when it has one."""
    parsed = _tree_or_reason(snapshot)
    return parsed if isinstance(parsed, str) else None


def matches(snapshot: Snapshot, start: int, end: int) -> list[Captures]:
    """What the query of the language finds in a range of characters; nothing without a tree.

    The last answer is kept, for who asks for one thing asks for the next in the same range.
    """
    last = _found.get(snapshot)
    if last is None or last[0] != (start, end):
        last = _found[snapshot] = (start, end), _matches(snapshot, start, end)
    return last[1]


def _matches(snapshot: Snapshot, start: int, end: int) -> list[Captures]:
    tree, wanted = parse(snapshot), query(snapshot.language_id)
    if tree is None or wanted is None:
        return []
    cursor = QueryCursor(wanted)
    cursor.set_byte_range(snapshot.byte_at(start), snapshot.byte_at(end) + 1)
    return [captures for _, captures in cursor.matches(tree.root_node)]


def captured(snapshot: Snapshot, name: str, start: int, end: int) -> list[Node]:
    """The nodes of one capture in a range of characters."""
    return [node for captures in matches(snapshot, start, end) for node in captures.get(name, ())]


def widened(snapshot: Snapshot, start: int, end: int) -> tuple[int, int]:
    """A range with some lines around it: comments in them may belong to what it touches."""
    first, last = snapshot.line_at(start) - _LINES_AROUND, snapshot.line_at(end) + _LINES_AROUND
    return snapshot.line_start(max(first, 0)), snapshot.line_end(min(last, snapshot.line_count - 1))


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
    """Whether what is typed at an offset goes into a comment or a docstring; False without a tree."""
    tree, byte = parse(snapshot), snapshot.byte_at(offset)
    node = tree.root_node.descendant_for_byte_range(max(byte - 1, 0), byte) if tree else None
    while node and not (is_comment(node) or _is_docstring(node)):
        node = node.parent
    if node is None or node.start_byte >= byte:
        return False
    open_ended = is_comment(node) and not text_of(node).endswith(("*/", "\n"))
    return byte < node.end_byte + open_ended


def _is_docstring(node: Node) -> bool:
    return node.type == "string" and node.parent is not None and node.parent.type == "expression_statement"


def _tree_or_reason(snapshot: Snapshot) -> Tree | str:
    parsed = _parsed.get(snapshot)
    if parsed is None:
        parsed = _parsed[snapshot] = _parse(snapshot)
    return parsed


def _parse(snapshot: Snapshot) -> Tree | str:
    language = grammar(snapshot.language_id)
    if language is None:
        return f"no grammar for {snapshot.language_id}"
    if len(snapshot.utf8) > MAX_PARSE_BYTES:
        size = len(snapshot.utf8) / 1024**2
        return f"the file is too large to parse ({size:.1f} MiB): files up to {MAX_PARSE_BYTES // 1024**2} MiB are"
    # The grammars do not take a lone "\r" for a line ending; "\n" is as long, so offsets hold.
    tree = _parse_in_time(language, _LONE_CR.sub(b"\n", snapshot.utf8))
    if tree is None:
        return f"the file takes longer than {MAX_PARSE_S:.1f} s to parse"
    if tree.root_node.has_error:
        errors = [node for node in (tree.root_node, *tree.root_node.children) if node.is_error]
        if any(node.child_count > _MAX_IN_ERROR for node in errors):
            return f"the file is no {snapshot.language_id} as a whole"
    return tree


def _parse_in_time(language: Language, source: bytes) -> Tree | None:
    """None when it takes longer than `MAX_PARSE_S`."""
    end = time.monotonic() + MAX_PARSE_S

    def read(byte: int, _: object) -> bytes:
        return source[byte : byte + _CHUNK]

    try:
        return Parser(language).parse(read, progress_callback=lambda *_: time.monotonic() > end)
    except ValueError:  # tree-sitter's word for a parse that was given up
        return None
