"""Every kind of hole, the same in every language. A test's document shows its hole as ⟦…⟧ and the cursor as │."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dg_lsp.documents import Snapshot
from dg_lsp.files import read_document
from dg_lsp.syntax import parser, tree
from dg_lsp.syntax.functions import function_at
from dg_lsp.syntax.holes import HoleKind, cursor_hole, hole_at, holes_in, selection_hole
from tests.dg_lsp.marks import CLOSE, CURSOR, OPEN, at_cursor, marked, snapshot

SOURCES = sorted((Path(__file__).parents[2] / "fixtures" / "sources").iterdir())
KINDS: tuple[HoleKind, ...] = ("cursor", "function", "arm", "todo", "arguments", "condition", "docstring")
STATEMENTS = {"python": "x = 1", "rust": "let x = 1;", "go": "var x = 1", "javascript": "x = 1;", "java": "int x = 1;"}


def check(kind: HoleKind, language: str, text: str) -> None:
    """The hole of a kind at the cursor stands where it is marked; without a mark there is none."""
    document, ranges = marked(language, text.replace(CURSOR, ""))
    offset = len(text.split(CURSOR)[0].replace(OPEN, "").replace(CLOSE, ""))
    hole = hole_at(document, offset, kind)
    assert ([(hole.start, hole.end)] if hole else []) == ranges
    assert hole is None or hole.kind == kind


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("python", "@overload\ndef f(a: int) -> int: ...\n"),
        ("python", "class A:\n    @abc.abstractmethod\n    def f(self):\n        pass\n"),
        (
            "python",
            "class A(Protocol[T]):\n    def f(self) -> int: ...\n\n    @property\n    def g(self) -> int: ...\n",
        ),
        ("python", "class A(abc.ABC):\n    def f(self) -> int:\n        raise NotImplementedError\n"),
        ("python", "class A(metaclass=ABCMeta):\n    def f(self):\n        pass\n"),
        ("python", "class A: pass\nclass B:\n    ...\n"),
        ("python", "try:\n    f()\nexcept OSError: pass\n"),
        ("javascript", "try { f() } catch {}\nsetTimeout(() => {});\nclass A {}\nif (a) {}\n"),
        (
            "typescript",
            "interface A { f(): void }\nabstract class B { abstract f(): void }\ndeclare function g(): void;\n",
        ),
        ("typescript", "class A { constructor(private readonly limit: number) {} }\n"),
        ("typescript", "function f(a: string): void;\n"),
        ("rust", 'trait A { fn f(&self); }\nextern "C" { fn g(); }\nstruct B {}\n'),
        ("go", "package a\n\ntype A interface { F() }\n\ntype B struct {}\n"),
        ("c", "int f(void);\nstruct a {};\n"),
        ("cpp", "struct A { A() = default; virtual void f() = 0; virtual ~A() {} A(int x) : x(x) {} int x; };\n"),
        ("java", "interface A { void f(); }\nabstract class B { abstract void f(); }\n"),
        ("java", "class A { void f() { try { g(); } catch (E e) {} } }\n"),
    ],
)
def test_what_is_empty_on_purpose_is_no_stub(language: str, text: str) -> None:
    document = snapshot(language, text)
    assert holes_in(document) == []
    assert [hole_at(document, offset, "function") for offset in range(len(text))] == [None] * len(text)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("python", "def f():\n    return│ None\n"),
        ("javascript", "class A { constructor() {│} }\n"),
        ("javascript", "const noop = () => {│};\n"),
        ("typescript", "const f = function (): void { │};\n"),
        ("go", "package a\n\nfunc f() error { return│ nil }\n"),
        ("cpp", "struct A { A(int x) {│} };\n"),
        ("java", "class A { private A() {│} }\n"),
    ],
)
def test_what_may_be_meant_is_filled_only_where_the_cursor_points_at_it(language: str, text: str) -> None:
    before, after = text.split(CURSOR)
    document = snapshot(language, before + after)
    assert hole_at(document, len(before), "function")
    assert holes_in(document) == []


def test_a_todo_asks_for_what_only_returns() -> None:
    for stub in ("return None  # TODO: read it", "# TODO: read it\n    return None"):
        assert [hole.label for hole in holes_in(snapshot("python", f"def f():\n    {stub}\n"))] == ["f"]


def test_a_stub_file_has_no_stubs() -> None:
    text = "def f() -> int: ...\n"
    assert holes_in(Snapshot("file:///a.pyi", "python", 1, text)) == []
    assert len(holes_in(Snapshot("file:///a.py", "python", 1, text))) == 1


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("python", "print(f(⟦1, │2⟧), 3)\n"),
        ("python", "print(⟦f(1, 2), │3⟧)\n"),
        ("python", "sum(⟦│x for x in y⟧)\n"),
        ("python", "x│ = f(1)\n"),
        ("python", "class A(B│): pass\n"),
        ("javascript", "new A(⟦a, () => { b() }│⟧);\n"),
        ("typescript", "f<T>(⟦│⟧);\n"),
        ("typescriptreact", "const a = <A b={f(⟦1,│⟧)} />;\n"),
        ("rust", 'fn f() { println!(⟦"{}", │1⟧); }\n'),
        ("go", "package a\n\nfunc f() { g(⟦1,│ 2⟧) }\n"),
        ("c", "void f() { g(⟦1,│ 2⟧); }\n"),
        ("cpp", "void f() { auto a = new A(⟦1,│ 2⟧); }\n"),
        ("java", "class A { void f() { this.g(⟦1,│ 2⟧); } }\n"),
        # Unknown languages, and texts that do not parse: brackets.
        ("kotlin", 'val a = f(⟦")", g[0], │⟧)\n'),
        ("kotlin", "val a = f(1│\n"),
        ("python", "def (:\n  f(⟦1, │⟧) ) else\n"),
    ],
)
def test_arguments(language: str, text: str) -> None:
    check("arguments", language, text)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("python", "if ⟦a and│ b⟧:\n    pass\n"),
        ("python", "if a:\n    pass\n│elif ⟦b⟧:\n    pass\n"),
        ("python", "while│ ⟦a⟧:\n    if b: pass\n"),
        ("python", "for a in ⟦b│⟧:\n    pass\n"),
        ("python", "│x = 1\n"),
        ("javascript", "if (⟦│⟧) { f() }\n"),
        ("javascript", "for (const a of ⟦b│⟧) {}\n"),
        ("typescript", "do {} while (⟦a│ < 1⟧);\n"),
        ("typescript", "for (let i = 0; ⟦i < n⟧; i++│) {}\n"),
        ("rust", "fn f() { while ⟦let Some(x)│ = y⟧ {} }\n"),
        ("go", "package a\n\nfunc f() { if a := 1; ⟦a │< 2⟧ {} }\n"),
        ("go", "package a\n\nfunc f() { for _, a := range ⟦b│⟧ {} }\n"),
        ("c", "void f() { while (⟦│a⟧) {} }\n"),
        ("cpp", "void f() { for (auto a : ⟦b│⟧) {} }\n"),
        ("java", "class A { void f() { if (⟦│a⟧) {} } }\n"),
        ("kotlin", "  } else if (⟦a && (b│)⟧) {\n"),
        ("ruby", "while ⟦a <│ 1⟧ do\n"),
        ("lua", "if ⟦│a⟧ then\n"),
        ("python", "if ⟦│⟧:\n    pass\n"),
    ],
)
def test_conditions(language: str, text: str) -> None:
    check("condition", language, text)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("python", 'def f():\n    ⟦"""Doc."""⟧\n    return│ 1\n'),
        ("python", "@a\ndef f():\n    ⟦⟧return│ 1\n"),
        ("python", "def f(): return│ 1\n"),
        ("python", "x = 1│\n"),
        ("javascript", "⟦/** Doc. */⟧\nexport function f() {│}\n"),
        ("javascript", "// no doc\n⟦⟧export const f = () => {│};\n"),
        ("typescript", "class A {\n  ⟦/**\n   * Doc.\n   */⟧\n  f(): void {│}\n}\n"),
        ("rust", "⟦/// One.\n/// Two.⟧\n#[inline]\nfn f() {│}\n"),
        ("rust", "⟦⟧#[inline]\nfn f() {│}\n"),
        ("go", "package a\n\n⟦// F does it.⟧\nfunc F() {│}\n"),
        ("go", "package a\n\n// elsewhere\n\n⟦⟧func F() {│}\n"),
        ("c", "⟦/* Doc. */⟧\nint f(void) { return│ 1; }\n"),
        ("cpp", "⟦/// Doc.⟧\ntemplate <class T>\nvoid f() {│}\n"),
        ("java", "class A {\n  ⟦/** Doc. */⟧\n  @Override\n  public int f() { return│ 1; }\n}\n"),
    ],
)
def test_docstrings(language: str, text: str) -> None:
    check("docstring", language, text)


@pytest.mark.parametrize(
    ("language", "text", "documented"),
    [
        ("python", 'def f():\n    """Doc."""\n    return│ 1\n', True),
        ("python", "def f():\n    return│ 1\n", False),
        ("java", "class A {\n  /** Doc. */\n  int f() {│}\n}\n", True),
        ("go", "package a\n\nfunc F() {│}\n", False),
    ],
)
def test_a_function_knows_whether_it_is_documented(language: str, text: str, documented: bool) -> None:
    function = function_at(*at_cursor(language, text))
    assert function is not None
    assert function.documented == documented


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("python", "match x:\n    case 1:\n        ⟦pass│⟧\n    case 2:\n        f()\n"),
        ("python", "match x:\n    case 1:\n        return\n    case _:│\n        pass\n"),
        ("python", "match x:\n    case _:\n        │⟦raise NotImplementedError  # TODO: all others⟧\n"),
        ("javascript", "switch (x) {\n  case 1:\n    │⟦// TODO⟧\n  case 2:\n    f();\n}\n"),
        ("javascript", "switch (x) {\n  case 1:│\n  case 2:\n    f();\n}\n"),
        ("javascript", "switch (x) {\n  case 1:\n    f();\n  case 2:⟦⟧│\n}\n"),
        ("typescript", "switch (x) {\n  case 1:\n    ⟦// TODO: one⟧\n    break│;\n}\n"),
        ("typescript", "switch (x) {\n  case 1: break;│\n  default:\n}\n"),
        ("typescript", 'switch (x) {\n  case "a": {⟦│⟧}\n  case "b": { return; }\n}\n'),
        ("rust", "fn f() { match x {\n    A => {⟦│⟧}\n    _ => {}\n} }\n"),
        ("rust", "fn f() { match x {\n    A(b) => ⟦todo!()│⟧,\n    B => (),\n} }\n"),
        ("rust", "fn f() { match x {\n    A => 1,\n    _ => {}│\n} }\n"),
        ("rust", "fn f() { match x {\n    _ => ⟦todo!()│⟧,\n} }\n"),
        ("go", "package a\n\nfunc f() {\n\tswitch x {\n\tcase 1:⟦⟧│\n\tcase 2:\n\t\tg()\n\tdefault:\n\t}\n}\n"),
        ("go", "package a\n\nfunc f() {\n\tswitch x {\n\tcase 1:│\n\t\t⟦// TODO⟧\n\tcase 2:\n\t\tg()\n\t}\n}\n"),
        ("c", "void f() {\n  switch (x) {\n  case 1:│\n    ⟦/* TODO */⟧\n    break;\n  case 2: break;\n  }\n}\n"),
        ("cpp", "void f() {\n  switch (x) {\n  case 1: {⟦│⟧}\n  default: break;\n  }\n}\n"),
        ("java", "class A { void f() { switch (x) {\n  case 1:│\n    ⟦// TODO⟧\n    break;\n} } }\n"),
        ("java", "class A { void f() { switch (x) {\n  case A -> {⟦│⟧}\n  default -> {}\n} } }\n"),
        (
            "java",
            "class A { int f() { return switch (x) {\n case A -> ⟦throw new UnsupportedOperationException();│⟧\n}; }}",
        ),
    ],
)
def test_arms(language: str, text: str) -> None:
    check("arm", language, text)
    document, ranges = marked(language, text.replace(CURSOR, ""))
    assert [(hole.start, hole.end) for hole in holes_in(document) if hole.kind == "arm"] == ranges


@pytest.mark.parametrize(
    ("language", "text", "label"),
    [
        ("python", "def f():\n    x = 1\n    # TODO: │double x⟦⟧\n    return x\n", "double x"),
        ("python", "def f():\n    x = 1\n    # TODO: double x│\n    # and more⟦⟧\n    return x\n", "double x"),
        ("python", "def f():\n    x = 1\n    # TODO: double x\n    # and│ more⟦⟧\n    return x\n", "double x"),
        ("javascript", "function f() {\n  g();\n  /* FIXME: h */│⟦⟧\n}\n", "h"),
        ("typescript", "function f() {\n  g();\n  // TODO│⟦⟧\n}\n", "TODO"),
        ("rust", "fn f() {\n    g();\n    // TODO: h│⟦⟧\n}\n", "h"),
        ("go", "package a\n\nfunc f() {\n\tg()\n\t// TODO: h│⟦⟧\n}\n", "h"),
        ("c", "void f() {\n  g();\n  // TODO: h│⟦⟧\n}\n", "h"),
        ("cpp", "void f() {\n  g();\n  // TODO: h│⟦⟧\n}\n", "h"),
        ("java", "class A { void f() {\n  g();\n  // TODO: h│⟦⟧\n} }\n", "h"),
    ],
)
def test_todo_comments(language: str, text: str, label: str) -> None:
    check("todo", language, text)
    document, ranges = marked(language, text.replace(CURSOR, ""))
    assert [(hole.kind, hole.start, hole.end, hole.label) for hole in holes_in(document)] == [
        ("todo", *ranges[0], label)
    ]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("python", "x = 1  # TODO: two│\n"),
        ("python", 's = """\n# TODO│\n"""\n'),
        ("python", "# no task│\n"),
        ("ruby", "  # TODO: sort│⟦⟧\n"),
        ("kotlin", "  val x = 1 // TODO│\n"),
    ],
)
def test_a_todo_comment_has_its_line_for_itself(language: str, text: str) -> None:
    check("todo", language, text)


