"""Which request is answered: the latest one of each document."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")


class Turn:
    """A request's right to be answered, which lasts until a newer one takes its place."""

    def __init__(self) -> None:
        self._over = asyncio.get_running_loop().create_future()

    def end(self) -> None:
        """What still runs in this turn is cancelled, and its request answered with None."""
        if not self._over.done():
            self._over.set_result(None)

    async def run(self, work: Callable[[], Coroutine[Any, Any, _T]], given_up: Callable[[], None]) -> _T | None:
        """The result of `work`, or None as soon as the turn is over.

        Cancelling it cancels the work; unless the turn was over before, `given_up` is called then.
        """
        if self._over.done():
            return None
        task = asyncio.create_task(work())
        try:
            either: set[asyncio.Future[Any]] = {task, self._over}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            if not self._over.done():
                given_up()
            raise
        finally:
            task.cancel()  # nothing happens when it is done
        return None if self._over.done() else task.result()


class Scheduler:
    """Latest wins: a new turn of a document ends the one before."""

    def __init__(self) -> None:
        self._turns: dict[str, Turn] = {}

    def turn(self, uri: str) -> Turn:
        """A new turn, from now on."""
        self.supersede(uri)
        self._turns[uri] = turn = Turn()
        return turn

    def supersede(self, uri: str) -> None:
        """End the turn of a document, if there is one."""
        if turn := self._turns.pop(uri, None):
            turn.end()
