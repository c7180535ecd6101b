"""Which request runs: the latest one of each document."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")


class Scheduler:
    """Latest wins: new work for a document ends the work that still runs for it."""

    def __init__(self) -> None:
        self._superseded: dict[str, asyncio.Future[None]] = {}

    def latest(
        self, uri: str, work: Callable[[], Awaitable[_T]], delay_s: float = 0.0
    ) -> Coroutine[Any, Any, _T | None]:
        """Take the place of older work for `uri`, now, and hand back a coroutine that does the work.

        It starts `work` after `delay_s` and answers with its result, or None as soon as it is superseded.
        Cancelling it cancels the work.
        """
        self.supersede(uri)
        superseded = asyncio.get_running_loop().create_future()
        self._superseded[uri] = superseded
        return self._answer(uri, superseded, work, delay_s)

    def supersede(self, uri: str) -> None:
        """End the work for `uri`, if any; its request is answered with None."""
        if superseded := self._superseded.pop(uri, None):
            superseded.set_result(None)

    async def _answer(
        self, uri: str, superseded: asyncio.Future[None], work: Callable[[], Awaitable[_T]], delay_s: float
    ) -> _T | None:
        task = asyncio.create_task(_delayed(work, delay_s))
        try:
            either: set[asyncio.Future[Any]] = {task, superseded}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            task.cancel()  # nothing happens when it is done
            if self._superseded.get(uri) is superseded:
                del self._superseded[uri]
        return None if superseded.done() else task.result()


async def _delayed(work: Callable[[], Awaitable[_T]], delay_s: float) -> _T:
    await asyncio.sleep(delay_s)
    return await work()
