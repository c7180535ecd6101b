"""Open documents as immutable snapshots, one per version.

A snapshot keeps its lines; text, offsets and UTF-8 bytes are built when first asked for, so that a
keystroke costs one copy of the list of lines.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from lsprotocol import types

from dg_lsp.language_ids import language_for
from dg_lsp.notebooks import Notebook
from dg_lsp.positions import Encoding, LineStarts, changed, characters_before, code_units, content, locate, split_lines
from dg_lsp.uris import file_name

_log = logging.getLogger(__name__)

UNNUMBERED = -(2**31)
"""Stands for a version that the editor does not tell: the next one is counted then."""


class Snapshot:
    """One version of one document. Never changes; offsets count characters (code points) of `text`."""

    __slots__ = ("__weakref__", "_byte_starts", "_lines", "_starts", "_text", "_utf8", "language_id", "uri", "version")

    def __init__(self, uri: str, language_id: str, version: int, text: str | list[str]) -> None:
        """`text` comes whole or as its lines, each with its line ending and the last one without."""
        self.uri = uri
        self.language_id = language_id
        self.version = version
        self._lines = split_lines(text) if isinstance(text, str) else text
        self._text = text if isinstance(text, str) else None
        self._utf8: bytes | None = None
        self._starts: LineStarts | None = None
        self._byte_starts: LineStarts | None = None

    @property
    def text(self) -> str:
        """The whole text with the line endings it came with."""
        if self._text is None:
            self._text = "".join(self._lines)
        return self._text

    @property
    def utf8(self) -> bytes:
        """The text in UTF-8 (a lone surrogate as its three bytes)."""
        if self._utf8 is None:
            self._utf8 = self.text.encode("utf-8", "surrogatepass")
        return self._utf8

    @property
    def eol(self) -> str:
        """The line ending that prevails in the document; "\\n" when it has none."""
        crlf = self.text.count("\r\n")
        counts = {"\n": self.text.count("\n") - crlf, "\r\n": crlf, "\r": self.text.count("\r") - crlf}
        return max(counts, key=lambda eol: counts[eol])

    @property
    def line_count(self) -> int:
        """The number of lines; at least one, and one more after a final line ending."""
        return len(self._lines)

    def line_text(self, line: int) -> str:
        """A line without its line ending. Raises IndexError beyond the document."""
        return content(self._lines[line])

    def line_start(self, line: int) -> int:
        """The offset of a line's first character. Raises IndexError beyond the document."""
        return self._line_starts().of(line)

    def line_end(self, line: int) -> int:
        """The offset behind a line's last character, before its line ending."""
        return self.line_start(line) + len(self.line_text(line))

    def line_at(self, offset: int) -> int:
        """The line that holds an offset; a line ending belongs to the line it ends."""
        return self._line_starts().line_at(offset)

    def offset_at(self, position: types.Position, encoding: Encoding) -> int:
        """The offset of a position.

        A column inside a character goes back to its start, one beyond the line to the line's end; a
        line beyond the document goes to the document's end.
        """
        line, character = locate(self._lines, position, encoding)
        return self.line_start(line) + character

    def position_at(self, offset: int, encoding: Encoding) -> types.Position:
        """The position of an offset; one inside "\\r\\n" goes back to the line's end."""
        line = self.line_at(offset)
        before = self.line_text(line)[: max(offset - self.line_start(line), 0)]
        return types.Position(line=line, character=code_units(before, encoding))

    def byte_at(self, offset: int) -> int:
        """The offset in `utf8` of a character offset."""
        if self.text.isascii():
            return min(offset, len(self.text))
        line = self.line_at(offset)
        before = self._lines[line][: offset - self.line_start(line)]
        return self._line_byte_starts().of(line) + code_units(before, "utf-8")

    def offset_of_byte(self, byte: int) -> int:
        """The character offset of an offset in `utf8`; a byte inside a character goes back to its start."""
        if self.text.isascii():
            return min(byte, len(self.text))
        starts = self._line_byte_starts()
        line = starts.line_at(byte)
        return self.line_start(line) + characters_before(self._lines[line], byte - starts.of(line), "utf-8")

    def inserted_since(self, old: Snapshot, offset: int) -> str | None:
        """The text that was inserted at an offset of an older version; None when anything else changed since."""
        line = old.line_at(offset)
        end = self.line_count - (old.line_count - line - 1)
        if end <= line or self._lines[:line] != old._lines[:line] or self._lines[end:] != old._lines[line + 1 :]:
            return None
        column = offset - old.line_start(line)
        before, after = old._lines[line][:column], old._lines[line][column:]
        now = "".join(self._lines[line:end])
        if len(now) < len(old._lines[line]) or not (now.startswith(before) and now.endswith(after)):
            return None
        return now[column : len(now) - len(after)]

    def _line_starts(self) -> LineStarts:
        if self._starts is None:
            self._starts = LineStarts(self._lines, "utf-32")
        return self._starts

    def _line_byte_starts(self) -> LineStarts:
        if self._byte_starts is None:
            self._byte_starts = LineStarts(self._lines, "utf-8")
        return self._byte_starts


