"""textDocument/inlineCompletion: ghost text at the cursor."""

from __future__ import annotations

import time
from collections.abc import Coroutine
from dataclasses import replace
from functools import partial
from typing import Any

from lsprotocol import types

from dg_lsp.client.local import EngineError, EngineUnavailable, LocalEngine
from dg_lsp.completion.fill import Wanted, fill
from dg_lsp.completion.unwanted import unwanted
from dg_lsp.documents import Snapshot
from dg_lsp.session import Session
from dg_lsp.syntax.holes import Hole, cursor_hole
from engine.protocol import FillResult

Items = list[types.InlineCompletionItem]

_MANUAL_DEADLINE_MS = 5000
_MANUAL_CANDIDATES = 3
_DEBOUNCE_MS = 75


class InlineCompletion:
    """Answers with middles for the cursor, or null; then the log says why, unless the request was superseded."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def request(self, params: types.InlineCompletionParams) -> Coroutine[Any, Any, Items | None]:
        """Take the snapshot and the turn now, before any later message, and hand back the work."""
        manual = params.context.trigger_kind == types.InlineCompletionTriggerKind.Invoked
        uri, line = params.text_document.uri, params.position.line
        snapshot = self._session.documents.get(uri)
        if snapshot is None:
            return self._nothing(f"no suggestion: {uri} is not open", uri, line)
        line = min(line, snapshot.line_count - 1)
        offset = snapshot.offset_at(params.position, self._session.encoding)
        if not manual and (reason := unwanted(self._session.settings.inline, snapshot, offset)):
            return self._left_out(reason, uri, line)
        if reason := self._session.exclusions.of_document(snapshot, line):
            return self._left_out(reason, uri, line)
        engine = self._session.launcher.engine()
        if engine is None:
            return self._nothing("no suggestion: the engine is not ready yet", uri, line)
        work = partial(self._complete, engine, snapshot, params)
        return self._session.scheduler.latest(uri, work, 0 if manual else self._debounce_s())

    async def _nothing(self, reason: str, uri: str, line: int) -> None:
        self._session.status.silent(reason, uri=uri, line=line)

    async def _left_out(self, reason: str, uri: str, line: int) -> None:
        self._session.status.left_out(reason, uri=uri, line=line)

    def _debounce_s(self) -> float:
        own = self._session.settings.inline.debounce_ms
        if own is None:
            own = 0 if self._session.editor == "Neovim" else _DEBOUNCE_MS  # Neovim waits itself
        return own / 1000

    async def _complete(
        self, engine: LocalEngine, snapshot: Snapshot, params: types.InlineCompletionParams
    ) -> Items | None:
        session = self._session
        hole, place, typed = self._hole(snapshot, params)
        try:
            with session.status.busy():
                wanted = replace(
                    self._wanted(params.context.trigger_kind, typed),
                    related=session.related.snippets(snapshot, hole.start),
                )
                begin = time.monotonic()
                result = await fill(engine, snapshot, hole, wanted)
        except EngineUnavailable as error:
            await session.launcher.lost(engine, str(error))
            return None
        except EngineError as error:
            if error.code != "cancelled":  # by a manual request, from another window: superseded
                session.status.warn(f"no suggestion: {error.message}", uri=snapshot.uri, line=params.position.line)
            return None
        if wanted.priority == "automatic":
            session.status.took(1000 * (time.monotonic() - begin), cut=result.finish_reason == "deadline")
        if not result.candidates:
            session.status.silent(f"no suggestion: {result.why_nothing}", uri=snapshot.uri, line=params.position.line)
            return None
        session.acceptance.offered(snapshot, hole, [typed + candidate.middle for candidate in result.candidates])
        return _items(result, place, typed)

    def _wanted(self, trigger: types.InlineCompletionTriggerKind, typed: str) -> Wanted:
        inline = self._session.settings.inline
        if trigger == types.InlineCompletionTriggerKind.Invoked:
            return Wanted(
                max_tokens=inline.max_tokens,
                deadline_ms=_MANUAL_DEADLINE_MS,
                candidates=_MANUAL_CANDIDATES,
                typed=typed,
            )
        return Wanted(max_tokens=inline.max_tokens, deadline_ms=inline.deadline_ms, priority="automatic", typed=typed)

    def _hole(self, snapshot: Snapshot, params: types.InlineCompletionParams) -> tuple[Hole, types.Range, str]:
        """The hole, the range that an item replaces, and the text that an item must begin with.

        While the editor's own completion list is open, an item must extend the entry selected there.
        """
        encoding = self._session.encoding
        if (selected := params.context.selected_completion_info) is not None:
            start = snapshot.offset_at(selected.range.start, encoding)
            end = snapshot.offset_at(selected.range.end, encoding)
            hole = Hole(kind="cursor", start=start, end=end, label="", single_line=True)
            return hole, selected.range, selected.text
        hole = cursor_hole(snapshot, snapshot.offset_at(params.position, encoding))
        position = snapshot.position_at(hole.start, encoding)
        return hole, types.Range(start=position, end=position), ""


def _items(result: FillResult, place: types.Range, typed: str) -> Items:
    middles = dict.fromkeys(candidate.middle for candidate in result.candidates)
    return [
        types.InlineCompletionItem(insert_text=typed + middle, filter_text=typed or None, range=place)
        for middle in middles
    ]
