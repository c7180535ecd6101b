"""Code from other places that helps to fill a hole: what its names mean, and where the user was a moment ago.

It is gathered in pauses, from open documents and from the files of the workspace that Python documents import, of the
same language and project. A request takes what is there. Nothing that is left out goes in, nor a part with a secret.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dg_lsp.context.definitions import definitions, family
from dg_lsp.context.exclusions import Exclusions
from dg_lsp.context.imports import imported_files
from dg_lsp.context.recent import Recent, chunk_at
from dg_lsp.context.secrets import holds_secret
from dg_lsp.context.window import cells_above
from dg_lsp.documents import DocumentStore, Snapshot
from dg_lsp.files import DocumentError, read_document
from dg_lsp.positions import with_newlines
from dg_lsp.uris import file_path
from engine.protocol import Snippet

MAX_CHARS = 16_000
"""Of all snippets of a request together."""
MAX_SOURCE = 1_000_000
"""Longer texts are not searched for definitions."""

_MAX_FILES = 100
_PAUSE_S = 0.4
_ROUND_S = 0.05
_BLOCK = 200
"""Lines read at a time; at each `sleep(0)` the editor is answered."""
_BEFORE, _AFTER = 20, 10
_MAX_LINE = 500
_NAME = re.compile(r"[A-Za-z_]\w{2,}")

Part = tuple[str, str]
"""URI and text."""


@dataclass(slots=True)
class _Source:
    """What one file defines, by name, and the files that it imports, with their URIs.

    `stamp` tells what was read: the snapshot of an open document, the time of change of a file that is not open.
    """

    uri: str
    family: str
    path: Path
    project: Path
    stamp: Snapshot | int
    definitions: dict[str, str] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    imports: list[str] = field(default_factory=list)


class Related:
    """Keeps what is known of the documents and files, by URI."""

    def __init__(self, documents: DocumentStore, exclusions: Exclusions) -> None:
        self._documents = documents
        self._exclusions = exclusions
        self._sources: dict[str, _Source] = {}
        self._recent = Recent()
        self._given: tuple[str, int, list[Part]] = "", 0, []
        self._pause: asyncio.TimerHandle | None = None
        self._round: asyncio.Task[None] | None = None

    def read_in_pause(self) -> None:
        """The documents changed: read them when they rest."""
        if self._pause:
            self._pause.cancel()
        self._pause = asyncio.get_running_loop().call_later(_PAUSE_S, self._begin_round)

    def snippets(self, snapshot: Snapshot, offset: int) -> tuple[Snippet, ...]:
        """The definitions of the names around an offset, the nearest name first, then the last places elsewhere.

        While the cursor stays where it is, the same snippets come first: what a model has read of them still holds.
        """
        line = snapshot.line_at(offset)
        cells = cells_above(self._documents.cells_before(snapshot.uri), snapshot.language_id)
        found = (*self._defined(snapshot, line), *self._visited(snapshot, line))
        parts = _fitting(part for part in found if part[1] not in cells)  # the model sees these cells as they are
        self._recent.visit(snapshot, line)
        uri, place, given = self._given
        if uri == snapshot.uri and abs(line - place) <= _AFTER:
            together = dict.fromkeys([*given, *parts])
            parts = [part for part in together if part in parts] if _size(together) > MAX_CHARS else list(together)
        else:
            place = line
        parts = [part for part in parts if part[0] in self._sources and self._exclusions.of_uri(part[0]) is None]
        self._given = snapshot.uri, place, parts
        return tuple(Snippet(path=self._shown(uri), text=text) for uri, text in parts)

    async def read(self) -> bool:
        """Read the open documents, and the files that they import; False when these take one more round."""
        begun = time.monotonic()
        sources = [source for document in self._documents.all() if (source := await self._read(document, document))]
        opened = {source.path: source.uri for source in sources}
        for source in sources:
            source.imports = [opened.get(file) or file.as_uri() for file in source.files]
        wanted = dict.fromkeys(file for source in sources for file in source.files if file not in opened)
        files = {file.as_uri(): file for file in list(wanted)[:_MAX_FILES]}
        kept = files.keys() | {source.uri for source in sources}
        self._sources = {uri: source for uri, source in self._sources.items() if uri in kept}
        for file in files.values():
            if await self._read_file(file) and time.monotonic() - begun > _ROUND_S:
                return False
        return True

    def _begin_round(self) -> None:
        self._pause, self._round = None, asyncio.create_task(self._read_round())

    async def _read_round(self) -> None:
        if not await self.read():
            self.read_in_pause()

    async def _read_file(self, file: Path) -> bool:
        """Read a file unless it is known as it is; False when there was nothing to do."""
        uri = file.as_uri()
        try:
            stat = file.stat()
            known = self._sources.get(uri)
            if stat.st_size > MAX_SOURCE or (known and known.stamp == stat.st_mtime_ns) or self._exclusions.of_uri(uri):
                return False
            read = read_document(file)
        except (DocumentError, OSError):
            return False
        await self._read(Snapshot(uri, read.language_id, 0, read.text), stat.st_mtime_ns)
        return True

    async def _read(self, snapshot: Snapshot, stamp: Snapshot | int) -> _Source | None:
        """The source of a snapshot, read if that has not been done; None when it must not be read."""
        uri, path = snapshot.uri, file_path(snapshot.uri)
        await asyncio.sleep(0)
        if path is None or self._exclusions.of_uri(uri):
            self._sources.pop(uri, None)
            return None
        known = self._sources.get(uri)
        if known and known.stamp == stamp:
            return known
        new = _Source(uri, family(snapshot.language_id), path, self._project(path), stamp)
        if isinstance(stamp, Snapshot) and new.family == "python":
            new.files = imported_files(snapshot.text, path, new.project)
            new.imports = known.imports if known else []
        text = snapshot.text if len(snapshot.text) <= MAX_SOURCE else ""
        lines = with_newlines(text).split("\n")
        for start in range(0, len(lines), _BLOCK):
            for name, text in definitions(lines, snapshot.language_id, range(start, min(start + _BLOCK, len(lines)))):
                if name not in new.definitions and not holds_secret(text):
                    new.definitions[name] = text
            await asyncio.sleep(0)
        self._sources[uri] = new
        shown, place, given = self._given
        self._given = shown, place, [part for part in given if part[0] != uri]
        return new

    def _project(self, path: Path) -> Path:
        """The folder of the workspace around a file; outside the workspace the file's own folder."""
        return self._exclusions.folder_of(path) or path.parent

    def _defined(self, snapshot: Snapshot, line: int) -> Iterator[Part]:
        """What other sources say of the names around a line: first those that the document imports."""
        here = self._sources.get(snapshot.uri)
        if here is None:
            return
        opened = (uri for uri, source in self._sources.items() if isinstance(source.stamp, Snapshot))
        reach = [uri for uri in dict.fromkeys([*here.imports, *opened]) if uri != here.uri and uri in self._sources]
        others = [(uri, self._sources[uri]) for uri in reach if _akin(self._sources[uri], here)]
        for name in _names_around(snapshot, line):
            known = ((uri, source.definitions[name]) for uri, source in others if name in source.definitions)
            if name not in here.definitions and (first := next(known, None)):
                yield first

    def _visited(self, snapshot: Snapshot, line: int) -> Iterator[Part]:
        """The chunks of sources of the same kind where the user was."""
        here = self._sources.get(snapshot.uri)
        for chunk in self._recent.elsewhere(chunk_at(snapshot, line)):
            there = self._sources.get(chunk.uri)
            if here and there and _akin(here, there) and not holds_secret(chunk.text):
                yield chunk.uri, chunk.text

    def _shown(self, uri: str) -> str:
        source = self._sources[uri]
        return source.path.relative_to(source.project).as_posix()


def _size(parts: Iterable[Part]) -> int:
    return sum(len(text) for _, text in parts)


def _fitting(parts: Iterable[Part]) -> list[Part]:
    """The parts without repetition, as many of the first ones as fit into `MAX_CHARS`."""
    kept: list[Part] = []
    left = MAX_CHARS
    for part in dict.fromkeys(parts):
        if len(part[1]) <= left:
            kept.append(part)
            left -= len(part[1])
    return kept


def _akin(one: _Source, other: _Source) -> bool:
    return (one.family, one.project) == (other.family, other.project)


def _names_around(snapshot: Snapshot, line: int) -> dict[str, None]:
    """The names in the lines around one, those of the nearest line first."""
    lines = range(max(line - _BEFORE, 0), min(line + _AFTER + 1, snapshot.line_count))
    texts = (snapshot.line_text(number)[:_MAX_LINE] for number in sorted(lines, key=lambda n: abs(n - line)))
    return dict.fromkeys(name for text in texts for name in _NAME.findall(text))
