"""What inline completion and completion have in common: a request at a cursor, and the texts for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from lsprotocol import types

from dg_lsp.client.local import EngineClient, EngineError, EngineGone, EngineUnavailable
from dg_lsp.completion.choice import SPARE
from dg_lsp.completion.fill import Filled, Question, Wanted, question
from dg_lsp.completion.scheduler import Turn
from dg_lsp.documents import Snapshot
from dg_lsp.reasons import NO_SUGGESTION, RESTARTED
from dg_lsp.session import Session
from dg_lsp.syntax.holes import Hole, cursor_hole

_T = TypeVar("_T")

_NOT_READY = "the engine is not ready yet"

_ENGINE_WITHIN_S = 10.0
"""So long a request by hand waits for an engine: who pressed a key sees that it loads, and goes on at last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """How texts are asked for: `texts` is how many at most, `client_ms` what the editor has waited before it asked."""

    manual: bool
    texts: int
    deadline_ms: int
    client_ms: int = 0


@dataclass(frozen=True, slots=True)
class Offer:
    """Texts for the hole of a cursor, best first. Each goes on behind `typed`, which the document does not have yet."""

    snapshot: Snapshot
    hole: Hole
    typed: str
    texts: list[str]


class AtCursor:
    """Asks for texts at a cursor. Whenever there is none, the user can learn why."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def request(
        self,
        uri: str,
        position: types.Position,
        trigger: Trigger,
        show: Callable[[Offer], _T],
        selected: types.SelectedCompletionInfo | None = None,
    ) -> Coroutine[Any, Any, _T | None]:
        """Take the snapshot and the turn now, before any later message, and hand back the work.

        It answers with what `show` makes of the offer, which may hold no text; with None where no text is wanted or
        possible, and where the request was superseded.
        """
        session, line = self._session, position.line
        snapshot = session.documents.get(uri)
        if snapshot is None:
            return self._nothing(f"{NO_SUGGESTION}{uri} is not open", uri, line)
        line = min(line, snapshot.line_count - 1)
        offset = snapshot.offset_at(position, session.encoding)
        if reason := session.exclusions.of_document(snapshot, line):
            return self._left_out(reason, uri, line)
        session.status.in_language(snapshot.language_id)
        if not trigger.manual:
            if reason := session.unwanted(snapshot, offset):
                return self._turned_off(reason, uri, line)
            session.status.turned_on()
        engine = session.launcher.engine()
        if engine is None and not trigger.manual:
            return self._nothing(f"{NO_SUGGESTION}{_NOT_READY}", uri, line)
        hole, typed = self._hole(snapshot, offset, selected)
        return self._answer(session.suggestions.turn(uri), engine, Offer(snapshot, hole, typed, []), trigger, show)

    async def _nothing(self, reason: str, uri: str, line: int) -> None:
        self._session.status.silent(reason, uri=uri, line=line)

    async def _left_out(self, reason: str, uri: str, line: int) -> None:
        self._session.status.left_out(reason, uri=uri, line=line)

    async def _turned_off(self, reason: str, uri: str, line: int) -> None:
        self._session.status.turned_off(reason, uri=uri, line=line)

    def _hole(self, snapshot: Snapshot, offset: int, selected: types.SelectedCompletionInfo | None) -> tuple[Hole, str]:
        """The hole, and the text that an item must begin with.

        While the editor's own completion list is open, an item must extend the entry selected there.
        """
        if selected is None:
            return cursor_hole(snapshot, offset), ""
        ends = (selected.range.start, selected.range.end)
        start, end = (snapshot.offset_at(position, self._session.encoding) for position in ends)
        return Hole(kind="cursor", start=start, end=end, label="", single_line=True), selected.text

    async def _answer(
        self, turn: Turn, engine: EngineClient | None, offer: Offer, trigger: Trigger, show: Callable[[Offer], _T]
    ) -> _T | None:
        filled = await self._filled(turn, engine, offer, trigger)
        if filled is None:
            return None
        offer = replace(offer, texts=[candidate.middle for candidate in filled.candidates[: trigger.texts]])
        if offer.texts:
            texts = [offer.typed + text for text in offer.texts]
            self._session.acceptance.offered(offer.snapshot, offer.hole, texts)
        return show(offer)

    async def _filled(self, turn: Turn, engine: EngineClient | None, offer: Offer, trigger: Trigger) -> Filled | None:
        session, uri, line = self._session, offer.snapshot.uri, offer.snapshot.line_at(offer.hole.start)
        try:
            filled = await self._asked(turn, engine, offer, trigger)
        except EngineUnavailable as error:
            why = RESTARTED if isinstance(error, EngineGone) and session.launcher.starting else str(error)
            session.status.silent(f"{NO_SUGGESTION}{why}", uri=uri, line=line)
            return None
        except EngineError as error:
            if error.code == "cancelled":  # by a manual request, from another window
                session.status.superseded(uri)
            else:
                session.status.warn(f"{NO_SUGGESTION}{error.message}", uri=uri, line=line)
            return None
        if filled is None:
            session.status.superseded(uri)
            return None
        if filled.candidates:
            session.status.served()
        else:
            session.status.silent(f"{NO_SUGGESTION}{filled.why_nothing}", uri=uri, line=line)
        return filled

    async def _asked(self, turn: Turn, engine: EngineClient | None, offer: Offer, trigger: Trigger) -> Filled | None:
        """The engine's answer. Where there is no engine yet or it had ended before, a request by hand waits for one."""
        if engine is not None:
            try:
                return await self._ask(turn, engine, offer, trigger)
            except EngineGone:
                if not trigger.manual:
                    raise
        loaded = turn.run(self._session.launcher.wait, given_up=lambda: None)
        try:
            engine = await asyncio.wait_for(loaded, _ENGINE_WITHIN_S)
        except asyncio.TimeoutError:
            raise EngineUnavailable(_NOT_READY) from None
        return None if engine is None else await self._ask(turn, engine, offer, trigger)

    async def _ask(self, turn: Turn, engine: EngineClient, offer: Offer, trigger: Trigger) -> Filled | None:
        session, question = self._session, partial(self._question, offer, trigger)
        try:
            uri, wait_s = offer.snapshot.uri, self._wait_s(offer, trigger)
            return await session.suggestions.ask(turn, engine, uri, question, wait_s)
        except EngineUnavailable as error:
            await session.launcher.lost(engine, error)
            raise

    def _question(self, offer: Offer, trigger: Trigger) -> Question:
        wanted = Wanted(
            max_tokens=self._session.settings.inline.max_tokens,
            priority="manual" if trigger.manual else "automatic",
            deadline_ms=trigger.deadline_ms,
            candidates=trigger.texts + SPARE,
            typed=offer.typed,
            cells=self._session.cells_above(offer.snapshot),
            related=self._session.related.snippets(offer.snapshot, offer.hole.start),
        )
        return question(offer.snapshot, offer.hole, wanted)

    def _wait_s(self, offer: Offer, trigger: Trigger) -> float:
        session, snapshot, offset = self._session, offer.snapshot, offer.hole.end
        if trigger.manual:
            return 0.0
        if (own := session.settings.inline.debounce_ms) is not None:
            return own / 1000
        answer_ms = session.status.latency.percentile(50)
        return session.suggestions.debounce.wait_s(
            snapshot.text[snapshot.line_start(snapshot.line_at(offset)) : offset],
            answer_s=None if answer_ms is None else answer_ms / 1000,
            client_s=trigger.client_ms / 1000,
            accepted=session.acceptance.rate,
        )
