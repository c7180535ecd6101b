"""Workspace edits in the shapes that editors take."""

from __future__ import annotations

from typing import Any, cast

from lsprotocol import types

from dg_lsp.completion.several import Edit
from dg_lsp.features.edits import workspace_edit
from dg_lsp.session import Session
from tests.dg_lsp.marks import snapshot

DOCUMENT = snapshot("python", "é = '😀'; a\r\nb\r\n")
EDITS = [
    Edit(start=10, end=11, text="one", label="a", first=0, last=3),
    Edit(start=13, end=14, text="two\r\nlines", label="b", first=0, last=10),
]


def session(encoding: Any = "utf-16", **workspace_edit: Any) -> Session:
    knows = types.WorkspaceEditClientCapabilities(**workspace_edit)
    workspace = types.WorkspaceClientCapabilities(workspace_edit=knows)
    made = Session(launcher=cast(Any, None), status=cast(Any, None))
    made.encoding, made.capabilities = encoding, types.ClientCapabilities(workspace=workspace)
    return made


def test_columns_are_counted_as_the_editor_counts() -> None:
    for encoding, column in (("utf-8", 14), ("utf-16", 11), ("utf-32", 10)):
        changes = workspace_edit(session(encoding), DOCUMENT, EDITS).changes
        assert changes is not None
        assert changes[DOCUMENT.uri][0].range.start == types.Position(0, column)
        assert [edit.new_text for edit in changes[DOCUMENT.uri]] == ["one", "two\r\nlines"]


def test_an_editor_that_knows_versions_gets_the_one_that_the_edit_is_for() -> None:
    edit = workspace_edit(session(document_changes=True), DOCUMENT, EDITS)
    assert edit.changes is None
    (change,) = edit.document_changes or ()
    assert isinstance(change, types.TextDocumentEdit)
    assert change.text_document.version == DOCUMENT.version
    assert not any(isinstance(each, types.AnnotatedTextEdit) for each in change.edits)


def test_each_of_several_edits_can_be_declined_where_the_editor_asks() -> None:
    notes = types.ChangeAnnotationsSupportOptions()
    knows = session(document_changes=True, change_annotation_support=notes)
    edit = workspace_edit(knows, DOCUMENT, EDITS)
    assert edit.change_annotations is not None
    assert [note.label for note in edit.change_annotations.values()] == ["Fill `a`", "Fill `b`"]
    assert all(note.needs_confirmation for note in edit.change_annotations.values())
    assert workspace_edit(knows, DOCUMENT, EDITS[:1]).change_annotations is None
