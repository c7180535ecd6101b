"""Functions in documents that are being typed: a begun body is no empty one, a broken line hides no function."""

from __future__ import annotations

from pathlib import Path

import pytest

from dg_lsp.documents import Snapshot
from dg_lsp.files import read_document
from dg_lsp.syntax.functions import Function, function_at, functions
from dg_lsp.syntax.holes import function_hole, holes_in
from tests.dg_lsp.marks import at_cursor, snapshot

SOURCES = sorted((Path(__file__).parents[2] / "fixtures" / "sources").iterdir())

BEGUN = ("a.", "return a.", "x =", "if", "if (", "for i in", "foo(", "@", "return a +", "a->", "!", "..", "<", "else")
BODIES = {
    "python": (
        "def f(a):\n    %s\n",
        "def f(a):\n    %s\n\n\ndef g(b):\n    return b\n",
        'def f(a):\n    """Doc."""\n    %s\n\n\ndef g(b):\n    return b\n',
        "def f(a):\n    # sums up\n    %s\n\n\ndef g(b):\n    return b\n",
        "def f(a):\n    pass\n    %s\n\n\ndef g(b):\n    return b\n",
        "def f(a):\n    %s\n    pass\n\n\ndef g(b):\n    return b\n",
        "def f(a): %s\n\n\ndef g(b):\n    return b\n",
        "class A:\n    def f(self, a):\n        %s\n\n    def g(self):\n        return 1\n",
    ),
    "javascript": ("function f(a) {\n  %s\n}\n\nfunction g(b) {\n  return b;\n}\n",),
    "typescript": ("class A {\n  f(a: number) {\n    %s\n  }\n\n  g(b) {\n    return b;\n  }\n}\n",),
    "rust": ("fn f(a: i32) -> i32 {\n    %s\n}\n\nfn g(b: i32) -> i32 {\n    b\n}\n",),
    "go": ("package a\n\nfunc f(a int) int {\n\t%s\n}\n\nfunc g(b int) int {\n\treturn b\n}\n",),
    "c": ("int f(int a) {\n    %s\n}\n\nint g(int b) {\n    return b;\n}\n",),
    "java": ("class A {\n    int f(int a) {\n        %s\n    }\n\n    int g(int b) {\n        return b;\n    }\n}\n",),
}

ARMS = {
    "python": "match x:\n    case 1:\n        %s\n    case 2:\n        return 3\n",
    "javascript": "switch (x) {\n  case 1:\n    %s\n  case 2:\n    return 3;\n}\n",
    "rust": "fn f() { match x {\n    1 => { %s }\n    2 => 3,\n} }\n",
    "go": "package a\n\nfunc f() int {\n\tswitch x {\n\tcase 1:\n\t\t%s\n\tcase 2:\n\t\treturn 3\n\t}\n}\n",
    "c": "int f() { switch (x) {\n  case 1:\n    %s\n  case 2:\n    return 3;\n} }\n",
}

BROKEN = {
    "python": (
        "class ",
        "if x ==",
        "d = {",
        "x = [1,",
        "print(a,",
        "class A",
        "for i in",
        "with",
        "s = 'abc",
        "x = f'{",
    ),
    "javascript": ("const d = {", "if (x ==", "foo(", "const x = [1,", "for (", "`abc", "if (x) {"),
    "typescript": ("const d = {", "if (x ==", "foo(", "interface ", "type A =", "import {"),
    "typescriptreact": ("const d = {", "if (x ==", "foo("),
    "rust": ('"abc', "#[", "struct A {", "match x {", "foo("),
    "go": ("var d = {", "foo(", "var x", "func f(a int) {"),
    "c": ("int x = {", "if (x ==", "struct A {", "typedef", "#define"),
    "cpp": ("auto x = {", "foo(", "template <", "class A {"),
    "java": ("int x = {", "if (x ==", "int f(int a) {", "enum"),
}


