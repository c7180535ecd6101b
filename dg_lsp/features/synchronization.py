"""textDocument/didOpen, didChange, didClose: the document store follows the editor."""

from __future__ import annotations

from lsprotocol import types

from dg_lsp.session import Session


class Synchronization:
    """Keeps the session's documents equal to the editor's."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def open(self, params: types.DidOpenTextDocumentParams) -> None:
        """Take a document in."""
        self._session.documents.open(params.text_document)

    def change(self, params: types.DidChangeTextDocumentParams) -> None:
        """Make the document's next version; what is computed for the old one is of no use any more."""
        session = self._session
        session.scheduler.supersede(params.text_document.uri)
        session.documents.change(params.text_document, params.content_changes, session.encoding)

    def close(self, params: types.DidCloseTextDocumentParams) -> None:
        """Forget a document."""
        self._session.scheduler.supersede(params.text_document.uri)
        self._session.documents.close(params.text_document.uri)
