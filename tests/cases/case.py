"""What a case is, and the ways in which most of them ask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any, NamedTuple

from tests.cases.world import PATIENCE_S, World
from tests.e2e.lsp_session import LspSession, position

_numbers = count(1)


class Came(NamedTuple):
    """What came, in a few words, and whether it was right."""

    what: str
    right: bool


@dataclass(frozen=True)
class Case:
    """One row of the table. `run` may raise any error, which is wrong."""

    row: str
    input: str
    run: Callable[[World], Came]


class Document(NamedTuple):
    """An open document, and the place of the mark `|` in its text."""

    uri: str
    line: int
    character: int


def opened(editor: LspSession, marked: str, language: str = "python", name: str = "a.py", uri: str = "") -> Document:
    """Open a text; each gets an address of its own. Its lines end as the protocol says, the mark is taken out."""
    before, _, after = marked.partition("|")
    uri = uri or f"file:///cases/{next(_numbers)}/{name}"
    editor.open(uri, before + after, language)
    lines = before.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return Document(uri, len(lines) - 1, len(lines[-1]))


def by_hand(editor: LspSession, document: Document) -> list[str]:
    """The texts of inline completion by hand."""
    request = editor.start_inline(*document, trigger=1)
    answer = editor.response(request, PATIENCE_S)
    if "error" in answer:
        raise ValueError(f"error {answer['error']['code']}: {answer['error']['message'].splitlines()[0]}")
    return [item["insertText"] for item in answer["result"] or []]


def why(editor: LspSession, document: Document) -> str:
    """The reason that `dg.explain` gives for a document."""
    params = {"command": "dg.explain", "arguments": [document.uri]}
    latest = editor.response(editor.send("workspace/executeCommand", params), PATIENCE_S)["result"]["latest"]
    return latest["reason"] if latest else ""


def titles(editor: LspSession, document: Document, context: Any = None) -> list[str]:
    """The titles of the code actions at a place."""
    here = position(document.line, document.character)
    params = {
        "textDocument": {"uri": document.uri},
        "range": {"start": here, "end": here},
        "context": {"diagnostics": []} if context is None else context,
    }
    answer = editor.response(editor.send("textDocument/codeAction", params), PATIENCE_S)
    if "error" in answer:
        raise ValueError(f"error {answer['error']['code']}")
    return [action["title"] for action in answer["result"]]


def filled(editor: LspSession, document: Document) -> str:
    """What "Fill this function" writes."""
    here = position(document.line, document.character)
    params = {
        "textDocument": {"uri": document.uri},
        "range": {"start": here, "end": here},
        "context": {"diagnostics": []},
    }
    actions = editor.response(editor.send("textDocument/codeAction", params), PATIENCE_S)["result"]
    action = next(action for action in actions if action["title"].startswith("Fill this function"))
    resolved = editor.response(editor.send("codeAction/resolve", action), PATIENCE_S)["result"]
    if "edit" not in resolved:
        return ""
    text: str = resolved["edit"]["documentChanges"][0]["edits"][0]["newText"]
    return text


def shown(texts: list[str]) -> str:
    """Texts, as a table can show them."""
    return ", ".join(map(repr, texts)) or "nothing"
