"""The order of a notebook's cells; their texts are documents like any other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from lsprotocol import types


@dataclass(frozen=True, slots=True)
class Notebook:
    """One version of a notebook: the addresses of its cells from top to bottom, and the kind of each."""

    cells: tuple[str, ...]
    kinds: Mapping[str, types.NotebookCellKind]

    @classmethod
    def of(cls, cells: Iterable[types.NotebookCell]) -> Notebook:
        """A notebook of the protocol's cells."""
        kinds = {cell.document: cell.kind for cell in cells}
        return cls(tuple(kinds), kinds)

    def restructured(self, change: types.NotebookCellArrayChange) -> Notebook:
        """This notebook with some successive cells replaced by others, as a list's slice."""
        new = Notebook.of(change.cells or ())
        head, tail = self.cells[: change.start], self.cells[change.start + change.delete_count :]
        cells = (*head, *new.cells, *tail)
        kinds = {**self.kinds, **new.kinds}
        return Notebook(cells, {cell: kinds[cell] for cell in cells})

    def with_kinds(self, cells: Iterable[types.NotebookCell]) -> Notebook:
        """This notebook where cells became code or markup."""
        changed = {cell: kind for cell, kind in Notebook.of(cells).kinds.items() if cell in self.kinds}
        return replace(self, kinds={**self.kinds, **changed})

    def code_before(self, cell: str) -> list[str]:
        """The code cells above a cell, from the top."""
        above = self.cells[: self.cells.index(cell)]
        return [uri for uri in above if self.kinds[uri] is types.NotebookCellKind.Code]
