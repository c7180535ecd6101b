"""Where the middle of a hole goes. A document shows its hole with │ as the cursor; ⟦…⟧ is the middle."""

from __future__ import annotations

import pytest

from dg_lsp.completion.sites import site_of
from dg_lsp.syntax.holes import HoleKind, hole_at, selection_hole
from dg_lsp.syntax.tree import parse
from tests.dg_lsp.marks import CLOSE, OPEN, at_cursor, marked, snapshot

STATEMENTS = {"python": "x = 1", "rust": "let x = 1;", "go": "x := 1", "java": "int x = 1;", "c": "int x = 1;"}
STATEMENTS |= {"cpp": STATEMENTS["c"], "javascript": "let x = 1;", "typescript": "let x = 1;"}


def filled(kind: HoleKind, language: str, text: str, middle: str) -> str:
    """The document with a middle in its hole, checked to be what the site's own document says."""
    document, offset = at_cursor(language, text)
    hole = hole_at(document, offset, kind)
    assert hole is not None
    site = site_of(document, hole)
    text = site.before + middle + site.after
    result = document.text[: site.start] + text + document.text[site.end :]
    inner = site.snapshot.text
    assert inner[: site.hole.start] + middle + inner[site.hole.end :] == result
    return result


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("python", "def f(): pass│\n", "def f():\n    ⟦⟧\n"),
        ("python", "class A:\n\tdef f(self): ...│\n\ty = 2\n", "class A:\n\tdef f(self):\n\t\t⟦⟧\n\ty = 2\n"),
        ("python", "def f():│\n", "def f():\n    ⟦⟧\n"),
        ("python", 'def f():\n    """Doc."""│\n', 'def f():\n    """Doc."""\n    ⟦⟧\n'),
        ("python", "def f():\n    # how│\n", "def f():\n    # how\n    ⟦⟧\n"),
        ("python", "def f():\n    │pass\n", "def f():\n    ⟦⟧\n"),
        ("python", "def f():\n    # TODO: it│\n", "def f():\n    ⟦⟧\n"),
        ("javascript", "function f() {│}\n", "function f() {\n    ⟦⟧\n}\n"),
        ("javascript", "if (a) {\n  g();\n}\nfunction f() {\n│}\n", "if (a) {\n  g();\n}\nfunction f() {\n  ⟦⟧\n}\n"),
        ("typescript", "const f = (): void => {│};\n", "const f = (): void => {\n    ⟦⟧\n};\n"),
        ("rust", "fn f() { todo!()│ }\n", "fn f() {\n    ⟦⟧\n}\n"),
        ("go", "package a\n\nfunc f() {│}\n", "package a\n\nfunc f() {\n\t⟦⟧\n}\n"),
        ("c", "int f(int a,\n      int b) {\n│}\n", "int f(int a,\n      int b) {\n    ⟦⟧\n}\n"),
        ("cpp", "class A {\n  void f() {│}\n};\n", "class A {\n  void f() {\n    ⟦⟧\n  }\n};\n"),
        ("java", "class A {\n  void f() { return;│ }\n}\n", "class A {\n  void f() {\n    ⟦⟧\n  }\n}\n"),
    ],
)
def test_a_body_gets_lines_of_its_own(language: str, text: str, expected: str) -> None:
    middle = STATEMENTS[language]
    result = filled("function", language, text, middle)
    assert result == expected.replace(OPEN + CLOSE, middle)
    tree = parse(snapshot(language, result))
    assert tree
    assert not tree.root_node.has_error


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("python", "match x:\n    case 1: pass│\n", "match x:\n    case 1:\n        ⟦⟧\n"),
        ("javascript", "switch (x) {\n  case 1:│\n}\n", "switch (x) {\n  case 1:\n    ⟦⟧\n}\n"),
        ("go", "package a\n\nfunc f() {\n\tswitch x {\n\tcase 1:│\n\t}\n}\n",
         "package a\n\nfunc f() {\n\tswitch x {\n\tcase 1:\n\t\t⟦⟧\n\t}\n}\n"),
        ("rust", "fn f() {\n    match x {\n        A => {│}\n    }\n}\n",
         "fn f() {\n    match x {\n        A => {\n            ⟦⟧\n        }\n    }\n}\n"),
        ("rust", "fn f() {\n    match x {\n        A => todo!()│,\n    }\n}\n",
         "fn f() {\n    match x {\n        A => ⟦⟧,\n    }\n}\n"),
        ("java", "class A { void f() { switch (x) {\n  case A -> {│}\n} } }\n",
         "class A { void f() { switch (x) {\n  case A -> {\n    ⟦⟧\n  }\n} } }\n"),
    ],
)  # fmt: skip
def test_an_arm_too_but_an_expression_stays_in_its_line(language: str, text: str, expected: str) -> None:
    assert filled("arm", language, text, "x") == expected.replace(OPEN + CLOSE, "x")


