"""textDocument/didOpen, didChange, didClose and the same of notebooks: the document store follows the editor."""

from __future__ import annotations

from lsprotocol import types

from dg_lsp.preload import preload_language
from dg_lsp.session import Session

# Every cell is wanted, also one of a language that we do not know: only so is the order of the cells whole.
NOTEBOOKS = types.NotebookDocumentSyncOptions([types.NotebookDocumentFilterWithNotebook("*")])


class Synchronization:
    """Keeps the session's documents equal to the editor's.

    What is computed for an older version of a document is of use only where the user types on from its place.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def open(self, params: types.DidOpenTextDocumentParams) -> None:
        """Take a document in."""
        self._session.suggestions.changed(params.text_document.uri, None)
        self._session.acceptance.closed(params.text_document.uri)
        preload_language(self._session.documents.open(params.text_document).language_id)
        self._session.last_fills.forget(params.text_document.uri)

    def change(self, params: types.DidChangeTextDocumentParams) -> None:
        """Make the document's next version."""
        session = self._session
        before = session.documents.get(params.text_document.uri)
        now = session.documents.change(params.text_document, params.content_changes, session.encoding)
        session.suggestions.changed(params.text_document.uri, now)
        if before and now:
            session.acceptance.edited(now, params.content_changes)
            session.last_fills.follow(before, now)

    def close(self, params: types.DidCloseTextDocumentParams) -> None:
        """Forget a document."""
        self._session.suggestions.changed(params.text_document.uri, None)
        self._session.acceptance.closed(params.text_document.uri)
        self._session.documents.close(params.text_document.uri)
        self._session.last_fills.forget(params.text_document.uri)

    def open_notebook(self, params: types.DidOpenNotebookDocumentParams) -> None:
        """Take a notebook in."""
        self._session.documents.open_notebook(params)

    def change_notebook(self, params: types.DidChangeNotebookDocumentParams) -> None:
        """Make the next versions of the cells that changed, in the notebook's new order."""
        session = self._session
        edits = (params.change.cells and params.change.cells.text_content) or ()
        before = {edited.document.uri: session.documents.get(edited.document.uri) for edited in edits}
        session.documents.change_notebook(params, session.encoding)
        if cells := params.change.cells:
            for closed in (cells.structure and cells.structure.did_close) or ():
                session.suggestions.changed(closed.uri, None)
                session.acceptance.closed(closed.uri)
                session.last_fills.forget(closed.uri)
            for edited in cells.text_content or ():
                now = session.documents.get(edited.document.uri)
                session.suggestions.changed(edited.document.uri, now)
                if now:
                    session.acceptance.edited(now, edited.changes)
                if now and (old := before[edited.document.uri]):
                    session.last_fills.follow(old, now)

    def save_notebook(self, params: types.DidSaveNotebookDocumentParams) -> None:
        """Nothing: what is open is known already. Without a handler, each one would be logged as unknown."""

    def close_notebook(self, params: types.DidCloseNotebookDocumentParams) -> None:
        """Forget a notebook."""
        for cell in params.cell_text_documents:
            self._session.suggestions.changed(cell.uri, None)
            self._session.acceptance.closed(cell.uri)
            self._session.last_fills.forget(cell.uri)
        self._session.documents.close_notebook(params.notebook_document.uri)
