"""The resident model: one worker thread loads it, then runs the fills, most urgent first.

A manual fill does not wait for an automatic one: it takes its place at the next denoising step.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import heapq
import importlib.metadata
import itertools
import logging
import os
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol

from engine.protocol import Draft, EngineState, FillError, FillRequest, FillResult, Health, ProtocolError

_log = logging.getLogger("engine")
_CANCELLED = FillError(code="cancelled", message="the fill was cancelled")
_PREEMPTED = FillError(code="cancelled", message="a manual request took its place")


class Model(Protocol):
    """What the worker has to know of a loaded model."""

    @property
    def name(self) -> str: ...
    @property
    def device(self) -> str: ...
    @property
    def context_tokens(self) -> int: ...
    @property
    def gap_tokens(self) -> int: ...
    @property
    def languages(self) -> tuple[str, ...]: ...


class Run(Protocol):
    """Runs one fill; raises, whatever it likes, soon after `cancelled()` has become true."""

    def __call__(
        self, model: Any, request: FillRequest, *, on_draft: Callable[[Draft], None], cancelled: Callable[[], bool]
    ) -> FillResult: ...


Load = Callable[[Callable[[float], None]], Model]
Count = Callable[[Any, str], int]


class Job:
    """One fill on its way through the engine, read on the event loop that submitted it."""

    def __init__(self, request: FillRequest, arrived: float) -> None:
        self.request = request
        self._arrived = arrived
        self._loop = asyncio.get_running_loop()
        self._messages: asyncio.Queue[Draft | FillResult | FillError] = asyncio.Queue()
        self._cancelled = threading.Event()
        self.why_cancelled = _CANCELLED

    async def events(self) -> AsyncIterator[Draft | FillResult | FillError]:
        """The drafts as they come, then one result or error."""
        while True:
            message = await self._messages.get()
            yield message
            if not isinstance(message, Draft):
                return

    async def answer(self) -> FillResult | FillError:
        """The result or error; drafts are passed over."""
        while isinstance(message := await self._messages.get(), Draft):
            pass
        return message

    def cancel(self, why: FillError = _CANCELLED) -> None:
        """Drop the job from the queue, or stop it at the next denoising step; `why` is its answer then."""
        self.why_cancelled = why
        self._cancelled.set()

    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    @property
    def automatic(self) -> bool:
        return self.request.priority == "automatic"

    def waited_ms(self) -> float:
        return round((time.monotonic() - self._arrived) * 1000, 1)

    def put(self, message: Draft | FillResult | FillError) -> None:
        """Hand a message from the worker thread to the event loop."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to read
            self._loop.call_soon_threadsafe(self._messages.put_nowait, message)


