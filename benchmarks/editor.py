"""An editor without a screen: a `dg-lsp` process, an engine of its own, and documents that are edited over LSP."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lsprotocol import types

from dg_lsp.documents import Snapshot
from dg_lsp.language_ids import language_of
from dg_lsp.lsp_client import LspClient, Message, server_process
from engine import process

_ACTION = "Fill this function"
_AUTOMATIC = 2


@dataclass(frozen=True, slots=True)
class Fill:
    """The answer to "Fill this function": the document with its edit, or None and the reason."""

    text: str | None
    middle: str
    reason: str
    seconds: float


class Document:
    """An open document of the editor; `text` is what the server was told last."""

    def __init__(self, client: LspClient, uri: str, text: str) -> None:
        self._client, self._uri, self._version = client, uri, 1
        self.text = text
        item = {"uri": uri, "languageId": language_of(uri), "version": 1, "text": text}
        client.notify("textDocument/didOpen", {"textDocument": item})

    def close(self) -> None:
        """Close it."""
        self._client.notify("textDocument/didClose", {"textDocument": {"uri": self._uri}})

    def insert(self, offset: int, new: str) -> None:
        """Put a text in, as a key or an accepted suggestion does."""
        here = _position(self.text, offset)
        self._version += 1
        self.text = self.text[:offset] + new + self.text[offset:]
        document = {"uri": self._uri, "version": self._version}
        change = {"range": {"start": here, "end": here}, "text": new}
        self._client.notify("textDocument/didChange", {"textDocument": document, "contentChanges": [change]})

    async def suggestion(self, offset: int) -> str:
        """The ghost text behind a cursor, asked for automatically; "" when nothing is shown."""
        params = {"textDocument": {"uri": self._uri}, "position": _position(self.text, offset)}
        context = {"triggerKind": _AUTOMATIC}
        items = await self._client.request("textDocument/inlineCompletion", {**params, "context": context})
        if not items:
            return ""
        start, end = _span(self.text, items[0]["range"])
        return str(items[0]["insertText"])[offset - start :] if start <= offset == end else ""

    async def fill_function(self, offset: int) -> Fill:
        """Choose "Fill this function" at an offset."""
        here = _position(self.text, offset)
        params = {"textDocument": {"uri": self._uri}, "range": {"start": here, "end": here}}
        begun = time.monotonic()
        offered = await self._client.request("textDocument/codeAction", {**params, "context": {"diagnostics": []}})
        action = next((action for action in offered or () if action["title"].startswith(_ACTION)), None)
        if action is None:
            return Fill(None, "", "the action was not offered", time.monotonic() - begun)
        self._client.said()
        edit = (await self._client.request("codeAction/resolve", action)).get("edit")
        seconds = time.monotonic() - begun
        if not edit:
            return Fill(None, "", (self._client.said() or ["no edit came"])[-1], seconds)
        edits = [edit for change in edit["documentChanges"] for edit in change["edits"]]
        return Fill(_edited(self.text, edits), "".join(edit["newText"] for edit in edits), "", seconds)


class Editor:
    """The session; `model` is the name that the server gives the loaded one."""

    def __init__(self, client: LspClient, folder: Path, model: str) -> None:
        self._client, self._folder, self.model = client, folder, model

    def open(self, name: str, text: str) -> Document:
        """Open a document that is not on the disk."""
        return Document(self._client, (self._folder / name).as_uri(), text)


@asynccontextmanager
async def editor(model: str = "", inline: Message | None = None) -> AsyncIterator[Editor]:
    """An editor whose engine is ready; both end with the block.

    `model` is a folder or a name, "" what the server takes by itself; `inline` are settings of `dg.inline`. Raises
    `EngineUnavailable` and `LspError`.
    """
    with TemporaryDirectory(prefix="dg", dir="/tmp") as folder:  # short: a socket's path has 107 bytes at most
        outside = os.environ.get("DG_RUNTIME_DIR")
        os.environ["DG_RUNTIME_DIR"] = folder
        try:
            async with server_process() as client:
                name = str(Path(model).absolute()) if Path(model).exists() and model else model
                await client.initialize({"engine": {"model": name}, "inline": inline or {}})
                ready = await client.until_ready(lambda status: None)
                project = Path(folder) / "project"
                project.mkdir()
                yield Editor(client, project, ready.removeprefix("Ready: "))
        finally:
            process.end()
            os.environ.pop("DG_RUNTIME_DIR")
            if outside is not None:
                os.environ["DG_RUNTIME_DIR"] = outside


def _snapshot(text: str) -> Snapshot:
    return Snapshot("file:///a", "plaintext", 0, text)


def _position(text: str, offset: int) -> Message:
    position = _snapshot(text).position_at(offset, "utf-16")
    return {"line": position.line, "character": position.character}


def _span(text: str, place: Message) -> tuple[int, int]:
    snapshot = _snapshot(text)
    start, end = (snapshot.offset_at(types.Position(**place[edge]), "utf-16") for edge in ("start", "end"))
    return start, end


def _edited(text: str, edits: Sequence[dict[str, Any]]) -> str:
    """A text after edits, which are in places of the text before them all."""
    for edit in sorted(edits, key=lambda edit: _span(text, edit["range"]), reverse=True):
        start, end = _span(text, edit["range"])
        text = text[:start] + edit["newText"] + text[end:]
    return text