class DocumentStore:
    """The documents that the editor has open, each at its newest version; a cell of a notebook is a document.

    An editor that breaks the protocol costs one line in the log for each document, and no error: an error would be
    shown with every key.
    """

    def __init__(self) -> None:
        self._snapshots: dict[str, Snapshot] = {}
        self._notebooks: dict[str, Notebook] = {}
        self._reported: set[str] = set()

    def open(self, item: types.TextDocumentItem) -> Snapshot:
        """Take over a document that the editor opened. One that is open already gets the new text."""
        self._reported.discard(item.uri)
        if item.uri in self._snapshots:
            self._report(item.uri, "was opened twice; the second text holds")
        version = 0 if item.version == UNNUMBERED else item.version
        language = language_for(item.language_id, file_name(item.uri))
        return self._keep(Snapshot(item.uri, language, version, item.text))

    def change(
        self,
        document: types.VersionedTextDocumentIdentifier,
        changes: Sequence[types.TextDocumentContentChangeEvent],
        encoding: Encoding,
    ) -> Snapshot | None:
        """Apply edits, each relative to the result of the one before (LSP 3.18, didChange).

        None when the document is not open: its text is not known then. A version that is not above the last one is
        taken: messages keep their order, so the edits are right even where the number is not.
        """
        old = self._snapshots.get(document.uri)
        if old is None:
            self._report(document.uri, "was changed but is not open; it has to be opened again")
            return None
        version = old.version + 1 if document.version == UNNUMBERED else document.version
        if version <= old.version:
            self._report(document.uri, f"went from version {old.version} to {version}; its edits are applied")
        lines = changed(old._lines, changes, encoding)
        return self._keep(Snapshot(old.uri, old.language_id, version, lines))

    def close(self, uri: str) -> None:
        """Forget a document; nothing happens when it is not open."""
        self._snapshots.pop(uri, None)
        self._reported.discard(uri)

    def get(self, uri: str) -> Snapshot | None:
        """The newest version of an open document."""
        return self._snapshots.get(uri)

    def all(self) -> list[Snapshot]:
        """The newest version of every open document."""
        return list(self._snapshots.values())

    def open_notebook(self, params: types.DidOpenNotebookDocumentParams) -> None:
        """Take over a notebook and its cells. One that is open already is closed first."""
        notebook = params.notebook_document
        self._reported.discard(notebook.uri)
        if notebook.uri in self._notebooks:
            self.close_notebook(notebook.uri)
            self._report(notebook.uri, "was opened twice; the second one holds")
        self._notebooks[notebook.uri] = Notebook.of(notebook.cells)
        for item in params.cell_text_documents:
            self.open(item)

    def change_notebook(self, params: types.DidChangeNotebookDocumentParams, encoding: Encoding) -> None:
        """Follow cells that were added, removed, moved or changed in kind, and then the edits of their texts."""
        uri, changes = params.notebook_document.uri, params.change.cells
        notebook = self._notebooks.get(uri)
        if notebook is None:
            self._report(uri, "was changed but is not open; it has to be opened again")
            return
        if changes is None:
            return
        if changes.structure:
            notebook = notebook.restructured(changes.structure.array)
            for closed in changes.structure.did_close or ():
                self.close(closed.uri)
            for item in changes.structure.did_open or ():
                self.open(item)
        self._notebooks[uri] = notebook.with_kinds(changes.data or ())
        for edited in changes.text_content or ():
            self.change(edited.document, edited.changes, encoding)

    def close_notebook(self, uri: str) -> None:
        """Forget a notebook and its cells; nothing happens when it is not open."""
        notebook = self._notebooks.pop(uri, None)
        self._reported.discard(uri)
        for cell in notebook.cells if notebook else ():
            self.close(cell)

    def cells_before(self, uri: str) -> list[Snapshot]:
        """The code cells above a cell, from the top of its notebook; none for what is no cell."""
        for notebook in self._notebooks.values():
            if uri in notebook.cells:
                return [self._snapshots[cell] for cell in notebook.code_before(uri) if cell in self._snapshots]
        return []

    def _keep(self, snapshot: Snapshot) -> Snapshot:
        self._snapshots[snapshot.uri] = snapshot
        return snapshot

    def _report(self, uri: str, what: str) -> None:
        """Log what an editor did wrong, once until it opens or closes the document."""
        if uri not in self._reported:
            self._reported.add(uri)
            _log.warning("%s %s", uri, what)
