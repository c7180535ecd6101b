"""Which fills fit a cursor or a selection, and which holes each of them fills."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from lsprotocol.types import CodeActionKind

from dg_lsp.completion.last_fill import Trace, reroll_holes
from dg_lsp.documents import Snapshot
from dg_lsp.syntax.functions import function_at
from dg_lsp.syntax.holes import Hole, function_hole, hole_at, holes_in, selection_hole
from dg_lsp.syntax.parser import NOT_YET
from dg_lsp.syntax.todos import NOT_SAID
from dg_lsp.syntax.tree import why_no_tree

Name = Literal["reroll", "selection", "function", "holes", "file", "todo", "arm", "arguments", "condition", "docstring"]

_FEW_LINES = 60
"""The holes of longer functions are not counted at every move of the cursor."""

_SCANNED_LINES = 100
_PARSE_S = 2.0
_POLL_S = 0.01
_LABEL = 40
# What people put where an expression is still to be written.
_PLACEHOLDER = re.compile(r"\.\.\.|_{2,}|TODO|todo!\(\)|/\*.*\*/|")


@dataclass(frozen=True, slots=True)
class Offer:
    """An action that can be chosen."""

    name: Name
    title: str
    kind: CodeActionKind = CodeActionKind.RefactorRewrite


async def parsed(snapshot: Snapshot) -> None:
    """Wait until a long document has its tree, for a moment: without one only what brackets tell is found."""
    give_up = time.monotonic() + _PARSE_S
    while why_no_tree(snapshot) == NOT_YET and time.monotonic() < give_up:
        await asyncio.sleep(_POLL_S)


def offers(snapshot: Snapshot, start: int, end: int, last_fill: Trace | None) -> Iterator[Offer]:
    """What can be done at a range (empty: a cursor), the nearest first; nothing is scanned beyond what is around it."""
    if start < end:
        yield Offer("selection", "Rewrite the selection")
    found: set[Name] = set()
    in_file = False  # among the holes of the file
    for name in _NAMES:
        hole = None if found & _INSTEAD.get(name, set()) else hole_for(name, snapshot, start, end)
        if hole:
            found.add(name)
            in_file = in_file or _is_in_file(snapshot, hole)
            yield Offer(
                name,
                _title(name, hole),
                CodeActionKind.QuickFix if name == "condition" else CodeActionKind.RefactorRewrite,
            )
    if last_fill and reroll_holes(snapshot, last_fill, start, end):
        yield Offer("reroll", "Try the last fill again")
    several = len(_holes_around(snapshot, start)) > 1
    if several:
        yield Offer("holes", "Fill all gaps in this function")
    if several or in_file:
        yield Offer("file", "Fill all gaps in this file")


def hole_for(name: Name, snapshot: Snapshot, start: int, end: int) -> Hole | None:
    """The hole of an action that fills a single one."""
    return _HOLES[name](snapshot, start, end)


async def holes_for(name: Name, snapshot: Snapshot, start: int, end: int, last_fill: Trace | None) -> list[Hole]:
    """The holes that an action fills, in document order. A whole file is scanned in pieces."""
    if name == "file":
        return await _all_holes(snapshot)
    if name == "holes":
        function = function_at(snapshot, start)
        return holes_in(snapshot, function.start, function.end) if function else []
    if name == "reroll":
        return reroll_holes(snapshot, last_fill, start, end) if last_fill else []
    hole = hole_for(name, snapshot, start, end)
    return [hole] if hole else []


async def function_titled(snapshot: Snapshot, title: str) -> list[Hole]:
    """The stub whose action has that title, if there is only one in the document."""
    stubs = [hole for hole in await _all_holes(snapshot) if hole.kind == "function"]
    same = [hole for hole in stubs if _title("function", hole) == title]
    return same if len(same) == 1 else []


def _function(snapshot: Snapshot, start: int, end: int) -> Hole | None:
    return function_hole(snapshot, start) or function_hole(snapshot, end)


def _todo(snapshot: Snapshot, start: int, _: int) -> Hole | None:
    """The place below a TODO; the stub that stands right there, if any, for nobody wants to keep it."""
    todo = hole_at(snapshot, start, "todo")
    if todo is None:
        return None
    stubs = (function_hole(snapshot, start), hole_at(snapshot, start, "arm"))
    below = (stub for stub in stubs if stub and stub.start > todo.end)
    stub = next((stub for stub in below if not snapshot.text[todo.end : stub.start].strip()), None)
    return replace(stub, label=todo.label) if stub else todo


def _arm(snapshot: Snapshot, start: int, _: int) -> Hole | None:
    return hole_at(snapshot, start, "arm")


def _arguments(snapshot: Snapshot, start: int, end: int) -> Hole | None:
    return _if_empty(snapshot, hole_at(snapshot, start, "arguments")) if start == end else None


def _condition(snapshot: Snapshot, start: int, end: int) -> Hole | None:
    return _if_empty(snapshot, hole_at(snapshot, start, "condition")) if start == end else None


def _if_empty(snapshot: Snapshot, hole: Hole | None) -> Hole | None:
    return hole if hole and _PLACEHOLDER.fullmatch(snapshot.text[hole.start : hole.end].strip()) else None


def _docstring(snapshot: Snapshot, start: int, end: int) -> Hole | None:
    """The docstring where the cursor is in it or on the head of its function."""
    function = function_at(snapshot, start) if start == end else None
    if function is None:
        return None
    line, last = snapshot.line_at(start), snapshot.line_at(function.body[0])
    if not snapshot.text[snapshot.line_start(last) : function.body[0]].strip():
        last -= 1  # the body has lines of its own
    on_head = line <= last
    in_doc = function.documented and function.doc[0] <= start <= function.doc[1]
    return hole_at(snapshot, start, "docstring") if on_head or in_doc else None


def _selection(snapshot: Snapshot, start: int, end: int) -> Hole | None:
    return selection_hole(snapshot, start, end) if start < end else None


_HOLES: dict[str, Callable[[Snapshot, int, int], Hole | None]] = {
    "function": _function,
    "todo": _todo,
    "arm": _arm,
    "arguments": _arguments,
    "condition": _condition,
    "docstring": _docstring,
    "selection": _selection,
}
_NAMES: tuple[Name, ...] = ("function", "todo", "arm", "condition", "arguments", "docstring")
_INSTEAD: dict[Name, set[Name]] = {"arm": {"function"}, "arguments": {"condition"}}
"""What is not offered beside what: an arm in a stub belongs to the stub, and `if ()` is no call."""


def _title(name: Name, hole: Hole) -> str:
    label = hole.label if len(hole.label) <= _LABEL else f"{hole.label[: _LABEL - 3]}..."
    if name == "docstring":
        return f"Rewrite the docstring of `{label}`" if hole.start < hole.end else f"Write a docstring for `{label}`"
    return {
        "function": f"Fill this function `{label}`",
        "todo": "Fill this TODO" if label == NOT_SAID else f"Fill this TODO `{label}`",
        "arm": f"Fill this case `{label}`",
        "arguments": "Fill the arguments",
        "condition": "Fill the condition",
    }[name]


def _holes_around(snapshot: Snapshot, offset: int) -> list[Hole]:
    """The holes of the function around an offset, if it is short."""
    function = function_at(snapshot, offset)
    if function is None or snapshot.line_at(function.end) - snapshot.line_at(function.start) > _FEW_LINES:
        return []
    return holes_in(snapshot, function.start, function.end)


def _is_in_file(snapshot: Snapshot, hole: Hole) -> bool:
    """Whether the lines of a hole hold one that is filled with the whole file."""
    first, last = snapshot.line_at(hole.start), snapshot.line_at(hole.end)
    return bool(holes_in(snapshot, snapshot.line_start(first), snapshot.line_end(last)))


async def _all_holes(snapshot: Snapshot) -> list[Hole]:
    """All holes, found in overlapping pieces so that the event loop is never blocked for long.

    A hole of more than `_SCANNED_LINES` lines is left out.
    """
    found: list[Hole] = []
    for line in range(0, snapshot.line_count, _SCANNED_LINES):
        last = min(line + 2 * _SCANNED_LINES, snapshot.line_count) - 1
        for hole in holes_in(snapshot, snapshot.line_start(line), snapshot.line_end(last)):
            in_first_half = snapshot.line_at(hole.start) < line + _SCANNED_LINES
            if in_first_half and (not found or hole.start > found[-1].end):
                found.append(hole)
        await asyncio.sleep(0)
    return found
