"""Find the engine of this user and machine, or start it, and wait until its model is loaded."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from dg_lsp.client.local import EngineClient, EngineUnavailable, cause_of
from engine.protocol import Health, log_path, runtime_folder

OnHealth = Callable[[Health], Awaitable[None]]

_PATIENCE_S = 60.0
_POLL_S = 0.05
_END_S = 10.0
_ENGINE_PACKAGES = ("torch", "safetensors", "tokenizers", "starlette", "uvicorn")


async def ready_engine(
    on_health: OnHealth | None = None, *, command: Sequence[str] | None = None, url: str = "", replace: bool = False
) -> EngineClient:
    """The running engine with its model loaded; `command` starts one when none runs, unless it is the one at `url`.

    With `replace`, `command` puts its engine in the place of the running one. `on_health` hears of every change while
    the model loads. Raises `EngineUnavailable` when no engine can be started, it does not answer for a minute, it
    dies, or its model cannot be loaded.
    """
    engine = EngineClient(url)
    try:
        if url:
            health, started = await _found(engine, url), None
        else:
            health, started = await _found_or_started(engine, command or serve_command(), replace)
        health = await _when_loaded(engine, health, started, on_health)
        if health.state == "error":
            if started:
                await started.fails()  # else the next start would find it
            raise EngineUnavailable(f"the engine could not load its model: {health.message}")
    except BaseException:
        await engine.close()
        raise
    if on_health:
        await on_health(health)
    return engine


async def _when_loaded(
    engine: EngineClient, health: Health, started: _Started | None, on_health: OnHealth | None
) -> Health:
    shown: Health | None = None
    while health.state == "loading":
        if on_health and health != shown:
            await on_health(health)
            shown = health
        await asyncio.sleep(_POLL_S)
        try:
            health = await health_of_busy(engine)
        except EngineUnavailable:
            if started and await started.fails():
                raise started.failure() from None  # says more than that nothing answers
            raise
    return health


def engine_command(*words: str) -> list[str]:
    """The command line that runs `dg-engine` with this Python."""
    return [sys.executable, "-m", "engine.cli", *words]


def serve_command(model: str = "", device: str = "auto", *, replace: bool = False) -> list[str]:
    """The command line that starts an engine with this Python, or puts it in the place of the running one."""
    command = engine_command("serve", "--device", device, *(["--replace"] if replace else []))
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


async def _found_or_started(
    engine: EngineClient, command: Sequence[str], replace: bool
) -> tuple[Health, _Started | None]:
    try:
        health = await engine.health()
        if not replace:
            return health, None
        before: int | None = health.pid
    except EngineUnavailable:
        before = None
    _check_installed()
    started = _start(command)
    return await _first_health(engine, started, before), started


async def _first_health(engine: EngineClient, started: _Started, before: int | None) -> Health:
    """The health of the engine that was started; that of the pid `before` only where it stays in its place."""
    give_up = time.monotonic() + _PATIENCE_S
    while time.monotonic() < give_up:
        ended = started.process.poll()
        try:
            health = await engine.health()
            # Status 0 is "already running": another window won the race, or nothing had to be replaced.
            if health.pid != before or ended == 0:
                return health
        except EngineUnavailable:
            pass
        if ended:  # asked before the health was: the engine of a window that won the race would have answered
            raise started.failure()
        await asyncio.sleep(_POLL_S)
    raise EngineUnavailable(f"the engine did not answer within {_PATIENCE_S:.0f} s: see its log {log_path()}")


async def health_of_busy(engine: EngineClient) -> Health:
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


@dataclass(frozen=True, slots=True)
class _Started:
    """A process that was started to be the engine, and where in the engine's log it begins to write."""

    process: subprocess.Popen[bytes]
    log_begin: int

    async def fails(self) -> bool:
        """True when it ends with an error, which is waited for: its socket is closed, or it said why, before that."""
        give_up = time.monotonic() + _END_S
        while self.process.poll() is None and time.monotonic() < give_up:
            await asyncio.sleep(_POLL_S)
        return bool(self.process.poll())

    def failure(self) -> EngineUnavailable:
        """Why it ended: the last line that it wrote."""
        with log_path().open("rb") as log:
            log.seek(self.log_begin)
            lines = log.read().decode(errors="replace").strip().splitlines()
        why = lines[-1].strip() if lines else f"exit status {self.process.returncode}"
        return EngineUnavailable(f"the engine stopped at once: {why} (log: {log_path()})")


def _start(command: Sequence[str]) -> _Started:
    """Start the engine, detached from this process."""
    folder = runtime_folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.stat().st_uid != os.getuid():
            # In a shared temporary folder someone else may have made it first, with links to our files.
            raise EngineUnavailable(f"{folder} belongs to another user: set DG_RUNTIME_DIR to a folder of your own")
        with log_path().open("ab") as log:
            begin = log.tell()  # before the start: the engine writes through the same open file and moves its place
            process = subprocess.Popen(
                command,
                cwd=folder,  # not the workspace: with `-m`, Python imports what lies in its folder
                env=engine_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return _Started(process, begin)
    except OSError as error:
        why = f"cannot write to {folder} ({error.strerror})"
        raise EngineUnavailable(f"{why}: set DG_RUNTIME_DIR to a folder of your own") from error


def engine_environment() -> dict[str, str]:
    """The environment of `dg-engine`, which does not run in our folder, to which a path may be relative."""
    return {**os.environ, "DG_RUNTIME_DIR": str(runtime_folder().absolute())}
