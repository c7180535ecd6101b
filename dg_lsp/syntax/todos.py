"""The TODO comments of a document, each with the place below it."""

from __future__ import annotations

from collections.abc import Iterable

from tree_sitter import Node

from dg_lsp.documents import Snapshot
from dg_lsp.syntax.brackets import comment_line
from dg_lsp.syntax.stubs import TODO
from dg_lsp.syntax.tree import REACH, captured, parse, span, widened

NOT_SAID = "TODO"
"""What a comment is called that does not say what is wanted."""


def todo_places(snapshot: Snapshot, start: int, end: int) -> list[tuple[str, int]]:
    """What the TODO comments ask for that touch a range and have lines for themselves, and where they end.

    Comments on lines that follow each other are one.
    """
    first, last = widened(snapshot, start, end)
    if parse(snapshot):
        nodes = captured(snapshot, "comment", first, last)
        lines = {line for node in nodes for line in _comment_lines(snapshot, node)}
    else:
        around = range(snapshot.line_at(first), snapshot.line_at(last) + 1)
        lines = {line for line in around if comment_line(snapshot.line_text(line))}
    places = []
    for top in sorted(line for line in lines if line - 1 not in lines):
        bottom = top
        while bottom + 1 in lines:
            bottom += 1
        where = snapshot.line_start(top), snapshot.line_end(bottom)
        asked = TODO.search(snapshot.text, *where)
        if asked and where[0] <= end and where[1] >= start:
            label = snapshot.text[asked.end() : snapshot.line_end(snapshot.line_at(asked.end()))].strip(" \t:*/-")
            places.append((label or NOT_SAID, where[1]))
    return places


def _comment_lines(snapshot: Snapshot, node: Node) -> Iterable[int]:
    """The lines of a comment that has them for itself."""
    start, end = span(snapshot, node)
    end = start + len(snapshot.text[start:end].rstrip())
    first, last = snapshot.line_at(start), snapshot.line_at(end)
    before = snapshot.text[max(snapshot.line_start(first), start - REACH) : start]
    behind = snapshot.text[end : min(snapshot.line_end(last), end + REACH)]
    return () if before.strip() or behind.strip() else range(first, last + 1)
