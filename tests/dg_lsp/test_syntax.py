"""Holes in real source files and in small stubs of every language."""

from __future__ import annotations

from pathlib import Path

import pytest

from dg_lsp.documents import Snapshot
from dg_lsp.files import read_document
from dg_lsp.syntax.functions import functions
from dg_lsp.syntax.holes import Hole, cursor_hole, function_hole
from dg_lsp.syntax.parser import MAX_PARSE_BYTES
from dg_lsp.syntax.tree import parse
from tests.dg_lsp.marks import at_cursor, marked, snapshot

SOURCES = Path(__file__).parents[2] / "fixtures" / "sources"


def function_holes(document: Snapshot) -> list[Hole]:
    """The stubs of all functions, in document order."""
    stubs = (function.stub for function in functions(document, 0, len(document.text)))
    holes = (function_hole(document, stub[1]) for stub in stubs if stub)
    return [hole for hole in holes if hole]


@pytest.mark.parametrize(
    ("file", "stubs"),
    [
        (
            "inventory.py",
            {
                "tagged": "raise NotImplementedError",
                "total_value_cents": "# TODO: sum the value of all items",
                "low_stock": "pass",
                "parse_line": "...",
            },
        ),
        (
            "cart.js",
            {
                "remove": 'throw new Error("not implemented");',
                "applyCoupon": "// TODO: percentage coupons lower every price, fixed ones the cheapest line",
                "batches": "\n",
            },
        ),
        ("retry.ts", {"backoff": 'throw new Error("TODO");', "recordFailure": "\n  "}),
        ("TodoList.tsx", {"visibleTasks": 'throw new Error("not implemented");', "remove": "// TODO"}),
        (
            "ring_buffer.rs",
            {"pop": "todo!()", "clear": "\n    ", "moving_average": 'unimplemented!("one value per full window")'},
        ),
        ("wordcount.go", {"Merge": "\n", "Frequency": 'return 0, errors.New("not implemented")'}),
        (
            "string_view.c",
            {
                "view_split": "/* TODO: return everything when the delimiter does not occur */",
                "view_find": "return NULL;",
                "view_to_long": "\n",
            },
        ),
        (
            "matrix.cpp",
            {
                "transposed": 'throw std::logic_error("not implemented");',
                "trace": "// TODO: only square matrices have one",
            },
        ),
        (
            "LruCache.java",
            {
                "computeIfAbsent": 'throw new UnsupportedOperationException("not implemented");',
                "hitRate": "// TODO",
                "clear": "",
            },
        ),
    ],
)
def test_the_stubs_of_a_file(file: str, stubs: dict[str, str]) -> None:
    document = read_document(SOURCES / file)
    tree = parse(document)
    assert tree is not None
    assert not tree.root_node.has_error
    holes = function_holes(document)
    assert {hole.label: document.text[hole.start : hole.end] for hole in holes} == stubs
    assert [function_hole(document, hole.end) for hole in holes] == holes


