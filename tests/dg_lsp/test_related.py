"""Code from other places: definitions, imports, the last places, and what of it a request gets."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from lsprotocol import types

from dg_lsp.context import exclusions, related
from dg_lsp.context.definitions import MAX_CHARS as MAX_DEFINITION
from dg_lsp.context.definitions import MAX_LINES, definitions
from dg_lsp.context.exclusions import Exclusions
from dg_lsp.context.imports import imported_files
from dg_lsp.context.recent import Recent, chunk_at
from dg_lsp.context.related import MAX_CHARS, MAX_SOURCE, Related
from dg_lsp.documents import DocumentStore, Snapshot
from engine.protocol import Snippet


def found(text: str, language: str) -> dict[str, str]:
    lines = text.split("\n")
    return dict(definitions(lines, language, range(len(lines))))


@pytest.mark.parametrize(
    ("language", "text", "names"),
    [
        ("python", "N: int = 3\nclass A:\n    async def f(self):\n        x = 1\nif a == b:\n    pass\n", "N A f"),
        ("javascript", "export const K = 1\nfunction f() {\n  const x = g()\n  if (x) {\n  }\n}\n", "K f"),
        ("javascriptreact", "class A {\n  async get(x) {\n  }\n}\nexport default function B() {}\n", "A get B"),
        ("typescript", "interface P {}\nexport type Q = P\nenum E { A }\ndeclare class C {}\n", "P Q E C"),
        ("typescriptreact", "export const View = (p: P) => <b/>\nabstract class D {}\n", "View D"),
        ("rust", "pub(crate) async fn f() {}\nstruct S;\nimpl S {\n    fn g() {}\n}\nmacro_rules! m {}\n", "f S g m"),
        ("go", "type T struct {\n}\nfunc (t *T) M() {\n\tx := f()\n}\nfunc F() {}\nconst C = 1\n", "T M F C"),
        ("c", "#define MAX 3\nstruct s {\n};\nstatic int *f(int a)\n{\n\treturn g(a);\n}\nint h(void);\n", "MAX s f"),
        ("cpp", "class A {\n};\nstd::string A::name() const {\n  return n;\n}\nenum class E {\n};\n", "A name E"),
        ("java", "final class A {\n    List<X> f(int x) {\n        g(x);\n    }\n}\nrecord R(int x) {}\n", "A f R"),
        ("plaintext", "def f():\n    pass\n", ""),
    ],
)  # fmt: skip
def test_definitions_of_each_language(language: str, text: str, names: str) -> None:
    assert " ".join(found(text, language)) == names


@pytest.mark.parametrize(
    ("language", "text", "definition"),
    [
        ("python", "def f(\n    a,\n):\n    b\n\n    c\n\n\nx\n", "def f(\n    a,\n):\n    b\n\n    c"),
        ("python", "class A:\n    x = 1\ny = 2\n", "class A:\n    x = 1"),
        ("c", "int f(void)\n{\n\ta();\n}\n\nvoid g(void) {\n}\n", "int f(void)\n{\n\ta();\n}"),
        ("go", "func F() {\n\ta()\n}\n\nfunc G() {\n}\n", "func F() {\n\ta()\n}"),
        ("typescript", "function f(\n  a: A,\n): B {\n  g()\n}\nh()\n", "function f(\n  a: A,\n): B {\n  g()\n}"),
    ],
)
def test_a_definition_goes_to_its_end(language: str, text: str, definition: str) -> None:
    assert next(iter(found(text, language).values())) == definition


def test_a_long_definition_is_cut_between_lines() -> None:
    many = found("def f():\n" + "    x\n" * 100, "python")["f"]
    assert many.count("\n") + 1 == MAX_LINES
    wide = found("def f():\n" + ("    x = '" + "y" * 500 + "'\n") * 10, "python")["f"]
    assert len(wide) <= MAX_DEFINITION
    assert wide.endswith("y'")


@pytest.mark.parametrize("language", ["python", "typescript", "rust", "go", "c", "cpp", "java"])
@pytest.mark.parametrize("line", ["a " * 140, "a*" * 140, "a::" * 95, "  " + "a(" * 140, "pub " * 70, "\t" * 280])
def test_odd_lines_take_no_time(language: str, line: str) -> None:
    begun = time.process_time()
    found("\n".join([line] * 100), language)
    assert time.process_time() - begun < 1  # a pattern that backtracks would take minutes


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ("import util", ["util.py"]),
        ("import os, util as u  # both", ["util.py"]),
        ("from app import models, views as v", ["app/__init__.py", "app/models.py", "app/views/__init__.py"]),
        ("from app.models import (\n    User,  # a user\n    Group,\n)", ["app/models.py"]),
        ("from . import models", ["app/__init__.py", "app/models.py"]),
        ("from .models import User", ["app/models.py"]),
        ("from ..util import f", ["util.py"]),
        ("from .... import nothing", []),
        ("import lib", ["src/lib.py"]),
        ("import models", ["app/models.py"]),
        ("if x:\n    import util", ["util.py"]),
        ("import main", []),
        ("from app.", []),
        ("from app import (", ["app/__init__.py"]),
        ("import outside", []),
    ],
)
def test_imports_are_looked_up_in_the_workspace(tmp_path: Path, text: str, files: list[str]) -> None:
    folder = tmp_path / "work"
    write(tmp_path, "outside.py")
    write(folder, "util.py", "app/__init__.py", "app/main.py", "app/models.py", "app/views/__init__.py", "src/lib.py")
    found = imported_files(text, folder / "app" / "main.py", folder)
    assert [file.relative_to(folder).as_posix() for file in found] == files


def snapshot(text: str, name: str = "a.py", language: str = "python") -> Snapshot:
    return Snapshot(f"file:///project/{name}", language, 1, text)


def test_the_last_places_of_other_documents_come_latest_first() -> None:
    recent, here = Recent(), snapshot("here\n", "here.py")
    for name in ("a", "b", "a"):
        recent.visit(snapshot(f"in_{name}\n", name), 0)
    recent.visit(here, 0)
    assert [chunk.text for chunk in recent.elsewhere(chunk_at(here, 0))] == ["in_a", "in_b"]


def test_places_far_from_each_other_are_kept_apart_and_the_ring_is_bounded() -> None:
    recent, long = Recent(), snapshot("".join(f"line {n}\n" for n in range(4000)))
    for line in (0, 10, 200, 210):
        recent.visit(long, line)
    here = chunk_at(snapshot("x\n", "here.py"), 0)
    assert [chunk.line for chunk in recent.elsewhere(here)] == [210, 10]
    for line in range(0, 4000, 100):
        recent.visit(long, line)
    assert len(list(recent.elsewhere(here))) == 16


def test_what_resembles_the_code_at_the_hole_is_not_shown() -> None:
    recent = Recent()
    recent.visit(snapshot("a\nb\nc\nd\n", "one.py"), 0)
    assert not list(recent.elsewhere(chunk_at(snapshot("a\nb\nc\nx\n"), 0)))
    assert list(recent.elsewhere(chunk_at(snapshot("a\nx\ny\nz\n"), 0)))


class Workspace:
    """Open documents in a folder, and what a request in them gets."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.exclude: tuple[str, ...] = ()
        self.documents = DocumentStore()
        self.related = Related(self.documents, Exclusions(lambda: [folder], lambda: self.exclude))

    def open(self, name: str, text: str, language: str = "python") -> str:
        uri = (self.folder / name).as_uri()
        self.documents.open(types.TextDocumentItem(uri=uri, language_id=language, version=1, text=text))
        return uri

    def file(self, name: str, text: str) -> None:
        write(self.folder, name)
        (self.folder / name).write_text(text)

    async def get(self, uri: str, offset: int = 0) -> dict[str, str]:
        await self.related.read()
        return {snippet.path: snippet.text for snippet in self.snippets(uri, offset)}

    def snippets(self, uri: str, offset: int = 0) -> tuple[Snippet, ...]:
        document = self.documents.get(uri)
        assert document
        return self.related.snippets(document, offset)


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setattr(exclusions, "_RECHECK_S", 0)
    (tmp_path / "work").mkdir()
    return Workspace(tmp_path / "work")


