"""Edits of a document in the shape that an editor can take."""

from __future__ import annotations

from collections.abc import Sequence

from lsprotocol import types

from dg_lsp.completion.several import Edit
from dg_lsp.documents import Snapshot
from dg_lsp.session import Session


def workspace_edit(session: Session, snapshot: Snapshot, edits: Sequence[Edit]) -> types.WorkspaceEdit:
    """The edits with the document's version and, where there are several, a note on each that the user can decline.

    An editor that knows neither gets plain changes. The texts keep the line endings of the document as the editor sent
    it: one that does not convert them would else mix them.
    """
    workspace = session.capabilities.workspace
    knows = workspace.workspace_edit if workspace else None
    if not (knows and knows.document_changes):
        return types.WorkspaceEdit(changes={snapshot.uri: [_text_edit(session, snapshot, edit) for edit in edits]})
    document = types.OptionalVersionedTextDocumentIdentifier(uri=snapshot.uri, version=snapshot.version)
    plain = [_text_edit(session, snapshot, edit) for edit in edits]
    if len(edits) == 1 or not knows.change_annotation_support:
        return types.WorkspaceEdit(document_changes=[types.TextDocumentEdit(text_document=document, edits=plain)])
    notes = {str(number): _note(snapshot, edit) for number, edit in enumerate(edits)}
    annotated = [
        types.AnnotatedTextEdit(annotation_id=identity, range=edit.range, new_text=edit.new_text)
        for identity, edit in zip(notes, plain, strict=True)
    ]
    change = types.TextDocumentEdit(text_document=document, edits=annotated)
    return types.WorkspaceEdit(document_changes=[change], change_annotations=notes)


def _text_edit(session: Session, snapshot: Snapshot, edit: Edit) -> types.TextEdit:
    ends = (snapshot.position_at(offset, session.encoding) for offset in (edit.start, edit.end))
    return types.TextEdit(range=types.Range(*ends), new_text=edit.text)


def _note(snapshot: Snapshot, edit: Edit) -> types.ChangeAnnotation:
    line = snapshot.line_at(edit.start) + 1
    return types.ChangeAnnotation(label=f"Fill `{edit.label}`", needs_confirmation=True, description=f"line {line}")