@pytest.mark.parametrize(
    ("language", "text"),
    [
        # Signature, docstring, indentation and comments above the stub stay.
        ("python", 'def f():\n    """Doc."""\n    # as fast as it goes\n    ⟦pass⟧\n'),
        ("python", 'def f():\n    """Doc."""\n    ⟦raise NotImplementedError("é") from None⟧\n\nx = 1\n'),
        ("python", "async def f(a,\n            b):\n    ⟦return None⟧\n"),
        ("python", "def f():\n    ⟦pass  # TODO: later⟧\n"),
        ("python", "def f():\n    ⟦# TODO: first\n    # FIXME: second⟧\n\ndef g():\n    return 1\n"),
        # A function without any statement is filled where its body belongs.
        ("python", 'def f():\n    """Doc."""⟦⟧\n\n\nx = 1\n'),
        ("python", 'def f():\n    """Doc."""\n    ⟦⟧\n\n\nx = 1\n'),
        ("python", "class A:\n    def f(self):⟦⟧\n\n    def g(self):\n        return 1\n"),
        ("python", "def f():\n    # sums up⟦⟧\n\n# elsewhere\n"),
        ("python", "é = '😀'\ndef f():\n    ⟦pass⟧\ndef g():\n    ⟦...⟧\n"),
        ("javascript", "foo(() => {}); const f = () => {⟦⟧};\n"),
        ("javascript", "const o = { a: function () { ⟦return;⟧ }, b() { ⟦return undefined;⟧ } };\n"),
        ("javascript", "exports.f = (x) => {⟦\n  ⟧};\n"),
        ("typescript", "class A { f = (): void => {⟦⟧}; abstract g(): void; h(): null { ⟦return null;⟧ } }\n"),
        ("rust", "trait T { fn f(&self); fn g(&self) { ⟦todo!();⟧ } }\n"),
        ("go", 'package a\n\nfunc (t *T) f() error { ⟦return nil⟧ }\n\nfunc g() { ⟦panic("not implemented")⟧ }\n'),
        ("c", 'static int **f(void) { ⟦assert(0 && "TODO");⟧ }\nint g(void);\n'),
        ("cpp", "T &A::operator=(const T &o) { ⟦return nullptr;⟧ }\nvoid A::f() {⟦⟧}\n"),
        ("java", "class A { A() {⟦⟧} int f() { ⟦/* FIXME */⟧ } abstract int g(); }\n"),
    ],
)
def test_the_range_of_a_stub(language: str, text: str) -> None:
    document, ranges = marked(language, text)
    assert [(hole.start, hole.end) for hole in function_holes(document)] == ranges


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("python", "def f():\n    return 1\n"),
        ("python", "def f():\n    pass\n    return 1\n"),
        ("python", "def f():\n    return passing\n"),
        ("javascript", "function f() { return todo; }\n"),
        ("javascript", "function f() { /* nothing to do */ }\n"),
        ("go", "package a\n\nfunc f() []int { return todos }\n"),
        ("java", 'class A { void f() { throw new IllegalStateException("closed"); } }\n'),
        ("plaintext", "def f():\n    pass\n"),
    ],
)
def test_what_is_no_stub(language: str, text: str) -> None:
    assert function_holes(snapshot(language, text)) == []


@pytest.mark.parametrize(
    ("language", "text", "label"),
    [
        ("python", "class A:\n│    def f(self):\n        pass\n", "f"),
        ("python", "def outer():\n│    def inner():\n        pass\n    return inner\n", "inner"),
        ("python", "def outer():\n    def inner():\n        pass\n    return│ inner\n", None),
        ("python", "def f():\n    pass  │\n\nx = 1\n", "f"),
        ("python", "def f():\n    pass\n\nx │= 1\n", None),
        ("python", 'def f():\n    """Doc."""\n    │\n', "f"),
        ("python", "def f():\n    # TODO: wri│te\n", "f"),
        ("java", "class A { int f() { return│ 1; } void g() {} }\n", None),
        ("java", "class A { int f() { return 1; } void g() {│} }\n", "g"),
        ("javascript", "export│ const f = () => {\n};\n", "f"),
        ("plaintext", "│", None),
    ],
)
def test_the_function_around_a_cursor(language: str, text: str, label: str | None) -> None:
    hole = function_hole(*at_cursor(language, text))
    assert (hole.label if hole else None) == label


@pytest.mark.parametrize(
    ("text", "single_line"),
    [
        ("x = │\n", True),
        ("│x\n", True),
        ("    │\n", False),
        ("│", False),
        ("\ufeff│\n", False),
        ("a\n\f│", False),
    ],
)
def test_a_cursor_fills_one_line_unless_it_stands_on_a_blank_one(text: str, single_line: bool) -> None:
    document, offset = at_cursor("python", text)
    hole = cursor_hole(document, offset)
    assert (hole.kind, hole.start, hole.end, hole.single_line) == ("cursor", offset, offset, single_line)


def test_a_body_on_the_line_of_its_def_takes_one_line() -> None:
    holes = function_holes(snapshot("python", "def f(): pass\ndef g():\n    pass\n"))
    assert [hole.single_line for hole in holes] == [True, False]


@pytest.mark.parametrize("eol", ["\r\n", "\r"])
@pytest.mark.parametrize("file", ["inventory.py", "wordcount.go", "ring_buffer.rs"])
def test_other_line_endings_hide_no_stub(file: str, eol: str) -> None:
    document = read_document(SOURCES / file)
    other = snapshot(document.language_id, document.text.replace("\n", eol))
    expected = [document.text[hole.start : hole.end].replace("\n", eol) for hole in function_holes(document)]
    assert [other.text[hole.start : hole.end] for hole in function_holes(other)] == expected


def test_a_snapshot_is_parsed_once_and_a_long_one_never() -> None:
    document = snapshot("python", "x = 1\n")
    assert parse(document) is parse(document)
    assert parse(snapshot("python", "#" * (MAX_PARSE_BYTES + 1))) is None
    assert parse(snapshot("plaintext", "x = 1\n")) is None