def test_holes_come_in_order_and_those_of_a_stub_are_one() -> None:
    text = (
        "# TODO: module docstring\n\n"
        "def f():\n    # TODO: first\n    # TODO: second\n    return None\n\n"
        "def g(x):\n    match x:\n        case 1:\n            ...\n    # TODO: others\n    return x\n"
    )
    document = snapshot("python", text)
    assert [(hole.kind, hole.label, hole.indentation) for hole in holes_in(document)] == [
        ("function", "f", "    "),
        ("arm", "1", "            "),
        ("todo", "others", "    "),
    ]
    assert [hole.kind for hole in holes_in(document, text.index("def g"), len(text))] == ["arm", "todo"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a = ⟦1 + 2⟧\n", "1 + 2"),
        ("    a⟦ = 1\n    b =⟧ 2\n", "a = 1\n    b = 2"),
        ("⟦    a = 1\n⟧    b = 2\n", "    a = 1"),
        ("⟦    a = 1\n    b = 2\n⟧c\n", "a = 1\n    b = 2"),
        ("a\r⟦\nb⟧\r\n", "a\r\nb"),
    ],
)
def test_a_selection_over_lines_becomes_whole_lines(text: str, expected: str) -> None:
    document, ((start, end),) = marked("python", text)
    hole = selection_hole(document, end, start)
    assert (hole.kind, document.text[hole.start : hole.end]) == ("selection", expected)
    assert hole.single_line == ("\n" not in expected)


