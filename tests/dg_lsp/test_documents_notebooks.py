"""Notebooks: each cell is a document, and their order is known."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types

from dg_lsp.documents import DocumentStore

NOTEBOOK = "file:///a.ipynb"
CODE, MARKUP = types.NotebookCellKind.Code, types.NotebookCellKind.Markup


@dataclass(frozen=True)
class Cell:
    name: str
    text: str = ""
    kind: types.NotebookCellKind = CODE

    @property
    def uri(self) -> str:
        return f"vscode-notebook-cell:/a.ipynb#{self.name}"

    @property
    def cell(self) -> types.NotebookCell:
        return types.NotebookCell(kind=self.kind, document=self.uri)

    @property
    def item(self) -> types.TextDocumentItem:
        language = "python" if self.kind is CODE else "markdown"
        return types.TextDocumentItem(uri=self.uri, language_id=language, version=1, text=self.text)


def opened(*cells: Cell) -> DocumentStore:
    store = DocumentStore()
    open_notebook(store, *cells)
    return store


def open_notebook(store: DocumentStore, *cells: Cell) -> None:
    notebook = types.NotebookDocument(NOTEBOOK, "jupyter-notebook", 1, [cell.cell for cell in cells])
    store.open_notebook(types.DidOpenNotebookDocumentParams(notebook, [cell.item for cell in cells]))


def change(store: DocumentStore, cells: types.NotebookDocumentCellChanges | None) -> None:
    document = types.VersionedNotebookDocumentIdentifier(version=2, uri=NOTEBOOK)
    event = types.NotebookDocumentChangeEvent(cells=cells)
    store.change_notebook(types.DidChangeNotebookDocumentParams(document, event), "utf-16")


def structure(start: int, removed: list[Cell], added: list[Cell]) -> types.NotebookDocumentCellChanges:
    """As an editor says it: what is removed and added again has moved and stays open."""
    array = types.NotebookCellArrayChange(start, len(removed), [cell.cell for cell in added])
    did_open = [cell.item for cell in added if cell not in removed]
    did_close = [types.TextDocumentIdentifier(cell.uri) for cell in removed if cell not in added]
    return types.NotebookDocumentCellChanges(types.NotebookDocumentCellChangeStructure(array, did_open, did_close))


def above(store: DocumentStore, cell: Cell) -> list[str]:
    return [snapshot.text for snapshot in store.cells_before(cell.uri)]


A, B, C = Cell("a", "import os\n"), Cell("b", "x = 1"), Cell("c", "y = 2")
TITLE = Cell("title", "# Title", MARKUP)


def test_code_cells_above_are_known_in_their_order() -> None:
    store = opened(TITLE, A, B, C)
    assert above(store, C) == ["import os\n", "x = 1"]
    assert above(store, A) == []
    markup = store.get(TITLE.uri)
    assert markup is not None
    assert markup.language_id == "markdown"


def test_what_is_no_cell_has_no_cells_above() -> None:
    store = opened(A)
    store.open(Cell("other").item)
    assert above(store, Cell("other")) == []


def test_an_edit_changes_one_cell() -> None:
    store = opened(A, B)
    where = types.Range(types.Position(0, 0), types.Position(0, 6))
    edits = [types.TextDocumentContentChangePartial(where, "from")]
    document = types.VersionedTextDocumentIdentifier(version=2, uri=A.uri)
    content = types.NotebookDocumentCellContentChanges(document, edits)
    change(store, types.NotebookDocumentCellChanges(text_content=[content]))
    assert above(store, B) == ["from os\n"]


def test_a_cell_may_become_markup() -> None:
    store = opened(A, B)
    change(store, types.NotebookDocumentCellChanges(data=[Cell("a", kind=MARKUP).cell]))
    assert above(store, B) == []


def test_a_change_without_cells_changes_nothing() -> None:
    """Metadata and outputs."""
    store = opened(A, B)
    change(store, None)
    assert above(store, B) == [A.text]


names = st.lists(st.sampled_from("abcdefgh"), unique=True)


@given(names, st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8), names), max_size=6))
def test_any_structure_changes_equal_slices_of_a_list(
    first: list[str], script: list[tuple[int, int, list[str]]]
) -> None:
    cells = [Cell(name, name) for name in first]
    store = opened(*cells)
    for start, count, added_names in script:
        rest = cells[:start] + cells[start + count :]
        added = [cell for name in added_names if (cell := Cell(name, name)) not in rest]
        change(store, structure(start, cells[start : start + count], added))
        cells[start : start + count] = added
        for index, cell in enumerate(cells):
            assert above(store, cell) == [earlier.text for earlier in cells[:index]]
        for name in "abcdefgh":
            assert (store.get(Cell(name).uri) is not None) == (Cell(name, name) in cells)


def test_a_closed_notebook_is_forgotten_with_its_cells() -> None:
    store = opened(A, B)
    store.close_notebook(NOTEBOOK)
    assert (store.get(A.uri), store.get(B.uri), above(store, B)) == (None, None, [])
    store.close_notebook(NOTEBOOK)  # an editor may say it twice


def test_a_notebook_opened_twice_holds_the_second_cells(caplog: pytest.LogCaptureFixture) -> None:
    store = opened(A, B)
    open_notebook(store, C, B)
    assert store.get(A.uri) is None
    assert above(store, B) == [C.text]
    assert caplog.messages == [f"{NOTEBOOK} was opened twice; the second one holds"]


def test_a_change_of_a_notebook_that_is_not_open_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    store = DocumentStore()
    change(store, structure(0, [], [A]))
    change(store, structure(1, [], [B]))
    assert store.get(A.uri) is None
    assert caplog.messages == [f"{NOTEBOOK} was changed but is not open; it has to be opened again"]
