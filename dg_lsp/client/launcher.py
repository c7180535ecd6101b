"""Keeps an engine at hand for as long as the language server lives."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from dg_lsp.client.launch import health_of_busy
from dg_lsp.client.local import EngineClient, EngineGone, EngineUnavailable

_RETRY_AFTER_S = 10.0


class Launcher:
    """Keeps one engine at hand for a process that lives long; starts it when needed and after it ended.

    `start` finds or starts an engine; `on_failure` hears why there is none. After each start but the first,
    `retry_after_s` go by before the next one.
    """

    def __init__(
        self,
        start: Callable[[], Awaitable[EngineClient]],
        on_failure: Callable[[str], Awaitable[None]],
        retry_after_s: float = _RETRY_AFTER_S,
    ) -> None:
        self._start = start
        self._on_failure = on_failure
        self._retry_after_s = retry_after_s
        self._engine: EngineClient | None = None
        self._launch: asyncio.Task[EngineClient | None] | None = None
        self._next_start = float("-inf")
        self._failure = ""

    @property
    def starting(self) -> bool:
        """Whether an engine is on its way."""
        return self._launch is not None and not self._launch.done()

    def engine(self) -> EngineClient | None:
        """The engine if it is ready, else None, and it is being started unless that was tried just now."""
        if self._engine is None:
            self._begin()
        return self._engine

    async def wait(self) -> EngineClient:
        """The engine, waiting until it is ready. Raises `EngineUnavailable`."""
        if (engine := self._engine) is not None:
            try:
                await health_of_busy(engine)
                return engine
            except EngineUnavailable as error:
                await self.lost(engine, error)
        launch, started = self._begin(), None
        while not launch.done():
            await asyncio.wait([launch])
            started = None if launch.cancelled() else launch.result()
            launch = self._launch or launch  # another one, where the engine was replaced meanwhile
        if started is None:
            raise EngineUnavailable(self._failure)
        return started

    async def replace(self, start: Callable[[], Awaitable[EngineClient]]) -> EngineClient:
        """Have `start` put another engine in the place of this one; requests wait for it.

        Raises `EngineUnavailable` when it cannot; then the engine is found or started as usual.
        """
        if self.starting and self._launch:
            self._launch.cancel()
        replaced, self._engine = self._engine, None
        replacing = asyncio.ensure_future(start())
        self._launch = asyncio.create_task(self._launching_after(replacing))
        if replaced is not None:
            await replaced.close()
        return await asyncio.shield(replacing)

    async def lost(self, engine: EngineClient, error: EngineUnavailable) -> None:
        """Take in that `engine` is gone.

        One that had ended before it was asked is started again at once, unless it was started just now. The death of
        another is a failure, and the next request starts one.
        """
        if self._engine is not engine:
            return
        self._engine, self._failure = None, str(error)
        again = isinstance(error, EngineGone) and not self._begin().done()
        await engine.close()
        if not again:
            await self._on_failure(self._failure)

    def _begin(self) -> asyncio.Task[EngineClient | None]:
        if self._launch is None:
            self._launch = asyncio.create_task(self._launching())
        elif self._launch.done() and asyncio.get_running_loop().time() >= self._next_start:
            self._launch = asyncio.create_task(self._launching_again())
        return self._launch

    async def _launching(self) -> EngineClient | None:
        try:
            self._engine = await self._start()
        except EngineUnavailable as error:
            self._failure = str(error)
            await self._on_failure(self._failure)
        return self._engine

    async def _launching_after(self, replacing: Awaitable[EngineClient]) -> EngineClient | None:
        try:
            self._engine = await replacing
        except EngineUnavailable:
            return await self._launching()
        return self._engine

    async def _launching_again(self) -> EngineClient | None:
        try:
            return await self._launching()
        finally:
            # From its end: the start of an engine that dies at once, again and again, may itself take longer than this.
            self._next_start = asyncio.get_running_loop().time() + self._retry_after_s
