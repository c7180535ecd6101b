"""The bodies of Python functions, which no brackets enclose: where one belongs, and whether it is begun."""

from __future__ import annotations

from tree_sitter import Node

from dg_lsp.documents import Snapshot
from dg_lsp.syntax.stubs import TODO

Span = tuple[int, int]


def head_end(function: Node, body: Node) -> int:
    """The byte behind the colon of a Python function."""
    return next((child.end_byte for child in function.children if child.type == ":"), body.start_byte)


def is_half_typed(function: Node, body: Node) -> bool:
    """Whether a Python function holds what does not parse, which the tree leaves beside its body."""
    end = head_end(function, body)
    return any(child.is_error and child.start_byte >= end for child in function.children)


def begun_code(snapshot: Snapshot, header_end: int, function_start: int) -> int | None:
    """Where the code of a body begins that the tree shows without any, because of an error (arguments in bytes)."""
    start = snapshot.offset_of_byte(header_end)
    header = snapshot.line_at(start)
    indent = _indent(snapshot.line_text(snapshot.line_at(snapshot.offset_of_byte(function_start))))
    rest = snapshot.text[start : snapshot.line_end(header)]
    if not blank_or_comment(rest):
        return start + _indent(rest)
    lines = ((line, snapshot.line_text(line)) for line in range(header + 1, snapshot.line_count))
    line, text = next(((line, text) for line, text in lines if not blank_or_comment(text)), (0, ""))
    return snapshot.line_start(line) + _indent(text) if _indent(text) > indent else None


def space_for_body(snapshot: Snapshot, header_end: int, function_start: int) -> Span:
    """Where the statements of a Python function without any belong (arguments in bytes).

    That is its TODO comments, else the first indented blank line, else the end of what stands there.
    The lines are read here because the tree leaves comments of a function without statements outside it.
    """
    header = snapshot.line_at(snapshot.offset_of_byte(header_end))
    indent = _indent(snapshot.line_text(snapshot.line_at(snapshot.offset_of_byte(function_start))))
    end = snapshot.line_end(header)
    todos: list[int] = []
    blank: int | None = None
    for line in range(header + 1, snapshot.line_count):
        text = snapshot.line_text(line)
        if not blank_or_comment(text) or (text.strip() and _indent(text) <= indent):
            break
        if TODO.search(text):
            todos.append(line)
        if text.strip():
            end = snapshot.line_end(line)
        elif blank is None and _indent(text) > indent:
            blank = line
    if todos:
        first = snapshot.line_start(todos[0]) + _indent(snapshot.line_text(todos[0]))
        return first, snapshot.line_end(todos[-1])
    if blank is not None:
        return snapshot.line_end(blank), snapshot.line_end(blank)
    return end, end


def blank_or_comment(line: str) -> bool:
    """Whether a line holds no code."""
    return not line.strip() or line.lstrip().startswith("#")


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