def test_an_empty_selection_is_a_cursor() -> None:
    assert selection_hole(snapshot("python", "a\n"), 1, 1).kind == "cursor"


@pytest.mark.parametrize(
    ("language", "text", "single_line"),
    [
        ("python", "def f(x):│\n", False),
        ("python", "x:│\n", True),
        ("python", "else: │x\n", True),
        ("javascript", "items.forEach(item => {│\n", False),
        ("javascript", "items.forEach(item => {│});\n", True),
        ("go", "if a {│\n", False),
        ("kotlin", "fun f() {│\n", False),
        ("kotlin", "f(│\n", True),
    ],
)
def test_a_cursor_behind_what_opens_a_block_wants_a_block(language: str, text: str, single_line: bool) -> None:
    assert cursor_hole(*at_cursor(language, text)).single_line == single_line


@pytest.mark.parametrize("text", ["fun f(a: Int): Int {⟦ ⟧}\n", "if (a) {}\n", "function f() {⟦\n⟧}\n"])
def test_empty_braces_are_stubs_in_unknown_languages(text: str) -> None:
    document, ranges = marked("kotlin", text)
    assert [(hole.start, hole.end) for hole in holes_in(document)] == ranges
    assert [hole_at(document, start, "function") is not None for start, _ in ranges] == [True] * len(ranges)