async def test_a_name_near_the_hole_brings_its_definition(work: Workspace) -> None:
    work.open("far.py", "def area(w, h):\n    return w * h\n\n\ndef volume():\n    pass\n")
    uri = work.open("here.py", "area(1, 2)\n" + "\n" * 100 + "volume()\n")
    assert await work.get(uri) == {"far.py": "def area(w, h):\n    return w * h"}


async def test_what_the_document_defines_itself_is_not_looked_up(work: Workspace) -> None:
    work.open("far.py", "def area():\n    pass\n")
    assert await work.get(work.open("here.py", "def area():\n    return 1\n\narea()\n")) == {}


async def test_an_imported_file_counts_before_an_open_one(work: Workspace) -> None:
    work.file("lib.py", "def area():\n    'imported'\n")
    work.open("open.py", "def area():\n    'open'\n")
    uri = work.open("here.py", "from lib import area\narea()\n")
    assert await work.get(uri) == {"lib.py": "def area():\n    'imported'"}


async def test_the_text_in_the_editor_counts_and_after_closing_that_of_the_file(work: Workspace) -> None:
    work.file("lib.py", "def area():\n    'saved'\n")
    lib = work.open("lib.py", "def area():\n    'edited'\n")
    uri = work.open("here.py", "import lib\nlib.area()\n")
    assert await work.get(uri) == {"lib.py": "def area():\n    'edited'"}
    work.documents.close(lib)
    assert await work.get(uri) == {"lib.py": "def area():\n    'saved'"}
    work.file("lib.py", "def area():\n    'saved anew'\n")
    assert await work.get(uri) == {"lib.py": "def area():\n    'saved anew'"}