@pytest.mark.parametrize(
    ("language", "before", "after"),
    [
        ("python", "def f():\n    x = 2\n    # TODO: it│\n", "    return x\n"),
        ("javascript", "function f() {\n  g();\n  /* FIXME: it│\n   * all\n   */\n", "}\n"),
        ("typescript", "function f() {\n  g();\n  // TODO│\n", "}\n"),
        ("rust", "fn f() {\n    g();\n    // TODO: it│\n", "}\n"),
        ("go", "package a\n\nfunc f() {\n\tg()\n\t// TODO: it│\n", "}\n"),
        ("c", "void f() {\n  g();\n  // TODO: it│\n", "}\n"),
        ("cpp", "void f() {\n  g();\n  // TODO: it│\n", "}\n"),
        ("java", "class A { void f() {\n  g();\n  // TODO: it│\n", "} }\n"),
    ],
)
@pytest.mark.parametrize("eol", ["\n", "\r\n"])
def test_what_a_todo_asks_for_stands_below_it(language: str, before: str, after: str, eol: str) -> None:
    text = (before + after).replace("\n", eol)
    result = filled("todo", language, text, STATEMENTS[language])
    lead = {"python": "    ", "rust": "    ", "go": "\t"}.get(language, "  ")
    assert result == (before.replace("│", "") + lead + STATEMENTS[language] + "\n" + after).replace("\n", eol)
    tree = parse(snapshot(language, result))
    assert tree
    assert not tree.root_node.has_error


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("python", "def f():│\n    return 1\n", 'def f():\n    """⟦⟧"""\n    return 1\n'),
        ("python", "def f():\n    │\n", 'def f():\n    """⟦⟧"""\n'),
        ("python", "def f():\n    '''Old.\n\n    More.'''│\n", 'def f():\n    """⟦⟧"""\n'),
        ("javascript", "export function f() {│}\n", "/** ⟦⟧ */\nexport function f() {}\n"),
        ("typescript", "class A {\n  f(): void {│}\n}\n", "class A {\n  /** ⟦⟧ */\n  f(): void {}\n}\n"),
        ("rust", "/// Old.\n/// More.\nfn f() {│}\n", "/// ⟦⟧\nfn f() {}\n"),
        ("go", "package a\n\nfunc F() {│}\n", "package a\n\n// ⟦⟧\nfunc F() {}\n"),
        ("c", "int x; int f(void) {│}\n", "int x; /** ⟦⟧ */ int f(void) {}\n"),
        ("cpp", "template <class T>\nvoid f() {│}\n", "/** ⟦⟧ */\ntemplate <class T>\nvoid f() {}\n"),
        ("java", "class A {\n  /** Old. */\n  void f() {│}\n}\n", "class A {\n  /** ⟦⟧ */\n  void f() {}\n}\n"),
    ],
)
def test_a_docstring_gets_its_marks(language: str, text: str, expected: str) -> None:
    result = filled("docstring", language, text, "New.")
    assert result == expected.replace(OPEN + CLOSE, "New.")
    tree = parse(snapshot(language, result))
    assert tree
    assert not tree.root_node.has_error


def test_a_whole_selected_line_keeps_its_indentation() -> None:
    document, ((start, end),) = marked("python", "if a:\n⟦    b = 1\n⟧    c = 2\n")
    site = site_of(document, selection_hole(document, start, end))
    assert document.text[site.start : site.end] == "b = 1"