@pytest.mark.parametrize("body", BEGUN)
@pytest.mark.parametrize(
    ("language", "form"), [(language, form) for language, forms in BODIES.items() for form in forms]
)
def test_a_begun_body_is_not_taken_for_an_empty_one(language: str, form: str, body: str) -> None:
    document = snapshot(language, form % body)
    found = functions(document, 0, len(document.text))
    assert [function.name for function in found if function.stub] == []
    assert holes_in(document) == []


@pytest.mark.parametrize("body", BEGUN)
@pytest.mark.parametrize("language", ARMS)
def test_a_begun_arm_is_not_taken_for_an_empty_one(language: str, body: str) -> None:
    assert [hole for hole in holes_in(snapshot(language, ARMS[language] % body)) if hole.kind == "arm"] == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_a_broken_line_hides_no_function(path: Path) -> None:
    """It stands on each blank line of a source file once, as deep as the line below."""
    whole = read_document(path)
    lines = whole.text.split("\n")
    found = functions(whole, 0, len(whole.text))
    hidden = []
    for number, line in enumerate(lines):
        below = next((line for line in lines[number:] if line.strip()), "")
        for code in BROKEN[whole.language_id] if not line.strip() else ():
            broken = below[: len(below) - len(below.lstrip())] + code
            text = "\n".join([*lines[:number], broken, *lines[number:]])
            document = Snapshot(whole.uri, whole.language_id, 1, text)
            moved = [shown(whole, function, number) for function in found]
            seen = {shown(document, function) for function in functions(document, 0, len(text))}
            hidden += [(number, code, function) for function in moved if function not in seen]
    assert len(hidden) <= 3, hidden


def shown(document: Snapshot, function: Function, inserted: int | None = None) -> tuple[str, int, str | None]:
    """A function's name, line and stub, after a line was inserted."""
    line = document.line_at(function.start)
    line += inserted is not None and line >= inserted
    return function.name, line, document.text[slice(*function.stub)] if function.stub else None


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("python", "d = {\n\n\ndef f(a):\n    pa│ss\n"),
        ("python", "d = {\n\n\nclass A:\n    x = 1\n\n    def f(self):\n        │pass\n"),
        ("python", "d = {\n\n\n@cache\ndef f(\n    a,\n    b,\n):\n    │pass\n"),
        ("python", "d = {\r\rdef f(a):\r    │pass\r"),
        ("python", "x = f'{\n\n\ndef g(a):\n    return a\n\n\ndef f(a):\n    │pass\n"),
        ("typescript", "const d = {\n\nclass A {\n  f(a: number) {\n    // TODO│\n  }\n}\n"),
        ("cpp", "auto d = {\n\nint f(int a)\n{\n    // TODO│\n}\n"),
        ("java", "class A {\n    int d = {\n\n    int f() {\n        // TODO│\n    }\n}\n"),
    ],
)
def test_the_function_around_a_cursor_below_a_broken_line(language: str, text: str) -> None:
    document, offset = at_cursor(language, text)
    function, hole = function_at(document, offset), function_hole(document, offset)
    assert function
    assert function.name == "f"
    assert hole
    assert document.text[hole.start : hole.end] in ("pass", "// TODO")


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("python", "d = {\n\n\nclass A(ABC):\n    @abstractmethod\n    def f(self):\n        pass\n"),
        ("python", "d = {\n\n\n@overload\ndef f(a): ...\n"),
        ("python", "d = {\n\n\nclass A(Protocol):\n    def f(self):\n        ...\n"),
        ("python", "d = {\n\n\ndef f(self):\n    return self.\n"),
    ],
)
def test_what_is_no_stub_is_none_below_a_broken_line_either(language: str, text: str) -> None:
    assert holes_in(snapshot(language, text)) == []


def test_odd_texts_are_looked_through() -> None:
    nonsense = ("d = {", "d = {\n}}}\n{\n  }\n", "\ufeffd = {\n\tdef f():\n        pass", "x = (\n" * 3_000)
    for text in ("", "\n", "(", *nonsense):
        for language in BROKEN:
            document = snapshot(language, text)
            assert function_at(document, len(text)) is None or "def f" in text
