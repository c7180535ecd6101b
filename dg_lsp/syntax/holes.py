"""The places in a document that can be filled."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from tree_sitter import Node

from dg_lsp.documents import Snapshot
from dg_lsp.syntax.arms import arm_label, arm_range
from dg_lsp.syntax.brackets import condition_on_line, empty_bodies, inside_parentheses
from dg_lsp.syntax.functions import Function, function_at, functions
from dg_lsp.syntax.todos import todo_places
from dg_lsp.syntax.tree import captured, parse, span, widened

HoleKind = Literal["cursor", "function", "arm", "todo", "arguments", "condition", "docstring", "selection"]
Span = tuple[int, int]

CODE: tuple[HoleKind, ...] = ("function", "arm", "todo")
"""The holes of which the code is still to be written: another stub is no answer."""

_BLANKS = " \t\f\ufeff"
_OPENS_BLOCK = re.compile(r".*\{[ \t]*")
_OPENS_PYTHON_BLOCK = re.compile(
    r"[ \t]*(?:async|class|def|if|elif|else|for|while|try|except|finally|with|match|case)\b.*:[ \t]*"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hole:
    """A place to fill: the middle replaces `text[start:end]` (character offsets) of its snapshot.

    `single_line` says that the middle must not hold a line ending. `indentation` is what stands before the code on
    the line where the hole starts. A todo hole is empty and stands at the end of a line: its middle begins with a
    line ending.
    """

    kind: HoleKind
    start: int
    end: int
    label: str
    single_line: bool
    indentation: str = ""


def hole_at(snapshot: Snapshot, offset: int, kind: HoleKind) -> Hole | None:
    """The hole of a kind that belongs to a cursor; None when there is none."""
    offset = _whole(snapshot, offset)
    if kind == "function":
        return function_hole(snapshot, offset)
    if kind == "docstring":
        return _docstring_hole(snapshot, offset)
    if kind == "arguments":
        return _arguments_hole(snapshot, offset)
    if kind == "condition":
        return _condition_hole(snapshot, offset)
    if kind in ("arm", "todo"):
        line = snapshot.line_at(offset)
        start, end = snapshot.line_start(line), snapshot.line_end(line)
        found = _arms(snapshot, start, end) if kind == "arm" else _todos(snapshot, start, end)
        return min(found, default=None, key=lambda hole: max(hole.start - offset, offset - hole.end, 0))
    return cursor_hole(snapshot, offset)


def holes_in(snapshot: Snapshot, start: int = 0, end: int | None = None) -> list[Hole]:
    """What is still to be written in a range: stubs, arms and the TODO comments of functions, in document order.

    None of them overlap. A TODO comment inside a stub belongs to the stub. What may be meant as it is (a function that
    only returns) is left out: nobody pointed at it.
    """
    start, end = _whole(snapshot, start), _whole(snapshot, len(snapshot.text) if end is None else end)
    around = functions(snapshot, start, end)
    stubs = [(function.start, function.end) for function in around if function.stub]
    asked = [function for function in around if function.asked]
    found = _stub_holes(snapshot, asked) if parse(snapshot) else _empty_body_holes(snapshot, start, end)
    found += _arms(snapshot, start, end)
    for hole in _todos(snapshot, start, end):
        inside = any(first <= hole.start <= last for first, last in ((f.start, f.end) for f in around))
        if inside and not any(first <= hole.start <= last for first, last in stubs):
            found.append(hole)
    return _apart(hole for hole in found if start <= hole.start and hole.end <= end)


def function_hole(snapshot: Snapshot, offset: int) -> Hole | None:
    """The stub of the innermost function around an offset; None when that function has a body.

    The whole line on which a function starts belongs to it.
    """
    if parse(snapshot) is None:
        line = snapshot.line_at(offset)
        reach = snapshot.line_start(line), snapshot.line_end(min(line + 1, snapshot.line_count - 1))
        return next(iter(_empty_body_holes(snapshot, *reach)), None)
    function = function_at(snapshot, offset)
    return next(iter(_stub_holes(snapshot, [function] if function else [])), None)


def cursor_hole(snapshot: Snapshot, offset: int) -> Hole:
    """The empty hole at a cursor: one line long, but a block on a blank line and behind what opens a block."""
    offset = _whole(snapshot, offset)
    line = snapshot.line_at(offset)
    before = snapshot.text[snapshot.line_start(line) : offset]
    after = snapshot.text[offset : snapshot.line_end(line)]
    opener = _OPENS_PYTHON_BLOCK if snapshot.language_id == "python" else _OPENS_BLOCK
    single_line = bool(after.strip(_BLANKS) or (before.strip(_BLANKS) and not opener.fullmatch(before)))
    return _hole(snapshot, "cursor", (offset, offset), "cursor", single_line=single_line)


def selection_hole(snapshot: Snapshot, start: int, end: int) -> Hole:
    """The hole of a selection. One over several lines becomes whole lines, without the first one's indentation.

    A last line of which nothing is selected is left out.
    """
    start, end = sorted((_whole(snapshot, start), _whole(snapshot, end)))
    if start == end:
        return cursor_hole(snapshot, start)
    first, last = snapshot.line_at(start), snapshot.line_at(end)
    if last > first and end == snapshot.line_start(last):
        last -= 1
        end = snapshot.line_end(last)
    if last > first:
        start = snapshot.line_start(first) + len(_indentation(snapshot.line_text(first)))
        end = snapshot.line_end(last)
    return _hole(snapshot, "selection", (min(start, end), end), "selection", single_line=last == first)


def _hole(snapshot: Snapshot, kind: HoleKind, where: Span, label: str, *, single_line: bool) -> Hole:
    start, end = where
    indentation = _indentation(snapshot.line_text(snapshot.line_at(start)))
    return Hole(kind=kind, start=start, end=end, label=label, single_line=single_line, indentation=indentation)


def _stub_holes(snapshot: Snapshot, found: list[Function]) -> list[Hole]:
    holes = []
    for function in found:
        if function.stub:
            start, end = function.stub
            before = snapshot.text[snapshot.line_start(snapshot.line_at(start)) : start]
            beside = snapshot.language_id == "python" and start < end and bool(before.strip(_BLANKS))  # def f(): pass
            holes.append(_hole(snapshot, "function", function.stub, function.name, single_line=beside))
    return holes


def _empty_body_holes(snapshot: Snapshot, start: int, end: int) -> list[Hole]:
    found = empty_bodies(snapshot, start, end)
    return [_hole(snapshot, "function", inside, name, single_line=False) for name, inside in found]


def _docstring_hole(snapshot: Snapshot, offset: int) -> Hole | None:
    """The doc comment of the function around an offset, or where one goes: before the function or its first line."""
    function = function_at(snapshot, offset)
    if function is None:
        return None
    start, _ = function.doc
    line_start = snapshot.line_start(snapshot.line_at(start))
    if snapshot.text[line_start:start].strip(_BLANKS) and start > function.start and not function.documented:
        return None  # def f(): pass
    return _hole(snapshot, "docstring", function.doc, function.name, single_line=False)


def _arguments_hole(snapshot: Snapshot, offset: int) -> Hole | None:
    lists = (_inside(snapshot, node) for node in captured(snapshot, "arguments", offset, offset))
    around = [where for where in lists if where and where[0] <= offset <= where[1]]
    where = max(around, default=None)
    if where is None and _broken(snapshot, offset):
        where = inside_parentheses(snapshot, offset)
    if where is None:
        return None
    return _hole(snapshot, "arguments", where, "arguments", single_line=_on_one_line(snapshot, where))


def _condition_hole(snapshot: Snapshot, offset: int) -> Hole | None:
    """The condition around an offset, else the nearest one on its line."""
    line = snapshot.line_at(offset)
    nodes = captured(snapshot, "condition", snapshot.line_start(line), snapshot.line_end(line))
    found = [_inside(snapshot, node) or span(snapshot, node) for node in nodes if not node.is_missing]
    near = [(start, end) for start, end in found if snapshot.line_at(start) <= line <= snapshot.line_at(end)]
    where = min(near, default=None, key=lambda c: (max(c[0] - offset, offset - c[1], 0), -c[0]))
    if where is None and _broken(snapshot, offset):
        where = condition_on_line(snapshot, offset)
    if where is None:
        return None
    return _hole(snapshot, "condition", where, "condition", single_line=_on_one_line(snapshot, where))


def _arms(snapshot: Snapshot, start: int, end: int) -> list[Hole]:
    holes = []
    for node in captured(snapshot, "arm", *widened(snapshot, start, end)):
        where, (first, last) = arm_range(snapshot, node), span(snapshot, node)
        if where and first <= end and max(last, where[1]) >= start:
            holes.append(_hole(snapshot, "arm", where, arm_label(snapshot, node), single_line=False))
    return holes


def _todos(snapshot: Snapshot, start: int, end: int) -> list[Hole]:
    places = todo_places(snapshot, start, end)
    return [_hole(snapshot, "todo", (place, place), label, single_line=False) for label, place in places]


def _broken(snapshot: Snapshot, offset: int) -> bool:
    """Whether the tree says nothing about an offset: there is none, or the text around does not parse."""
    tree = parse(snapshot)
    if tree is None:
        return True
    line = snapshot.line_at(offset)
    start, end = snapshot.byte_at(snapshot.line_start(line)), snapshot.byte_at(snapshot.line_end(line))
    node = tree.root_node.descendant_for_byte_range(start, end)
    return node is None or node.has_error


def _inside(snapshot: Snapshot, node: Node) -> Span | None:
    """The range between the round brackets that a node begins and ends with."""
    start, end = span(snapshot, node)
    return (start + 1, end - 1) if end - start > 1 and snapshot.text[start] + snapshot.text[end - 1] == "()" else None


def _on_one_line(snapshot: Snapshot, where: Span) -> bool:
    return snapshot.line_at(where[0]) == snapshot.line_at(where[1])


def _apart(holes: Iterable[Hole]) -> list[Hole]:
    """The holes in document order without those inside or over another."""
    apart: list[Hole] = []
    for hole in sorted(holes, key=lambda hole: (hole.start, -hole.end)):
        if not apart or hole.start > apart[-1].end:
            apart.append(hole)
    return apart


def _indentation(line: str) -> str:
    return line[: len(line) - len(line.lstrip(_BLANKS))]


def _whole(snapshot: Snapshot, offset: int) -> int:
    """An offset inside the document; one between "\\r" and "\\n" goes back to the line's end."""
    offset = min(max(offset, 0), len(snapshot.text))
    return offset - 1 if snapshot.text[offset - 1 : offset + 1] == "\r\n" else offset
