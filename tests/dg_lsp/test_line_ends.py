"""The line endings of the protocol, one kind or several in a document, mean the same wherever text becomes lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from dg_lsp.completion.fill import Wanted, question
from dg_lsp.completion.filters import Place, filtered
from dg_lsp.completion.several import alike
from dg_lsp.completion.sites import site_of
from dg_lsp.context.imports import imported_files
from dg_lsp.context.window import window
from dg_lsp.documents import Snapshot
from dg_lsp.syntax.holes import cursor_hole, function_hole, holes_in
from tests.dg_lsp.marks import at_cursor, snapshot

ENDS = ["\n", "\r\n", "\r"]


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize(
    ("said", "shown"),
    [('"""', ""), ("return a b", ""), ("return a", "return a"), ("x = 1\n    return x", "x = 1\n    return x")],
)
def test_a_body_is_judged_whatever_ends_the_lines(end: str, said: str, shown: str) -> None:
    text = "import os\nX = 1  # one\n\ndef get_x(a):\n    pass\n".replace("\n", end)
    document = snapshot("python", text)
    hole = function_hole(document, text.index("get_x"))
    assert hole
    site = site_of(document, hole)
    around = window(site.snapshot, site.hole)
    assert filtered(said, Place(site.snapshot, site.hole, around.prefix, around.suffix)).text == shown


def test_a_line_that_ends_otherwise_than_its_neighbours_breaks_nothing() -> None:
    document, offset = at_cursor("python", "a = 1\nb = 2\rc = 3\nprint(a, │)\n")
    hole = cursor_hole(document, offset)
    around = window(document, hole)
    assert filtered("b", Place(document, hole, around.prefix, around.suffix)).text == "b"


@pytest.mark.parametrize("end", ENDS)
def test_a_closure_over_several_lines_is_still_to_be_written(end: str) -> None:
    text = "const f = () => {\n};\nconst g = () => {};\n".replace("\n", end)
    assert [hole.label for hole in holes_in(snapshot("javascript", text))] == ["f"]


@pytest.mark.parametrize("end", ENDS)
def test_every_import_of_a_file_is_found(end: str, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for name in ("a", "b/x", "b/y", "c"):
        (tmp_path / f"{name}.py").touch()
    text = "import a\nfrom b import (  # both (no more)\n    x,\n    y\n)  # end\nimport c  # last\n".replace("\n", end)
    found = imported_files(text, tmp_path / "main.py", tmp_path)
    assert [file.name for file in found] == ["a.py", "x.py", "y.py", "c.py"]


@pytest.mark.parametrize("end", ENDS)
def test_texts_that_differ_in_line_ends_alone_are_alike(end: str) -> None:
    assert alike("a = 1  \nb = '\x0c\u2028'\n", f"a = 1{end}b = '\x0c\u2028'")
    assert not alike("a\x0cb", f"a{end}b")


@pytest.mark.parametrize("end", ENDS)
def test_what_an_editor_has_selected_goes_to_the_model_in_its_line_ends(end: str) -> None:
    document = Snapshot("file:///a", "python", 1, "x")
    asked = question(document, cursor_hole(document, 1), Wanted(max_tokens=8, typed=f"(a,{end}b"))
    assert asked.request.prefix == "x(a,\nb"
    assert asked.place.typed == "(a,\nb"
