"""Find the engine of this user and machine, or start it, and wait until its model is loaded."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import httpx

from dg_lsp.client.local import EngineClient, EngineGone, EngineUnavailable, cause_of
from engine.protocol import Health, log_path, runtime_folder

OnHealth = Callable[[Health], Awaitable[None]]

_PATIENCE_S = 60.0
_POLL_S = 0.05
_RETRY_AFTER_S = 10.0
_ENGINE_PACKAGES = ("torch", "safetensors", "tokenizers", "starlette", "uvicorn")


async def ready_engine(
    on_health: OnHealth | None = None, *, command: Sequence[str] | None = None, url: str = ""
) -> EngineClient:
    """The running engine with its model loaded; `command` starts one when none runs, unless it is the one at `url`.

    `on_health` hears of every change while the model loads. Raises `EngineUnavailable` when no engine can
    be started, it does not answer for a minute, it dies, or its model cannot be loaded.
    """
    engine = EngineClient(url)
    try:
        health = await (_found(engine, url) if url else _found_or_started(engine, command or serve_command()))
        shown: Health | None = None
        while health.state == "loading":
            if on_health and health != shown:
                await on_health(health)
                shown = health
            await asyncio.sleep(_POLL_S)
            health = await _health_of_busy(engine)
        if health.state == "error":
            raise EngineUnavailable(f"the engine could not load its model: {health.message}")
    except BaseException:
        await engine.close()
        raise
    if on_health:
        await on_health(health)
    return engine


def serve_command(model: str = "", device: str = "auto") -> list[str]:
    """The command line that starts an engine with this Python."""
    command = [sys.executable, "-m", "engine.cli", "serve", "--device", device]
    if not model:
        return command
    path = Path(model)  # absolute, because the engine runs in a folder of its own
    return [*command, "--model", str(path.absolute()) if path.exists() else model]


async def _found(engine: EngineClient, url: str) -> Health:
    try:
        return await engine.health()
    except EngineUnavailable as error:
        if isinstance(error.__cause__, (httpx.TransportError, OSError)):
            why = f"nothing answers at {url} ({cause_of(error.__cause__)})"
            raise EngineUnavailable(f"{why}: is dg.engine.url or --engine-url right?") from error
        raise EngineUnavailable(f"{url}: {error}") from error


async def _found_or_started(engine: EngineClient, command: Sequence[str]) -> Health:
    try:
        return await engine.health()
    except EngineUnavailable:
        _check_installed()
    log_end, process = _start(command)
    give_up = time.monotonic() + _PATIENCE_S
    while time.monotonic() < give_up:
        try:
            return await engine.health()
        except EngineUnavailable:
            # Status 0 is "already running": another window won the race and its engine is about to answer.
            if process.poll():
                with contextlib.suppress(EngineUnavailable):  # it won the race with another model
                    return await engine.health()
                why = _last_line(log_end) or f"exit status {process.returncode}"
                raise EngineUnavailable(f"the engine stopped at once: {why} (log: {log_path()})") from None
            await asyncio.sleep(_POLL_S)
    raise EngineUnavailable(f"the engine did not answer within {_PATIENCE_S:.0f} s: see its log {log_path()}")


async def _health_of_busy(engine: EngineClient) -> Health:
    """As `engine.health`, but an engine that is there and slow is given a minute."""
    give_up = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return await engine.health()
        except EngineUnavailable as error:
            slow = isinstance(error.__cause__, httpx.TimeoutException)  # a dead one refuses at once
            if not slow or time.monotonic() > give_up:
                raise


def _check_installed() -> None:
    missing = [name for name in _ENGINE_PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise EngineUnavailable(f"the engine needs {', '.join(missing)}: run `pip install 'dg-lsp[engine]'`")


def _start(command: Sequence[str]) -> tuple[int, subprocess.Popen[bytes]]:
    """Start the engine, detached from this process; also where in its log it begins to write."""
    folder = runtime_folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.stat().st_uid != os.getuid():
            # In a shared temporary folder someone else may have made it first, with links to our files.
            raise EngineUnavailable(f"{folder} belongs to another user: set DG_RUNTIME_DIR to a folder of your own")
        with log_path().open("ab") as log:
            begin = log.tell()  # before the start: the engine writes through the same open file and moves its place
            # Not in the workspace: with `-m`, Python imports what lies in its folder, such as a user's own engine.py.
            environment = {**os.environ, "DG_RUNTIME_DIR": str(folder.absolute())}  # it may be relative to our folder
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return begin, process
    except OSError as error:
        why = f"cannot write to {folder} ({error.strerror})"
        raise EngineUnavailable(f"{why}: set DG_RUNTIME_DIR to a folder of your own") from error


def _last_line(start: int) -> str:
    """The last line of the engine's log after byte `start`, empty when there is none."""
    with log_path().open("rb") as log:
        log.seek(start)
        lines = log.read().decode(errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else ""


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
                await _health_of_busy(engine)
                return engine
            except EngineUnavailable as error:
                await self.lost(engine, error)
        launch = self._begin()
        # shield: others wait for the same start.
        if launch.done() or (started := await asyncio.shield(launch)) is None:
            raise EngineUnavailable(self._failure)
        return started

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

    async def _launching_again(self) -> EngineClient | None:
        try:
            return await self._launching()
        finally:
            # From its end: the start of an engine that dies at once, again and again, may itself take longer than this.
            self._next_start = asyncio.get_running_loop().time() + self._retry_after_s
