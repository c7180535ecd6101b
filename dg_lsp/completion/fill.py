"""The way of every fill: snapshot and hole to window, to request, to engine, through the filters, to result."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, replace

from dg_lsp.client.local import EngineClient, EngineUnavailable
from dg_lsp.completion.choice import BLOCK_LINES, UNSURE, choose
from dg_lsp.completion.filters import Place
from dg_lsp.context.window import window
from dg_lsp.documents import Snapshot
from dg_lsp.positions import with_newlines
from dg_lsp.syntax.holes import CODE, Hole
from dg_lsp.syntax.stubs import stub_starts
from dg_lsp.uris import file_name
from engine.protocol import Draft, FillRequest, FillResult, Priority, Snippet

_OTHER_SEED = 1 << 20
"""Is added to a seed whose answers were all refused: far away, for the user's next seed is the next number."""

_EMPTY = "the document is empty: write a first line, or a comment that says what it is to hold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a fill may take and give, as in `engine.protocol.FillRequest`.

    `typed` is text that stands at the start of the hole although the document does not have it yet, `cells` what stands
    before the document in its notebook.
    """

    max_tokens: int
    priority: Priority = "manual"
    deadline_ms: float | None = None
    candidates: int = 1
    seed: int = 0
    typed: str = ""
    cells: str = ""
    related: tuple[Snippet, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled(FillResult):
    """A result whose candidates went through the filters; `dropped` says why others did not come out of them.

    `of_nothing` is true where there was no text on either side.
    """

    dropped: tuple[str, ...] = ()
    of_nothing: bool = False

    @property
    def cut_short(self) -> bool:
        """Whether the deadline came before anything that may be shown: a whole answer may hold more."""
        return self.finish_reason == "deadline" and not self.candidates

    @property
    def why_nothing(self) -> str:
        """Why there is no candidate, in a few words."""
        if self.finish_reason == "unsure":
            return UNSURE
        if self.of_nothing:
            return _EMPTY
        return self.dropped[0] if self.dropped else "the model has nothing to offer at this place"


@dataclass(frozen=True, slots=True)
class Question:
    """What the engine is asked, and the place that its answer is meant for."""

    request: FillRequest
    place: Place


def question(snapshot: Snapshot, hole: Hole, wanted: Wanted) -> Question:
    """The question for `hole`."""
    around = window(snapshot, hole)
    typed = with_newlines(wanted.typed)
    place = Place(snapshot, hole, around.prefix + typed, around.suffix, typed)
    return Question(_request(snapshot, hole, wanted, place), place)


async def answer(engine: EngineClient, asked: Question, on_draft: Callable[[Draft], None] | None = None) -> Filled:
    """The middles for the question's place as they may be shown, with "\\n" line ends.

    When every candidate of a manual request is refused, the engine is asked once more with another seed, if there is
    time. Cancelling stops the engine's work. Raises `EngineError` and `EngineUnavailable`.
    """
    begun = time.monotonic()
    filled = await _asked_once(engine, asked, on_draft)
    again = _again(asked, filled, 1000 * (time.monotonic() - begun))
    if again is None:
        return filled
    second = await _asked_once(engine, again, on_draft)
    return replace(second, dropped=filled.dropped + second.dropped)


async def _asked_once(engine: EngineClient, asked: Question, on_draft: Callable[[Draft], None] | None) -> Filled:
    async with aclosing(engine.fill(asked.request)) as messages:
        async for message in messages:
            if isinstance(message, FillResult):
                # in a thread: in a long document it takes its time
                return await asyncio.to_thread(_filled, message, asked)
            if on_draft:
                on_draft(message)
    raise EngineUnavailable("the engine gave no answer: run `dg-lsp doctor`")


def _again(asked: Question, filled: Filled, took_ms: float) -> Question | None:
    """The question with another seed; None when there is an answer, or no time for another of the same length."""
    request = asked.request
    refused = filled.dropped and not filled.candidates
    if request.priority == "automatic" or not refused:
        return None
    left_ms = None if request.deadline_ms is None else request.deadline_ms - took_ms
    if left_ms is not None and left_ms < took_ms:
        return None
    seed = (request.seed + _OTHER_SEED) % 2**63
    return replace(asked, request=replace(request, seed=seed, deadline_ms=left_ms))


async def fill(
    engine: EngineClient,
    snapshot: Snapshot,
    hole: Hole,
    wanted: Wanted,
    on_draft: Callable[[Draft], None] | None = None,
) -> Filled:
    """The answer to the question for `hole`; see `answer`."""
    return await answer(engine, question(snapshot, hole, wanted), on_draft)


def _request(snapshot: Snapshot, hole: Hole, wanted: Wanted, place: Place) -> FillRequest:
    return FillRequest(
        prefix=place.prefix if place.cut_above else wanted.cells + place.prefix,
        suffix=place.suffix,
        language=snapshot.language_id,
        related=wanted.related,
        path=file_name(snapshot.uri),
        max_tokens=wanted.max_tokens,
        deadline_ms=wanted.deadline_ms,
        candidates=wanted.candidates,
        single_line=hole.single_line,
        max_lines=BLOCK_LINES if wanted.priority == "automatic" and not hole.single_line else None,
        forbidden_starts=stub_starts(snapshot.language_id) if hole.kind in CODE else (),
        priority=wanted.priority,
        seed=wanted.seed,
    )


def _filled(result: FillResult, asked: Question) -> Filled:
    request = asked.request
    seen = (request.prefix, *(snippet.text for snippet in request.related))  # the prefix may hold cells of a notebook
    choice = choose(result, asked.place, automatic=request.priority == "automatic", seen=seen)
    return Filled(
        candidates=choice.candidates,
        finish_reason=result.finish_reason,
        steps=result.steps,
        model=result.model,
        timings_ms=result.timings_ms,
        threshold=result.threshold,
        dropped=choice.refused,
        of_nothing=not (request.prefix.strip() or request.suffix.strip()),
    )
