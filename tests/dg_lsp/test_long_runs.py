"""Whatever a text holds, the time for it grows as its length does: a picture written as one word holds nobody up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import pytest

from dg_lsp.completion.filters import CUTS, GATES, Filter, Place, filtered
from dg_lsp.completion.filters.brackets import closer_at
from dg_lsp.completion.unknown_names import unknown_names
from dg_lsp.context.definitions import definitions
from dg_lsp.context.imports import _imports
from dg_lsp.context.recent import chunk_at
from dg_lsp.context.related import _names_around
from dg_lsp.context.secrets import holds_secret
from dg_lsp.context.window import window
from dg_lsp.documents import Snapshot
from dg_lsp.features import completion
from dg_lsp.features.offers import hole_for
from dg_lsp.syntax.brackets import condition_on_line, empty_bodies, inside_parentheses, without_strings
from dg_lsp.syntax.holes import cursor_hole, hole_at, holes_in
from dg_lsp.syntax.stubs import is_unwritten
from tests.dg_lsp.marks import snapshot
from tests.long_runs import PIECES, Work, grows_too_fast

PARSED = ("a", "é", "iVBORw0KGgo", " ", "\n", "a\n", "(", ")", '"', "'", "import a\n", "x = 1\n")
"""What a grammar reads as fast as other texts: how it takes the rest is not up to us."""
STARTS = ("", "if x", "from", "f() {", '"', "return ")
"""What makes a pattern look on."""


def place(language: str, before: str, after: str) -> Place:
    document = snapshot(language, before + after)
    hole = cursor_hole(document, len(before))
    around = window(document, hole)
    return Place(document, hole, around.prefix, around.suffix)


PLACES: dict[str, Callable[[str, str], tuple[Place, str]]] = {
    "before it": lambda language, text: (place(language, f"{text}\nx = {text}", "\n"), "value"),
    "behind it": lambda language, text: (place(language, "x = ", f"{text}\n{text}\n"), "value"),
    "on both sides": lambda language, text: (place(language, f"{text}\n", f"\n{text}\n"), f"{text[:200]}\nvalue"),
    "in the answer": lambda language, text: (place(language, "x = a(\n", "\n)\n"), text),
}


def works() -> Iterator[tuple[str, Work]]:
    for where, make in PLACES.items():
        for one in (*CUTS, *GATES):
            yield f"{one.apply.__name__}, {where}", partial(_filter, one, make)
        yield f"python, {where}", partial(_filters, make)
    yield "a closing bracket", lambda text: [closer_at(text, ")", language) for language in ("go", "rust", "python")]
    yield "window", lambda text: place("markdown", text, text).in_words
    yield "secrets", lambda text: holds_secret.__wrapped__(text)
    yield "imports", lambda text: list(_imports(text))
    yield "definitions", _definitions
    yield "recent", lambda text: (chunk_at(snapshot("python", text), 0), _names_around(snapshot("python", text), 0))
    yield "strings", without_strings
    yield "parentheses", lambda text: inside_parentheses(snapshot("x", text), len(text) // 2)
    yield "condition", lambda text: condition_on_line(snapshot("x", text), len(text) // 2)
    yield "empty bodies", lambda text: empty_bodies(snapshot("x", text), 0, len(text))
    yield "stubs", lambda text: [is_unwritten(text, language) for language in ("python", "go", "java", "rust")]
    yield "entry of a list", lambda text: (completion._WORD.findall(text), completion._label(text))
    for language in ("plaintext", "python", "javascript"):
        yield f"{language}, holes", partial(_holes, language)


def _filter(one: Filter, make: Callable[[str, str], tuple[Place, str]], text: str) -> None:
    where, said = make("markdown", text)
    one.apply(said, where)


def _filters(make: Callable[[str, str], tuple[Place, str]], text: str) -> None:
    where, said = make("python", text)
    filtered(said, where)
    unknown_names(said, where)


def _definitions(text: str) -> None:
    lines = text.split("\n")
    for language in ("python", "typescript", "rust", "go", "c", "java"):
        list(definitions(lines, language, range(len(lines))))


def _holes(language: str, text: str) -> None:
    document = snapshot(language, text)
    holes_in(document)
    for kind in ("function", "docstring", "arguments", "condition", "arm", "todo"):
        hole_at(document, len(text) // 2, kind)  # type: ignore[arg-type]
    call = snapshot(language, f"f({text})")
    hole_for("arguments", call, 2, 2)


@pytest.mark.parametrize(("name", "work"), list(works()), ids=[name for name, _ in works()])
def test_the_time_grows_as_the_text_does(name: str, work: Work) -> None:
    is_parsed = name.startswith(("python", "javascript"))
    starts = ("",) if is_parsed or name.partition(", ")[2] in PLACES else STARTS
    pieces = PARSED if is_parsed else PIECES
    assert [(start, piece) for piece in pieces for start in starts if grows_too_fast(work, start, piece)] == []


def test_a_snapshot_of_a_line_of_a_megabyte_is_made_at_once() -> None:
    assert not grows_too_fast(lambda text: Snapshot("file:///a", "python", 1, text).line_count, "", "a")