class Resident:
    """The model in memory and the queue of jobs before it.

    `load` builds the model, telling its progress in [0, 1], and `run` fills with it; both are called on
    the one worker thread. `count` gives the number of a text's tokens, on any thread. `name` stands for the
    model in `health()` until it is loaded.
    """

    def __init__(self, load: Load, run: Run, count: Count, *, name: str = "") -> None:
        self._load = load
        self._run = run
        self._count = count
        self._model: Model | None = None
        self._health = Health(
            state="loading",
            progress=0.0,
            model=name,
            device="",
            version=importlib.metadata.version("dg-lsp"),
            pid=os.getpid(),
        )
        self._jobs: list[tuple[bool, int, Job]] = []
        self._arrival = itertools.count()
        self._running: Job | None = None
        self._closing = False
        self._last_used = time.monotonic()
        self._changed = threading.Condition()
        self._worker = threading.Thread(target=self._work, name="model", daemon=True)

    def start(self) -> None:
        """Begin to load the model."""
        self._worker.start()

    def health(self) -> Health:
        return self._health

    def submit(self, request: FillRequest, *, arrived: float | None = None) -> Job:
        """Queue a fill; call it on an event loop. `arrived` (`time.monotonic()`) starts the deadline's clock."""
        job = Job(request, time.monotonic() if arrived is None else arrived)
        with self._changed:
            if self._closing:
                job.put(_CANCELLED)
                return job
            # Manual (False) sorts before automatic (True), then by arrival.
            heapq.heappush(self._jobs, (job.automatic, next(self._arrival), job))
            if self._running and self._running.automatic and not job.automatic:
                self._running.cancel(_PREEMPTED)
            self._last_used = time.monotonic()
            self._changed.notify()
        return job

    def idle_seconds(self) -> float:
        """Time since the last fill ended; 0 while there is work."""
        with self._changed:
            busy = self._running or self._jobs or self._health.state == "loading"
            return 0.0 if busy else time.monotonic() - self._last_used

    def count_tokens(self, text: str) -> int:
        """The number of tokens in a text, by the loaded model's tokenizer."""
        return self._count(self._model, text)

    def close(self, wait_seconds: float = 0.0) -> bool:
        """Cancel every job and end the worker; True when it has ended within `wait_seconds`."""
        with self._changed:
            self._closing = True
            for _, _, job in self._jobs:
                job.cancel()
            if self._running:
                self._running.cancel()
            self._changed.notify()
        self._worker.join(wait_seconds)
        return not self._worker.is_alive()

    def _work(self) -> None:
        self._model = model = self._load_model()
        while job := self._next_job():
            job.put(job.why_cancelled if model is None or job.cancelled() else self._answer(model, job))
            with self._changed:
                self._running = None
                self._last_used = time.monotonic()

    def _load_model(self) -> Model | None:
        begin = time.monotonic()
        try:
            model = self._load(lambda progress: self._update("loading", progress=progress))
        except BaseException as error:  # a panic inside the tokenizer is no Exception
            self._update("error", message=load_problem(error))
            told = isinstance(error, ValueError)  # those of the loaders say it all
            _log.error("the model could not be loaded: %s", self._health.message, exc_info=None if told else error)
            return None
        self._last_used = time.monotonic()
        self._update(
            "ready",
            progress=1.0,
            model=model.name,
            device=model.device,
            context_tokens=model.context_tokens,
            gap_tokens=model.gap_tokens,
            languages=model.languages,
        )
        _log.info("ready: %s on %s, loaded in %.1f s", model.name, model.device, self._last_used - begin)
        return model

    def _update(self, state: EngineState, **fields: Any) -> None:
        self._health = dataclasses.replace(self._health, state=state, **fields)

    def _next_job(self) -> Job | None:
        """The most urgent job, waiting for one; None when the engine closes."""
        with self._changed:
            while not self._jobs and not self._closing:
                self._changed.wait()
            if self._jobs:
                self._running = heapq.heappop(self._jobs)[2]
            return self._running

    def _answer(self, model: Model, job: Job) -> FillResult | FillError:
        request, waited = job.request, job.waited_ms()
        if request.deadline_ms is not None:
            left = request.deadline_ms - waited
            if left <= 0:
                timings = {"queue": waited}
                return FillResult(
                    candidates=(), finish_reason="deadline", steps=0, model=model.name, timings_ms=timings
                )
            request = dataclasses.replace(request, deadline_ms=left)
        try:
            result = self._run(model, request, on_draft=job.put, cancelled=job.cancelled)
        except BaseException as error:  # as above: the worker must live on
            return job.why_cancelled if job.cancelled() else _failure(error)
        return dataclasses.replace(result, timings_ms={"queue": waited, **result.timings_ms})


def load_problem(error: BaseException) -> str:
    """Why the model is not there, in one line that says what to do where that is known."""
    if isinstance(error, ModuleNotFoundError):
        return f"{error.name} is not installed: run pip install 'dg-lsp[engine]'"
    if isinstance(error, ValueError):  # the loaders' own errors are complete sentences
        return _first_line(error)
    return f"{type(error).__name__}: {_first_line(error)}"


def _failure(error: BaseException) -> FillError:
    if isinstance(error, ProtocolError):
        return FillError(code="bad_request", message=_first_line(error))
    _log.error("a fill failed", exc_info=error)
    return FillError(code="engine", message=f"{type(error).__name__}: {_first_line(error)}")


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "no details")[:300]
