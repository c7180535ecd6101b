"""The functions of a document: where their bodies and doc comments are, and which of them are stubs."""

from __future__ import annotations

import re
from typing import NamedTuple

from tree_sitter import Node

from dg_lsp.documents import Snapshot
from dg_lsp.syntax.alone import heads_near, trees_alone
from dg_lsp.syntax.python_body import begun_code, blank_or_comment, head_end, is_half_typed, space_for_body
from dg_lsp.syntax.stubs import TODO, only_returns, statements, stub_range
from dg_lsp.syntax.tree import REACH, Captures, is_comment, matches, matches_in, parse, span, text_of

Span = tuple[int, int]

# What a comment above a function must begin with to document it.
_DOC = {
    "javascript": r"/\*\*",
    "javascriptreact": r"/\*\*",
    "typescript": r"/\*\*",
    "typescriptreact": r"/\*\*",
    "java": r"/\*\*",
    "rust": r"///|/\*\*",
}
# Nodes around a function that begin with it, so that its doc comment stands above them.
_WRAPPERS = (
    "decorated_definition",
    "export_statement",
    "expression_statement",
    "lexical_declaration",
    "template_declaration",
    "variable_declaration",
)
_ATTRIBUTE = re.compile(r"[ \t]*(?:@|#\[)")
_BESIDE_DOC = ("attribute_item", "decorator")


class Function(NamedTuple):
    """A function: its extent to the end of its last line, its body, its doc comment and what is a stub in it.

    All ranges are in characters. `doc` is empty, at the place for a doc comment, when the function is not `documented`.
    A stub that may be meant, as a lone `return`, is not `asked` for.
    """

    name: str
    start: int
    end: int
    body: Span
    doc: Span
    documented: bool
    stub: Span | None
    asked: bool


def functions(snapshot: Snapshot, start: int, end: int) -> list[Function]:
    """The functions that touch a range of characters, in document order, also those below a line that is broken."""
    if start > 0:
        line = snapshot.line_at(start)
        while line > 0 and blank_or_comment(snapshot.line_text(line)):
            line -= 1  # the tree ends a Python function before these lines, though it may own them
        start = max(snapshot.line_start(line), start - REACH)
    captures, tree = matches(snapshot, start, end), parse(snapshot)
    found = _functions(snapshot, captures)
    if tree and tree.root_node.has_error:
        sure = _functions(snapshot, [some for some in captures if not any(map(_in_error, some.get("function", ())))])
        alone = _alone(snapshot, start, end, {snapshot.line_at(function.start) for function in sure})
        read = {snapshot.line_at(function.start) for function in alone}
        found = [function for function in found if snapshot.line_at(function.start) not in read] + alone
    return sorted(found, key=lambda function: function.start)


def _functions(snapshot: Snapshot, found: list[Captures]) -> list[Function]:
    on_purpose = {node.id for captures in found for node in captures.get("on_purpose", ())}
    return [_function(snapshot, captures, on_purpose) for captures in found if "function" in captures]


def _in_error(node: Node) -> bool:
    """Whether a node is what the parser has made of a part of broken code."""
    outer = node.parent
    while outer is not None and not outer.is_error:
        outer = outer.parent
    return outer is not None


def _alone(snapshot: Snapshot, start: int, end: int, known: set[int]) -> list[Function]:
    """The functions near a range that begin on other lines than the `known` ones, each read alone."""
    found: list[Function] = []
    for line in heads_near(snapshot, snapshot.line_at(start), snapshot.line_at(end)):
        where = snapshot.line_start(line), snapshot.line_end(line)
        trees = () if line in known else trees_alone(snapshot, line)
        read = (_functions(snapshot, matches_in(tree, snapshot, *where)) for tree in trees)
        begun = ([function for function in some if where[0] <= function.start <= where[1]] for some in read)
        found += next(filter(None, begun), [])
    return found


def function_at(snapshot: Snapshot, offset: int) -> Function | None:
    """The innermost function around an offset. Its whole first line belongs to it, and attributes above do too."""
    line = snapshot.line_at(offset)
    while _ATTRIBUTE.match(snapshot.line_text(line)) and line + 1 < snapshot.line_count:
        line += 1
    near = functions(snapshot, snapshot.line_start(line), snapshot.line_end(line))
    around = max((f for f in near if f.start <= offset <= f.end), default=None, key=lambda f: f.start)
    if around and snapshot.line_at(around.start) == line:
        return around
    ahead = min((f for f in near if f.start > offset), default=None, key=lambda f: f.start)
    return ahead or around