async def test_a_document_without_a_language_in_common_or_of_another_project_is_not_shown(work: Workspace) -> None:
    work.open("area.rs", "fn area() {}\n", "rust")
    work.open("../other/area.py", "def area():\n    pass\n")
    work.open("area.ts", "function area() {}\n", "typescript")
    assert await work.get(work.open("here.py", "area()\n")) == {}
    assert await work.get(work.open("here.js", "area()\n", "javascript")) == {"area.ts": "function area() {}"}


@pytest.mark.parametrize("name", ["secrets.env", "ignored.py", "named.py", "link.py"])
async def test_nothing_left_out_is_shown(work: Workspace, name: str) -> None:
    work.exclude = ("named.py",)
    work.file(".gitignore", "ignored.py\n")
    work.file("secrets.env", "")
    (work.folder / "link.py").symlink_to("secrets.env")
    here = work.open("here.py", "area()\n")
    work.open(name, "def area():\n    pass\n")
    work.snippets((work.folder / name).as_uri())
    assert await work.get(here) == {}


async def test_what_is_excluded_later_is_not_shown_any_more(work: Workspace) -> None:
    work.open("far.py", "def area():\n    pass\n")
    here = work.open("here.py", "area()\n")
    assert await work.get(here)
    work.exclude = ("far.py",)
    assert work.snippets(here) == ()


async def test_parts_with_a_secret_are_not_shown(work: Workspace) -> None:
    far = work.open("far.py", "def area():\n    key = 'AKIA" + "IOSFODNN7EXAMPLE'\n\n\ndef side():\n    pass\n")
    here = work.open("here.py", "area(side())\n")
    work.snippets(far, 20)
    assert await work.get(here) == {"far.py": "def side():\n    pass"}


