"""What is offered at a cursor: from what is known already, from the fill that runs, or from a new one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from dg_lsp.client.local import EngineClient
from dg_lsp.completion.debounce import Debounce
from dg_lsp.completion.fill import Filled, Question, answer
from dg_lsp.completion.known import Known, at_place, rest
from dg_lsp.completion.scheduler import Scheduler, Turn
from dg_lsp.documents import Snapshot

_GRACE_S = 0.1
"""After the deadline: so much later than the engine the server loses patience."""


class Display(Protocol):
    """Who shows the user that there is work, and how long it takes."""

    def busy(self) -> AbstractContextManager[None]: ...
    def took(self, ms: float, *, cut: bool = False) -> None: ...


@dataclass(frozen=True, slots=True)
class _Fill:
    """A fill on its way."""

    question: Question
    task: asyncio.Task[Filled]

    def leads_to(self, now: Question) -> bool:
        """Whether its answer may be one for another question too: of the same place, or typed on from there."""
        if now.request.priority == "manual":
            return replace(self.question.request, deadline_ms=now.request.deadline_ms) == now.request
        return at_place(self.question.request, now.request)


class Suggestions:
    """Answers the latest question of each document.

    Of each document one fill runs at most. It goes on without its request in two cases: when the user types at its
    place, for the next request may ask for the rest of its answer; and after the deadline, to be known to the next one.
    """

    def __init__(self, display: Display) -> None:
        self.debounce = Debounce()
        self._display = display
        self._turns = Scheduler()
        self._known = Known()
        self._fills: dict[str, _Fill] = {}
        self._engine: EngineClient | None = None

    def turn(self, uri: str) -> Turn:
        """Take the place of an older request for a document, which is answered with None."""
        return self._turns.turn(uri)

    async def ask(
        self, turn: Turn, engine: EngineClient, uri: str, question: Callable[[], Question], wait_s: float
    ) -> Filled | None:
        """The answer, soon after the request's deadline at the latest; None when its turn is over.

        The engine is asked after `wait_s`. Raises `EngineError` and `EngineUnavailable`.
        """
        return await turn.run(partial(self._answer, engine, uri, question, wait_s), given_up=lambda: self._stop(uri))

    def changed(self, uri: str, now: Snapshot | None) -> None:
        """A document has a new version; None when it was opened or closed."""
        self.debounce.typed()
        if fill := self._fills.get(uri):
            place = fill.question.place
            if now is None or now.inserted_since(place.snapshot, place.hole.end) is None:
                self._stop(uri)
        if now is None:
            self._known.forget(uri)
        self._turns.supersede(uri)

    def close(self) -> None:
        """Stop every fill."""
        for uri in list(self._fills):
            self._stop(uri)

    async def _answer(self, engine: EngineClient, uri: str, ask: Callable[[], Question], wait_s: float) -> Filled:
        begun = time.monotonic()
        question = ask()
        if engine is not self._engine:  # another one may have another model
            self._engine, self._known = engine, Known()
        if (fill := self._fills.get(uri)) and not fill.leads_to(question):
            self._stop(uri)
        if known := self._known.find(uri, question.request):
            return known
        until = begun + wait_s + (question.request.deadline_ms or 0) / 1000 + _GRACE_S
        if typed_on := await self._followed(uri, question, until):
            return typed_on
        self._stop(uri)
        await asyncio.sleep(begun + wait_s - time.monotonic())
        filled = await self._within(self._start(engine, uri, question), until)
        return _late(question) if filled is None or filled.cut_short else filled

    async def _followed(self, uri: str, question: Question, until: float) -> Filled | None:
        """What the fill that runs says where the cursor stands now; None when it does not agree with what was typed."""
        while fill := self._fills.get(uri):
            filled = await self._within(fill, until)
            if filled is None:
                return _late(question)
            if not filled.cut_short:
                same = fill.question.request.prefix == question.request.prefix
                return filled if same else rest(fill.question.request, filled, question.request)
        return None

    async def _within(self, fill: _Fill, until: float) -> Filled | None:
        """A fill's answer; None when it is not there in time."""
        await asyncio.wait({fill.task}, timeout=max(until - time.monotonic(), 0))
        return fill.task.result() if fill.task.done() else None

    def _start(self, engine: EngineClient, uri: str, question: Question) -> _Fill:
        fill = _Fill(question, asyncio.create_task(self._run(engine, question)))
        self._fills[uri] = fill
        fill.task.add_done_callback(lambda _: self._ended(engine, uri, fill))
        return fill

    async def _run(self, engine: EngineClient, question: Question) -> Filled:
        begun, request = time.monotonic(), question.request
        with self._display.busy():
            filled = await answer(engine, question)
        if request.priority == "automatic" and request.deadline_ms is not None:
            self._display.took(1000 * (time.monotonic() - begun), cut=filled.finish_reason == "deadline")
        return filled

    def _ended(self, engine: EngineClient, uri: str, fill: _Fill) -> None:
        """Keep the answer, and compute to its end what the deadline cut short."""
        mine = self._fills.get(uri) is fill
        if mine:
            del self._fills[uri]
        if fill.task.cancelled() or fill.task.exception():  # who waits for it hears of it
            return
        filled, request = fill.task.result(), fill.question.request
        self._known.keep(uri, request, filled)
        if mine and filled.finish_reason == "deadline" and request.deadline_ms is not None:
            self._start(engine, uri, replace(fill.question, request=replace(request, deadline_ms=None)))

    def _stop(self, uri: str) -> None:
        if fill := self._fills.pop(uri, None):
            fill.task.cancel()


def _late(question: Question) -> Filled:
    why = f"the answer took longer than {question.request.deadline_ms:.0f} ms"
    return Filled(candidates=(), finish_reason="deadline", steps=0, model="", dropped=(why,))