def test_a_file_that_cannot_be_parsed_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tree.why_no_tree(snapshot("python", "x")) is None
    assert tree.why_no_tree(snapshot("kotlin", "x")) == "no grammar for kotlin"
    large = snapshot("python", "#" * (parser.MAX_PARSE_BYTES + 1))
    assert tree.why_no_tree(large) == "the file is too large to parse (2.0 MiB): files up to 2 MiB are"
    monkeypatch.setattr(parser, "MAX_PARSE_S", 0.0)
    slow = snapshot("python", "def f():\n    pass\n" * 20_000)
    assert tree.why_no_tree(slow) == "the file takes longer than 0.0 s to parse"
    assert holes_in(slow) == []


@pytest.mark.parametrize("language", ["python", "javascript", "rust", "go", "c", "cpp", "java", "kotlin"])
@pytest.mark.parametrize("nonsense", ["({[" * 20_000, "f(" * 20_000, "if (" * 20_000, "{} " * 20_000, "'" * 20_001])
def test_nonsense_stops_nothing(language: str, nonsense: str) -> None:
    document, begin = snapshot(language, nonsense), time.process_time()
    holes_in(document)
    for kind in KINDS:
        hole_at(document, len(nonsense) // 2, kind)
    assert time.process_time() - begin < 10


PIECES = [path.read_text(encoding="utf-8") for path in SOURCES]
SNIPPETS = st.sampled_from(
    ["\r\n", "\r", "\n", "😀", "é", "// TODO: x", "# TODO", "{", "}", "(", ")", ":", "    ", "\t"]
)
LANGUAGES = st.sampled_from(["python", "javascript", "typescriptreact", "rust", "go", "c", "cpp", "java", "kotlin"])


@st.composite
def broken(draw: st.DrawFn) -> Snapshot:
    """A piece of a real source file with something put in, in any language and with any line ending."""
    text = draw(st.sampled_from(PIECES))
    start = draw(st.integers(0, len(text)))
    text = text[start : start + 600]
    at = draw(st.integers(0, len(text)))
    text = text[:at] + "".join(draw(st.lists(SNIPPETS, max_size=6))) + text[at:]
    return snapshot(draw(LANGUAGES), text.replace("\n", draw(st.sampled_from(["\n", "\r\n", "\r"]))))


@settings(max_examples=120, deadline=None)
@given(broken(), st.data())
def test_holes_lie_in_the_document_apart_and_never_inside_a_line_ending(
    document: Snapshot, data: st.DataObject
) -> None:
    text = document.text
    offset, other = data.draw(st.integers(0, len(text))), data.draw(st.integers(0, len(text)))
    listed = holes_in(document)
    assert all(left.end < right.start for left, right in pairwise(listed))
    at = [hole for kind in KINDS if (hole := hole_at(document, offset, kind))]
    for hole in [*listed, *at, selection_hole(document, offset, other)]:
        assert 0 <= hole.start <= hole.end <= len(text)
        for end in (hole.start, hole.end):
            assert text[max(end - 1, 0) : end + 1] != "\r\n"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_a_statement_in_a_stub_keeps_the_tree_whole(path: Path) -> None:
    document = read_document(path)
    statement = STATEMENTS.get(document.language_id, "int x = 1;")
    if document.language_id.startswith(("javascript", "typescript")):
        statement = "x = 1;"
    holes = [hole for hole in holes_in(document) if hole.kind == "function"]
    assert holes
    for hole in holes:
        text = document.text[: hole.start] + statement + document.text[hole.end :]
        filled = tree.parse(snapshot(document.language_id, text))
        assert filled is not None
        assert not filled.root_node.has_error, hole.label
