"""Latest wins per document: superseded work is answered with None, cancelled work with a cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from dg_lsp.completion.scheduler import Scheduler, Turn


class Work:
    """Work that runs until it is let go, and tells how it ended."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.let_go = asyncio.Event()
        self.ended = asyncio.Event()
        self.given_up = False

    async def __call__(self) -> str:
        self.started.set()
        try:
            await self.let_go.wait()
        finally:
            self.ended.set()
        return "done"

    def give_up(self) -> None:
        self.given_up = True

    def within(self, turn: Turn) -> Coroutine[Any, Any, str | None]:
        return turn.run(self, self.give_up)


async def test_work_alone_gives_its_answer() -> None:
    work = Work()
    work.let_go.set()
    assert await work.within(Scheduler().turn("a")) == "done"


async def test_a_newer_turn_ends_the_older_work_which_is_answered_with_none() -> None:
    scheduler, old, new = Scheduler(), Work(), Work()
    old_answer = asyncio.create_task(old.within(scheduler.turn("a")))
    await old.started.wait()
    new_answer = asyncio.create_task(new.within(scheduler.turn("a")))
    assert await old_answer is None
    await old.ended.wait()
    new.let_go.set()
    assert await new_answer == "done"


async def test_work_for_another_document_goes_on() -> None:
    scheduler, one, other = Scheduler(), Work(), Work()
    answers = [asyncio.create_task(work.within(scheduler.turn(uri))) for uri, work in (("a", one), ("b", other))]
    one.let_go.set()
    other.let_go.set()
    assert await asyncio.gather(*answers) == ["done", "done"]


async def test_work_whose_turn_is_over_before_it_began_never_starts() -> None:
    """T7: two requests of one burst take their turns before either of them runs."""
    scheduler, old, new = Scheduler(), Work(), Work()
    first, second = scheduler.turn("a"), scheduler.turn("a")
    new.let_go.set()
    assert await asyncio.gather(old.within(first), new.within(second)) == [None, "done"]
    assert not old.started.is_set()


async def test_cancelling_the_request_cancels_the_work_and_is_raised() -> None:
    """T8: swallowing the cancellation would answer null instead of -32800."""
    work = Work()
    request = asyncio.create_task(work.within(Scheduler().turn("a")))
    await work.started.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    await work.ended.wait()
    assert work.given_up


async def test_a_request_that_is_superseded_and_then_cancelled_was_not_given_up() -> None:
    """An editor that types on sends the change, cancels, and asks again, all in one burst."""
    scheduler, work = Scheduler(), Work()
    request = asyncio.create_task(work.within(scheduler.turn("a")))
    await work.started.wait()
    scheduler.supersede("a")
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    await work.ended.wait()
    assert not work.given_up


async def test_a_request_cancelled_before_it_began_never_starts_its_work() -> None:
    """T8: request and cancel in one burst."""
    work = Work()
    request = asyncio.create_task(work.within(Scheduler().turn("a")))
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    await asyncio.sleep(0.01)
    assert not work.started.is_set()


async def test_an_exception_of_the_work_reaches_the_request() -> None:
    async def fails() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await Scheduler().turn("a").run(fails, lambda: None)
