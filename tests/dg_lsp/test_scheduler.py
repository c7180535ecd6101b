"""Latest wins per document: superseded work is answered with None, cancelled work with a cancellation."""

from __future__ import annotations

import asyncio

import pytest

from dg_lsp.completion.scheduler import Scheduler


class Work:
    """Work that runs until it is let go, and tells how it ended."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.let_go = asyncio.Event()
        self.ended = asyncio.Event()

    async def __call__(self) -> str:
        self.started.set()
        try:
            await self.let_go.wait()
        finally:
            self.ended.set()
        return "done"


async def test_work_alone_gives_its_answer() -> None:
    work = Work()
    work.let_go.set()
    assert await Scheduler().latest("a", work) == "done"


async def test_newer_work_ends_the_older_which_is_answered_with_none() -> None:
    scheduler, old, new = Scheduler(), Work(), Work()
    old_answer = asyncio.create_task(scheduler.latest("a", old))
    await old.started.wait()
    new_answer = asyncio.create_task(scheduler.latest("a", new))
    assert await old_answer is None
    await old.ended.wait()
    new.let_go.set()
    assert await new_answer == "done"


async def test_work_for_another_document_goes_on() -> None:
    scheduler, one, other = Scheduler(), Work(), Work()
    answers = [asyncio.create_task(scheduler.latest("a", one)), asyncio.create_task(scheduler.latest("b", other))]
    one.let_go.set()
    other.let_go.set()
    assert await asyncio.gather(*answers) == ["done", "done"]


async def test_the_turn_is_taken_at_the_call_not_when_the_coroutine_runs() -> None:
    """T7: two requests of one burst are dispatched before either coroutine runs."""
    scheduler, old, new = Scheduler(), Work(), Work()
    first, second = scheduler.latest("a", old), scheduler.latest("a", new)
    new.let_go.set()
    assert await asyncio.gather(first, second) == [None, "done"]


async def test_work_superseded_while_it_waits_never_starts() -> None:
    scheduler, old = Scheduler(), Work()
    answer = asyncio.create_task(scheduler.latest("a", old, delay_s=60))
    await asyncio.sleep(0)
    scheduler.supersede("a")
    assert await answer is None
    assert not old.started.is_set()


async def test_cancelling_the_request_cancels_the_work_and_is_raised() -> None:
    """T8: swallowing the cancellation would answer null instead of -32800."""
    scheduler, work = Scheduler(), Work()
    request = asyncio.create_task(scheduler.latest("a", work))
    await work.started.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    await work.ended.wait()


async def test_a_request_cancelled_before_it_began_never_starts_its_work() -> None:
    """T8: request and cancel in one burst."""
    scheduler, work = Scheduler(), Work()
    request = asyncio.create_task(scheduler.latest("a", work))
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    await asyncio.sleep(0.01)
    assert not work.started.is_set()


async def test_an_exception_of_the_work_reaches_the_request() -> None:
    async def fails() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await Scheduler().latest("a", fails)
