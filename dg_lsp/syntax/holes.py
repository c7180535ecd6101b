"""The places in a document that can be filled: the cursor, and functions without a real body."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, NamedTuple

from tree_sitter import Node, QueryCursor

from dg_lsp.documents import Snapshot
from dg_lsp.syntax.languages import functions_query
from dg_lsp.syntax.tree import parse

HoleKind = Literal["cursor", "function"]

_BLANKS = " \t\f\ufeff"
_TODO = re.compile(r"\b(?:TODO|FIXME)\b", re.IGNORECASE)

_NOT_YET = r"(?i:not[ _-]?(?:yet[ _-]?)?implemented|unimplemented|UnsupportedOperation|\bTODO\b|\bFIXME\b)"
_THROW = rf"throw\b.*{_NOT_YET}.*"
_ASSERT = rf"assert\s*\(.*{_NOT_YET}.*"
_SCRIPT = rf"{_THROW}|return(?:\s+(?:null|undefined))?"
_STUBS = {
    language: re.compile(pattern, re.DOTALL)
    for language, pattern in {
        "python": r"pass|\.\.\.|raise\s+NotImplementedError\b.*|return(?:\s+None)?",
        "javascript": _SCRIPT,
        "javascriptreact": _SCRIPT,
        "typescript": _SCRIPT,
        "typescriptreact": _SCRIPT,
        "rust": rf"(?:todo|unimplemented)!.*|panic!.*{_NOT_YET}.*|return",
        "go": rf"panic\(.*{_NOT_YET}.*|return(?:\s+nil)?|return\b.*(?:errors\.New|fmt\.Errorf)\(.*{_NOT_YET}.*",
        "c": rf"{_ASSERT}|return(?:\s+NULL)?",
        "cpp": rf"{_THROW}|{_ASSERT}|return(?:\s+(?:NULL|nullptr))?",
        "java": rf"{_THROW}|return(?:\s+null)?",
    }.items()
}
"""What a statement must be, without its semicolon, to count as a stub."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hole:
    """A place to fill: the middle replaces `text[start:end]` (character offsets) of its snapshot.

    `single_line` says that the middle must not hold a line ending.
    """

    kind: HoleKind
    start: int
    end: int
    label: str
    single_line: bool


class _Function(NamedTuple):
    """A function's extent in characters, to the end of its last line, and its hole if it is a stub."""

    start: int
    end: int
    hole: Hole | None


def cursor_hole(snapshot: Snapshot, offset: int) -> Hole:
    """The empty hole at a cursor; one line long unless the cursor stands on a blank line."""
    line = snapshot.line_at(offset)
    single_line = bool(snapshot.line_text(line).strip(_BLANKS))
    return Hole(kind="cursor", start=offset, end=offset, label="cursor", single_line=single_line)


def function_hole(snapshot: Snapshot, offset: int) -> Hole | None:
    """The stub of the innermost function around an offset; None when that function has a body.

    The whole line on which a function starts belongs to it.
    """
    line = snapshot.line_at(offset)
    first = line
    while first > 0 and _blank_or_comment(snapshot.line_text(first)):
        first -= 1  # the tree ends a Python function before these lines, though it may own them
    functions = _functions(snapshot, snapshot.line_start(first), snapshot.line_end(line))
    around = max((f for f in functions if f.start <= offset <= f.end), default=None, key=lambda f: f.start)
    if around and snapshot.line_at(around.start) == line:
        return around.hole
    ahead = min((f for f in functions if f.start > offset), default=None, key=lambda f: f.start)
    innermost = ahead or around
    return innermost.hole if innermost else None


def function_holes(snapshot: Snapshot) -> list[Hole]:
    """The stubs of all functions, in document order."""
    functions = _functions(snapshot, 0, len(snapshot.text))
    return sorted((f.hole for f in functions if f.hole), key=lambda hole: hole.start)


def _functions(snapshot: Snapshot, start: int, end: int) -> list[_Function]:
    """The functions that touch a range of characters."""
    tree, query = parse(snapshot), functions_query(snapshot.language_id)
    if tree is None or query is None:
        return []
    cursor = QueryCursor(query)
    cursor.set_byte_range(snapshot.byte_at(start), snapshot.byte_at(end) + 1)
    functions = []
    for _, captures in cursor.matches(tree.root_node):
        (node,), (name,), (body,) = captures["function"], captures["name"], captures["body"]
        hole = _stub(snapshot, node, name, body)
        last = snapshot.line_end(snapshot.line_at(snapshot.offset_of_byte(node.end_byte)))
        extent_end = max(last, hole.end) if hole else last
        functions.append(_Function(snapshot.offset_of_byte(node.start_byte), extent_end, hole))
    return functions


def _stub(snapshot: Snapshot, function: Node, name: Node, body: Node) -> Hole | None:
    """The hole of a function whose body is empty or a stub."""
    python = snapshot.language_id == "python"
    found: tuple[int, int] | None
    statements = _statements(body)
    docstring = statements.pop(0) if python and _is_docstring(statements) else None
    if python and all(_is_comment(node) for node in statements):
        header_end = docstring.end_byte if docstring else body.start_byte
        found = _python_space(snapshot, header_end, function.start_byte)
    elif statements:
        found = _stub_range(snapshot, statements)
    else:
        found = (snapshot.offset_of_byte(body.start_byte) + 1, snapshot.offset_of_byte(body.children[-1].start_byte))
    if found is None:
        return None
    start, end = found
    before = snapshot.text[snapshot.line_start(snapshot.line_at(start)) : start]
    single_line = python and start < end and bool(before.strip(_BLANKS))  # def f(): pass
    return Hole(kind="function", start=start, end=end, label=_text(name), single_line=single_line)


def _statements(body: Node) -> list[Node]:
    """The statements and comments of a body (Go keeps its statements in a list of their own)."""
    nodes: list[Node] = []
    for child in body.named_children:
        nodes += child.named_children if child.type == "statement_list" else [child]
    return nodes


def _is_docstring(statements: list[Node]) -> bool:
    if not statements or statements[0].type != "expression_statement":
        return False
    children = statements[0].named_children
    return len(children) == 1 and children[0].type in ("string", "concatenated_string")


def _stub_range(snapshot: Snapshot, statements: list[Node]) -> tuple[int, int] | None:
    """From the first to the last stub; None when anything else stands among them.

    Comments above a stub statement stay, for they tell what is wanted; a TODO alone is the stub.
    """
    stub = _STUBS[snapshot.language_id]
    rest = [node for node in statements if not _is_comment(node)]
    todos = [node for node in statements if _is_comment(node) and _TODO.search(_text(node))]
    if not all(stub.fullmatch(_text(node).rstrip("; \t\r\n")) for node in rest):
        return None
    first = rest or todos
    if not first:
        return None
    last_byte = max(node.end_byte for node in first + todos)
    start, end = snapshot.offset_of_byte(first[0].start_byte), snapshot.offset_of_byte(last_byte)
    return start, start + len(snapshot.text[start:end].rstrip())


def _python_space(snapshot: Snapshot, header_end: int, function_start: int) -> tuple[int, int]:
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
        if not _blank_or_comment(text) or (text.strip() and _indent(text) <= indent):
            break
        if _TODO.search(text):
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


def _is_comment(node: Node) -> bool:
    return "comment" in node.type


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _blank_or_comment(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")
