"""Syntax trees, parsed when first asked for and kept as long as their snapshot lives."""

from __future__ import annotations

import re
from weakref import WeakKeyDictionary

from tree_sitter import Parser, Tree

from dg_lsp.documents import Snapshot
from dg_lsp.syntax.languages import grammar

MAX_PARSE_BYTES = 2 * 1024 * 1024
"""Longer texts are not parsed: tree-sitter holds the interpreter lock, about 0.3 s for this much."""

_LONE_CR = re.compile(rb"\r(?!\n)")

_trees: WeakKeyDictionary[Snapshot, Tree] = WeakKeyDictionary()


def parse(snapshot: Snapshot) -> Tree | None:
    """The syntax tree of a snapshot; None for an unknown language or above `MAX_PARSE_BYTES`."""
    language = grammar(snapshot.language_id)
    if language is None or len(snapshot.utf8) > MAX_PARSE_BYTES:
        return None
    tree = _trees.get(snapshot)
    if tree is None:
        # The grammars do not take a lone "\r" for a line ending; "\n" is as long, so offsets hold.
        source = _LONE_CR.sub(b"\n", snapshot.utf8)
        tree = _trees[snapshot] = Parser(language).parse(source)
    return tree