def _function(snapshot: Snapshot, captures: Captures, on_purpose: set[int]) -> Function:
    (node,), (name,), (body,) = captures["function"], captures["name"], captures["body"]
    start, end = span(snapshot, node)
    stub = None if node.id in on_purpose or snapshot.uri.endswith(".pyi") else _stub(snapshot, node, body)
    end = max(snapshot.line_end(snapshot.line_at(end)), stub[1] if stub else 0)
    if snapshot.language_id == "python":
        doc, documented = _docstring(snapshot, node, body)
    else:
        doc, documented = _doc_comment(snapshot, node)
    asked = stub is not None and (
        bool(TODO.search(snapshot.text[start:end])) or not _may_be_meant(snapshot, text_of(name), body, stub)
    )
    return Function(text_of(name), start, end, span(snapshot, body), doc, documented, stub, asked)


def _may_be_meant(snapshot: Snapshot, name: str, body: Node, stub: Span) -> bool:
    """Whether a function may be as it should be: it only returns, or is an empty closure or constructor on one line."""
    text, on_one_line = snapshot.text[slice(*stub)], snapshot.line_at(stub[0]) == snapshot.line_at(stub[1])
    if only_returns(text):
        return True
    function = body.parent
    empty = snapshot.language_id != "python" and not text.strip() and on_one_line
    if not empty or function is None:
        return False
    is_constructor = name == "constructor" or function.type.endswith("constructor_declaration")
    if snapshot.language_id == "cpp":
        is_constructor = function.child_by_field_name("type") is None
    return is_constructor or function.type in ("arrow_function", "function_expression")


def _stub(snapshot: Snapshot, function: Node, body: Node) -> Span | None:
    """The range to fill in a function whose body is empty or a stub."""
    inner = statements(body)
    if snapshot.language_id != "python":
        if inner:
            return stub_range(snapshot, inner)
        return snapshot.offset_of_byte(body.start_byte) + 1, snapshot.offset_of_byte(body.children[-1].start_byte)
    if is_half_typed(function, body):
        return None
    docstring = inner.pop(0) if _is_docstring(inner) else None
    if all(is_comment(node) for node in inner):
        header_end = docstring.end_byte if docstring else head_end(function, body)
        is_begun = begun_code(snapshot, header_end, function.start_byte) is not None
        return None if is_begun else space_for_body(snapshot, header_end, function.start_byte)
    return stub_range(snapshot, inner)


def _is_docstring(nodes: list[Node]) -> bool:
    if not nodes or nodes[0].type != "expression_statement":
        return False
    children = nodes[0].named_children
    return len(children) == 1 and children[0].type in ("string", "concatenated_string")


def _docstring(snapshot: Snapshot, function: Node, body: Node) -> tuple[Span, bool]:
    """A function's docstring, or the place before its first statement."""
    inner = statements(body)
    if _is_docstring(inner):
        return span(snapshot, inner[0]), True
    if not inner:
        end = head_end(function, body)
        begun = begun_code(snapshot, end, function.start_byte)
        place = space_for_body(snapshot, end, function.start_byte)[1] if begun is None else begun
        return (place, place), False
    start, _ = span(snapshot, inner[0])
    return (start, start), False


def _doc_comment(snapshot: Snapshot, function: Node) -> tuple[Span, bool]:
    """The doc comment right above a function, or the place before the function."""
    outer = function
    while outer.parent is not None and outer.parent.type in _WRAPPERS:
        outer = outer.parent
    place, _ = span(snapshot, outer)
    doc, is_doc = outer, re.compile(_DOC.get(snapshot.language_id, "/"))
    above = outer.prev_sibling
    while above is not None and above.end_point.row >= doc.start_point.row - 1:
        if is_comment(above) and is_doc.match(text_of(above)) and _begins_line(snapshot, above):
            doc = above
        elif above.type not in _BESIDE_DOC:
            break
        place = span(snapshot, above)[0] if above.type in _BESIDE_DOC and doc is outer else place
        above = above.prev_sibling
    if doc is outer:
        return (place, place), False
    start, _ = span(snapshot, doc)
    return (start, start + len(snapshot.text[start:place].rstrip())), True


def _begins_line(snapshot: Snapshot, node: Node) -> bool:
    start, _ = span(snapshot, node)
    return not snapshot.text[snapshot.line_start(snapshot.line_at(start)) : start].strip()
