"""dg/watch: fill a hole while the editor is shown every denoising step of its canvas."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import asdict
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcInvalidParams
from pygls.lsp.server import LanguageServer

from dg_lsp.client.local import EngineError, EngineUnavailable
from dg_lsp.completion.choice import SPARE
from dg_lsp.completion.fill import Filled, Wanted, fill
from dg_lsp.documents import Snapshot
from dg_lsp.session import Session
from dg_lsp.syntax.holes import Hole, cursor_hole, function_hole
from engine.protocol import Draft


class Watch:
    """Answers `dg/watch` {textDocument, position, watch} with {middle, range, source, confidence, model}.

    After each step comes `dg/draft`: {watch, range} and the fields of `engine.protocol.Draft`. Without a middle the
    answer is null and the user is told why. Cancelling the request stops the engine's work.
    """

    def __init__(self, server: LanguageServer, session: Session) -> None:
        self._server = server
        self._session = session

    def request(self, params: Any) -> Coroutine[Any, Any, dict[str, Any] | None]:
        """Take the snapshot and the hole now, and hand back the work: the stub around the cursor, else the cursor."""
        uri, position, watch = _read(params)
        session = self._session
        snapshot = session.documents.get(uri)
        if snapshot is None:
            return self._nothing("the document is not open")
        if reason := session.exclusions.of_document(snapshot, min(position.line, snapshot.line_count - 1)):
            return self._nothing(reason)
        offset = snapshot.offset_at(position, session.encoding)
        return self._filled(snapshot, function_hole(snapshot, offset) or cursor_hole(snapshot, offset), watch)

    async def _nothing(self, why: str) -> None:
        self._session.status.tell(f"Nothing to watch: {why}")

    async def _filled(self, snapshot: Snapshot, hole: Hole, watch: object) -> dict[str, Any] | None:
        where = self._range(snapshot, hole)

        def on_draft(draft: Draft) -> None:
            self._server.protocol.notify("dg/draft", {"watch": watch, "range": where, **asdict(draft)})

        try:
            result = await self._fill(snapshot, hole, on_draft)
        except (EngineUnavailable, EngineError) as error:
            await self._nothing(str(error))
            return None
        if not result.candidates:
            await self._nothing(result.why_nothing)
            return None
        best = result.candidates[0]
        return {
            "middle": best.middle,
            "range": where,
            "source": best.source,
            "confidence": best.confidence,
            "model": result.model,
        }

    async def _fill(self, snapshot: Snapshot, hole: Hole, on_draft: Callable[[Draft], None]) -> Filled:
        session = self._session
        engine = await session.launcher.wait()
        inline, function = session.settings.inline, session.settings.function
        max_tokens = function.max_tokens if hole.kind == "function" else inline.max_tokens
        cells, related = session.cells_above(snapshot), session.related.snippets(snapshot, hole.start)
        wanted = Wanted(max_tokens=max_tokens, candidates=1 + SPARE, cells=cells, related=related)
        try:
            with session.status.busy():
                return await fill(engine, snapshot, hole, wanted, on_draft)
        except EngineUnavailable as error:
            await session.launcher.lost(engine, error)
            raise

    def _range(self, snapshot: Snapshot, hole: Hole) -> types.Range:
        start, end = (snapshot.position_at(offset, self._session.encoding) for offset in (hole.start, hole.end))
        return types.Range(start=start, end=end)


def _read(params: Any) -> tuple[str, types.Position, object]:
    """The parts of the parameters. Raises `JsonRpcInvalidParams`."""
    try:
        position = types.Position(line=params.position.line, character=params.position.character)
        if isinstance(params.textDocument.uri, str) and min(position.line, position.character) >= 0:
            return params.textDocument.uri, position, getattr(params, "watch", None)
    except (AttributeError, TypeError, ValueError):
        pass
    raise JsonRpcInvalidParams("dg/watch takes {textDocument: {uri}, position: {line, character}, watch}")
