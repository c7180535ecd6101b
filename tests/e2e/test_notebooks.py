"""Notebooks as an editor sends them: cells are documents that appear, change and go."""

from __future__ import annotations

from typing import Any

from lsp_session import FULL_CAPABILITIES, LspSession, Message, StartEngine, position

NOTEBOOK = "file:///tmp/a.ipynb"
CAPABILITIES = {**FULL_CAPABILITIES, "notebookDocument": {"synchronization": {}}}
FIRST, SECOND = "vscode-notebook-cell:/tmp/a.ipynb#1", "vscode-notebook-cell:/tmp/a.ipynb#2"


def document(uri: str, text: str) -> Message:
    return {"uri": uri, "languageId": "python", "version": 1, "text": text}


def cell(uri: str) -> Message:
    return {"kind": 2, "document": uri}


def change(lsp: LspSession, **cells: Any) -> None:
    params = {"notebookDocument": {"version": 2, "uri": NOTEBOOK}, "change": {"cells": cells}}
    lsp.notify("notebookDocument/didChange", params)


def test_every_notebook_is_asked_for(lsp: LspSession, scripted_engine: StartEngine) -> None:
    scripted_engine()
    assert lsp.initialize(CAPABILITIES)["capabilities"]["notebookDocumentSync"] == {
        "notebookSelector": [{"notebook": "*"}]
    }


def test_cells_are_completed_from_open_to_close(lsp: LspSession, start: StartEngine) -> None:
    engine = start(capabilities=CAPABILITIES)
    notebook = {"uri": NOTEBOOK, "notebookType": "jupyter-notebook", "version": 1, "cells": [cell(FIRST)]}
    opened = {"notebookDocument": notebook, "cellTextDocuments": [document(FIRST, "x = 1 + ")]}
    lsp.notify("notebookDocument/didOpen", opened)
    assert lsp.inline(FIRST, 0, 8)
    array = {"start": 1, "deleteCount": 0, "cells": [cell(SECOND)]}
    change(lsp, structure={"array": array, "didOpen": [document(SECOND, "y = ")]})
    here = {"start": position(0, 4), "end": position(0, 4)}
    edited = {"document": {"uri": SECOND, "version": 2}, "changes": [{"range": here, "text": "x * "}]}
    change(lsp, textContent=[edited])
    assert lsp.inline(SECOND, 0, 8)
    assert [fill["request"]["prefix"][-8:] for fill in engine.seen()] == ["x = 1 + ", "y = x * "]
    assert engine.seen()[1]["request"]["prefix"] == "x = 1 + \n\ny = x * "
    lsp.notify("notebookDocument/didSave", {"notebookDocument": {"uri": NOTEBOOK}})
    cells = [{"uri": FIRST}, {"uri": SECOND}]
    lsp.notify("notebookDocument/didClose", {"notebookDocument": {"uri": NOTEBOOK}, "cellTextDocuments": cells})
    assert lsp.inline(SECOND, 0, 8) is None
    assert lsp.leave() == 0
    assert lsp.stderr() == ""


def test_changes_of_what_is_not_open_cost_a_line_in_the_log(lsp: LspSession, start: StartEngine) -> None:
    """Nothing is shown to the user, who would see it with every key."""
    start(capabilities=CAPABILITIES)
    for version in (2, 3):
        lsp.change("file:///tmp/never.py", version, {"text": "x"})
        change(lsp, data=[])
    lsp.ask("shared/noSuchMethod")
    assert lsp.shown() == []
    assert lsp.leave() == 0
    assert lsp.stderr().count("is not open") == 2