async def test_all_snippets_together_are_bounded_and_a_huge_document_is_not_read(work: Workspace) -> None:
    names = [f"name_{n}" for n in range(40)]
    work.open("far.py", "".join(f"def {name}():\n    '{'x' * 900}'\n" for name in names))
    here = work.open("here.py", " ".join(names) + "\n")
    await work.related.read()
    assert MAX_CHARS - 1000 < sum(len(snippet.text) for snippet in work.snippets(here)) <= MAX_CHARS
    work.open("huge.py", "def area():\n    pass\n" + "#" * MAX_SOURCE)
    assert "huge.py" not in await work.get(work.open("there.py", "area()\n"))


async def test_a_huge_document_gets_what_others_define(work: Workspace) -> None:
    work.open("far.py", "def area():\n    pass\n")
    assert await work.get(work.open("here.py", "area()\n" * 200_000)) == {"far.py": "def area():\n    pass"}


async def test_many_imported_files_are_read_in_some_rounds_and_then_left_alone(
    work: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(related, "_ROUND_S", 0)
    monkeypatch.setattr(related, "_MAX_FILES", 3)
    for n in range(5):
        work.file(f"lib{n}.py", f"def area{n}():\n    pass\n")
    here = work.open("here.py", "from lib0 import area0\n" + "".join(f"import lib{n}\narea{n}()\n" for n in range(5)))
    assert [await work.related.read() for _ in range(4)] == [False, False, False, True]
    assert {snippet.path for snippet in work.snippets(here)} == {"lib0.py", "lib1.py", "lib2.py"}


async def test_what_was_shown_stays_first_while_the_cursor_stays(work: Workspace) -> None:
    work.open("far.py", "".join(f"def {name}():\n    pass\n\n" for name in ("one", "two", "three")))
    here = work.open("here.py", "one()\n\n\n\ntwo()\n" + "\n" * 100 + "three()\n")
    await work.related.read()
    first = work.snippets(here, 0)
    assert [snippet.text[4:7] for snippet in first] == ["one", "two"]
    assert work.snippets(here, 9) == first
    work.open("here.py", "three()\n\n\n\ntwo()\n")
    assert [snippet.text[4:7] for snippet in work.snippets(here, 0)] == ["one", "two", "thr"]
    work.open("here.py", "\n" * 50 + "two()\n")
    assert [snippet.text[4:7] for snippet in work.snippets(here, 50)] == ["two"]


async def test_a_definition_that_changed_is_not_shown_in_its_old_form(work: Workspace) -> None:
    work.open("far.py", "def area():\n    'old'\n")
    here = work.open("here.py", "area()\n")
    assert await work.get(here) == {"far.py": "def area():\n    'old'"}
    work.open("far.py", "def area():\n    'new'\n")
    await work.related.read()
    assert [snippet.text for snippet in work.snippets(here)] == ["def area():\n    'new'"]


async def test_documents_that_are_no_files_take_no_part(work: Workspace) -> None:
    item = types.TextDocumentItem(uri="untitled:U", language_id="python", version=1, text="def area():\n    pass\n")
    work.documents.open(item)
    work.open("far.py", "def area():\n    pass\n")
    await work.related.read()
    assert work.snippets("untitled:U") == ()


async def test_the_cells_above_are_shown_by_the_prefix_and_those_below_by_their_definitions(work: Workspace) -> None:
    uris = [f"vscode-notebook-cell:{(work.folder / 'a.ipynb').as_uri().removeprefix('file:')}#{n}" for n in range(3)]
    texts = ("def area():\n    pass\n", "area()\nvolume()\n", "def volume():\n    pass\n")
    cells = [types.NotebookCell(types.NotebookCellKind.Code, uri) for uri in uris]
    items = [types.TextDocumentItem(uri, "python", 1, text) for uri, text in zip(uris, texts, strict=True)]
    notebook = types.NotebookDocument("file:///a.ipynb", "jupyter-notebook", 1, cells)
    work.documents.open_notebook(types.DidOpenNotebookDocumentParams(notebook, items))
    assert await work.get(uris[1]) == {"a.ipynb": "def volume():\n    pass"}
