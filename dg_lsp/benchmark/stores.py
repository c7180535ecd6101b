"""The document store beside that of pygls: both get the same edits in turns and must end with the same text."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from functools import partial

from lsprotocol import types
from pygls.workspace import Workspace

from dg_lsp.benchmark.servers import URI
from dg_lsp.documents import DocumentStore

Change = types.TextDocumentContentChangePartial
Apply = Callable[[types.VersionedTextDocumentIdentifier, Sequence[Change]], object]
Times = dict[str, list[float]]
"""Milliseconds, by who took them."""


def script(text: str, source: random.Random, messages: int, count: int) -> list[list[Change]]:
    """Messages of `count` edits each, at random places: a letter is put in, or one is replaced by two."""
    lines = text.split("\n")  # without characters beyond U+FFFF, so that every column is a place between two

    def edit() -> Change:
        line = source.randrange(max(len(lines) - 1, 1))
        start = source.randrange(len(lines[line]))
        where = types.Range(types.Position(line, start), types.Position(line, start + (count > 1)))
        return Change(where, "a" if count == 1 else "ab")

    return [[edit() for _ in range(count)] for _ in range(messages)]


def stores(text: str, messages: list[list[Change]]) -> Times:
    """The milliseconds of each message in our store and in that of pygls."""
    ours, theirs = DocumentStore(), Workspace(None)
    item = types.TextDocumentItem(URI, "python", 0, text)
    ours.open(item)
    theirs.put_text_document(item)

    def change_theirs(document: types.VersionedTextDocumentIdentifier, changes: Sequence[Change]) -> None:
        for change in changes:  # as its handler of didChange does
            theirs.update_text_document(document, change)

    applies: dict[str, Apply] = {
        "dg-lsp": lambda document, changes: ours.change(document, changes, "utf-16"),
        "pygls": change_theirs,
    }
    times: Times = {name: [] for name in applies}
    for number, changes in enumerate(messages, 1):
        for name, apply in applies.items():
            document = types.VersionedTextDocumentIdentifier(number, URI)
            times[name].append(timed(partial(apply, document, changes)))
    snapshot = ours.get(URI)
    if snapshot is None or snapshot.text != theirs.get_text_document(URI).source:
        raise SystemExit("The two stores hold different texts: the benchmark compares nothing")
    return times


def timed(work: Callable[[], object]) -> float:
    """The milliseconds that it takes."""
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1e3
