"""What is offered at a cursor, and which holes are filled then. A document shows its cursor as │."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from dg_lsp.documents import Snapshot
from dg_lsp.features.offers import holes_for, offers
from dg_lsp.files import read_document
from dg_lsp.syntax.holes import holes_in
from tests.dg_lsp.marks import at_cursor, snapshot

SOURCES = sorted((Path(__file__).parents[2] / "fixtures" / "sources").iterdir())
FILE = "Fill all gaps in this file"
HOLES = "Fill all gaps in this function"


def offered(language: str, text: str) -> list[str]:
    document, offset = at_cursor(language, text)
    return [offer.title for offer in offers(document, offset, offset, None)]


@pytest.mark.parametrize(
    ("language", "text", "titles"),
    [
        ("python", "def f():\n    │pass\n", ["Fill this function `f`", FILE]),
        ("python", "def │f():\n    pass\n", ["Fill this function `f`", "Write a docstring for `f`", FILE]),
        (
            "python",
            "@cache\n@│wraps(g)\nasync def f():\n    pass\n",
            ["Fill this function `f`", "Write a docstring for `f`", FILE],
        ),
        ("rust", "#[inline]│\nfn f() {\n    1\n}\n", ["Write a docstring for `f`"]),
        ("typescript", "class A {\n  @g()│\n  f() {\n    return 1;\n  }\n}\n", ["Write a docstring for `f`"]),
        ("python", "@│dataclass\nclass A:\n    def f(self):\n        return 1\n", []),
        ("python", "def │f():\n    return 1\n", ["Write a docstring for `f`"]),
        ("python", 'def f():\n    """│Doc."""\n    return 1\n', ["Rewrite the docstring of `f`"]),
        ("python", "def f():\n    │return 1\n", []),
        ("python", "def f():\n    x = 1\n    # TODO: │double x\n", ["Fill this TODO `double x`", FILE]),
        ("python", "def f():\n    # TODO│\n", ["Fill this function `f`", "Fill this TODO", FILE]),
        (
            "python",
            "def f():\n    # TODO: a│\n    pass\n",
            ["Fill this function `f`", "Fill this TODO `a`", "Write a docstring for `f`", FILE],
        ),
        ("go", "package a\n\nfunc f() {\n\t// TODO: a│\n}\n", ["Fill this function `f`", "Fill this TODO `a`", FILE]),
        ("python", "def f():\n    │x = 1\n    # TODO: a\n    # b\n    y = 1\n    # FIXME: c\n", [HOLES, FILE]),
        ("python", "match x:\n    case 1:│ pass\n", ["Fill this case `1`", FILE]),
        ("python", "x = 1\n# TODO: │more\n", ["Fill this TODO `more`"]),  # of no function
        ("python", "def f():\n    │return None\n", ["Fill this function `f`"]),  # it may be meant
        ("python", "f(│)\n", ["Fill the arguments"]),
        ("python", "f(│1)\n", []),
        ("python", "if │...:\n    f()\n", ["Fill the condition"]),
        ("python", "if │a:\n    f()\n", []),
        (
            "python",
            "# TODO: " + "long " * 20 + "│\n",
            ["Fill this TODO `long long long long long long long lo...`"],
        ),
        ("javascript", "if (│) {\n  f();\n}\n", ["Fill the condition"]),
        ("rust", "fn f(x: A) {\n    match x {\n        A => {│}\n    }\n}\n", ["Fill this case `A`", FILE]),
        ("java", "class A {\n  void f() {│}\n}\n", ["Fill this function `f`", "Write a docstring for `f`", FILE]),
        ("kotlin", "fun f() {│}\n", ["Fill this function `f`", FILE]),
        ("markdown", "some │text\n", []),
    ],
)
def test_the_menu_holds_what_fits_the_cursor(language: str, text: str, titles: list[str]) -> None:
    assert offered(language, text) == titles


@pytest.mark.parametrize(
    ("language", "text", "filled"),
    [
        ("python", "def f():\n    # TODO: │a\n", "def f():\n    # TODO: a[]\n"),
        ("python", "def f():\n    # TODO: │a\n    pass\n", "def f():\n    # TODO: a\n    [pass]\n"),
        ("python", "def f():\n    # TODO: │a\n    x = 1\n", "def f():\n    # TODO: a[]\n    x = 1\n"),
        ("python", "match x:\n    case 1:\n        # TODO: │a\n        pass\n", "        # TODO: a\n        [pass]\n"),
        ("rust", "fn f() {\n    // TODO: │a\n    todo!()\n}\n", "    // TODO: a\n    [todo!()]\n"),
    ],
)
def test_a_todo_is_filled_below_it_in_the_place_of_a_stub_that_stands_there(
    language: str, text: str, filled: str
) -> None:
    document, offset = at_cursor(language, text)
    (hole,) = asyncio.run(holes_for("todo", document, offset, offset, None))
    assert hole.label == "a"
    marked = f"{document.text[: hole.start]}[{document.text[hole.start : hole.end]}]{document.text[hole.end :]}"
    assert filled in marked


def test_a_selection_can_be_rewritten() -> None:
    document = snapshot("python", "a = 1\nb = 2\n")
    assert [offer.title for offer in offers(document, 0, 5, None)] == ["Rewrite the selection"]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
@pytest.mark.parametrize("copies", [1, 12])
def test_a_file_scanned_in_pieces_has_the_holes_of_the_whole(path: Path, copies: int) -> None:
    once = read_document(path)
    document = Snapshot(once.uri, once.language_id, 1, once.text * copies)
    assert asyncio.run(holes_for("file", document, 0, 0, None)) == holes_in(document)
