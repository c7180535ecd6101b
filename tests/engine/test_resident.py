"""The queue before the model. A scripted `run` stands for the model, so that a test decides when a step ends."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from engine.protocol import Candidate, Draft, FillError, FillRequest, FillResult, Priority, ProtocolError
from engine.resident import Resident

STEPS = 3


@dataclass(frozen=True)
class ScriptedModel:
    name: str = "scripted"
    device: str = "cpu"
    context_tokens: int = 1000
    gap_tokens: int = 64
    languages: tuple[str, ...] = ("python",)


@dataclass
class Script:
    """Fills whose steps wait for `allow(n)`; `ran` lists the prefixes begun, `stopped` those that were cancelled."""

    ran: list[str] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    requests: list[FillRequest] = field(default_factory=list)
    _steps: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def allow(self, fills: int) -> None:
        self._steps.release(fills * STEPS)

    def run(
        self, model: Any, request: FillRequest, *, on_draft: Callable[[Draft], None], cancelled: Callable[[], bool]
    ) -> FillResult:
        self.ran.append(request.prefix)
        self.requests.append(request)
        if request.prefix == "boom":
            raise ZeroDivisionError("secret user code")
        if request.prefix == "too long":
            raise ProtocolError("the prefix is too long")
        for step in range(STEPS):
            while not self._steps.acquire(timeout=0.01):
                if cancelled():
                    self.stopped.append(request.prefix)
                    raise RuntimeError("cancelled")
            on_draft(Draft(text=f"draft {step}", step=step, steps=STEPS))
        candidate = Candidate(middle=request.prefix.upper(), source="denoised", confidence=1.0)
        return FillResult(candidates=(candidate,), finish_reason="stop", steps=STEPS, model=model.name)


def count(model: Any, text: str) -> int:
    return len(text)


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def resident(script: Script) -> Iterator[Resident]:
    resident = Resident(lambda progress: ScriptedModel(), script.run, count)
    resident.start()
    yield resident
    assert resident.close(wait_seconds=5)


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


async def test_a_fill_answers_its_drafts_and_then_the_result(resident: Resident, script: Script) -> None:
    script.allow(1)
    *drafts, result = [message async for message in resident.submit(FillRequest(prefix="x")).events()]
    assert [draft.text for draft in drafts if isinstance(draft, Draft)] == ["draft 0", "draft 1", "draft 2"]
    assert isinstance(result, FillResult)
    assert (result.middle, result.model) == ("X", "scripted")
    assert result.timings_ms["queue"] >= 0


async def test_manual_fills_go_before_automatic_ones_and_else_the_first_come(
    resident: Resident, script: Script
) -> None:
    running = resident.submit(FillRequest(prefix="running"))
    await until(lambda: script.ran)
    waiting = [
        resident.submit(FillRequest(prefix="a1", priority="automatic")),
        resident.submit(FillRequest(prefix="m1", priority="manual")),
        resident.submit(FillRequest(prefix="a2", priority="automatic")),
        resident.submit(FillRequest(prefix="m2", priority="manual")),
    ]
    script.allow(5)
    await asyncio.gather(*(job.answer() for job in [running, *waiting]))
    assert script.ran == ["running", "m1", "m2", "a1", "a2"]


async def test_a_manual_fill_takes_the_place_of_a_running_automatic_one(resident: Resident, script: Script) -> None:
    automatic = resident.submit(FillRequest(prefix="automatic", priority="automatic"))
    await until(lambda: script.ran)
    manual = resident.submit(FillRequest(prefix="manual"))
    assert await automatic.answer() == FillError(code="cancelled", message="a manual request took its place")
    script.allow(1)
    assert isinstance(await manual.answer(), FillResult)
    assert (script.ran, script.stopped) == (["automatic", "manual"], ["automatic"])


@pytest.mark.parametrize(
    ("running", "new"), [("manual", "manual"), ("manual", "automatic"), ("automatic", "automatic")]
)
async def test_else_a_running_fill_is_left_alone(
    resident: Resident, script: Script, running: Priority, new: Priority
) -> None:
    first = resident.submit(FillRequest(prefix="first", priority=running))
    await until(lambda: script.ran)
    second = resident.submit(FillRequest(prefix="second", priority=new))
    script.allow(2)
    assert isinstance(await first.answer(), FillResult)
    assert isinstance(await second.answer(), FillResult)


async def test_a_running_fill_stops_at_the_next_step_when_cancelled(resident: Resident, script: Script) -> None:
    job = resident.submit(FillRequest(prefix="x"))
    await until(lambda: script.ran)
    job.cancel()
    assert await job.answer() == FillError(code="cancelled", message="the fill was cancelled")
    assert script.stopped == ["x"]


async def test_a_queued_fill_never_runs_when_cancelled(resident: Resident, script: Script) -> None:
    jobs = [resident.submit(FillRequest(prefix=prefix)) for prefix in ("first", "second", "third")]
    jobs[1].cancel()
    script.allow(3)
    await asyncio.gather(*(job.answer() for job in jobs))
    assert script.ran == ["first", "third"]


async def test_a_failing_fill_answers_itself_and_the_next_one_runs(
    resident: Resident, script: Script, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="engine"):
        error = await resident.submit(FillRequest(prefix="boom")).answer()
    assert isinstance(error, FillError)
    assert (error.code, error.message) == ("engine", "ZeroDivisionError: secret user code")
    assert "secret" not in caplog.records[-1].getMessage()
    script.allow(1)
    assert isinstance(await resident.submit(FillRequest(prefix="x")).answer(), FillResult)


async def test_a_request_the_model_refuses_is_a_bad_request(resident: Resident) -> None:
    error = await resident.submit(FillRequest(prefix="too long")).answer()
    assert error == FillError(code="bad_request", message="the prefix is too long")


async def test_waiting_in_the_queue_counts_towards_the_deadline(resident: Resident, script: Script) -> None:
    script.allow(1)
    a_second_ago = time.monotonic() - 1
    job = resident.submit(FillRequest(prefix="x", deadline_ms=60_000), arrived=a_second_ago)
    await job.answer()
    assert script.requests[0].deadline_ms is not None
    assert script.requests[0].deadline_ms <= 59_000


async def test_a_fill_whose_deadline_passed_in_the_queue_is_not_begun(resident: Resident, script: Script) -> None:
    a_second_ago = time.monotonic() - 1
    result = await resident.submit(FillRequest(prefix="x", deadline_ms=500), arrived=a_second_ago).answer()
    assert isinstance(result, FillResult)
    assert (result.finish_reason, result.candidates, script.ran) == ("deadline", (), [])


async def test_closing_answers_every_fill(script: Script) -> None:
    resident = Resident(lambda progress: ScriptedModel(), script.run, count)
    resident.start()
    jobs = [resident.submit(FillRequest(prefix=prefix)) for prefix in ("running", "queued")]
    await until(lambda: script.ran)
    assert resident.close(wait_seconds=5)
    late = resident.submit(FillRequest(prefix="late"))
    answers = [await job.answer() for job in [*jobs, late]]
    assert [answer.code for answer in answers if isinstance(answer, FillError)] == ["cancelled"] * 3
    assert script.ran == ["running"]


async def test_a_resident_with_work_is_not_idle(resident: Resident, script: Script) -> None:
    await until(lambda: resident.health().state == "ready" and resident.idle_seconds() > 0)
    job = resident.submit(FillRequest(prefix="x"))
    assert resident.idle_seconds() == 0
    script.allow(1)
    await job.answer()
    await until(lambda: resident.idle_seconds() > 0)


async def test_health_follows_the_loading(script: Script) -> None:
    go_on = threading.Event()

    def load(progress: Callable[[float], None]) -> ScriptedModel:
        progress(0.25)
        go_on.wait(5)
        return ScriptedModel()

    resident = Resident(load, script.run, count, name="asked for")
    assert (resident.health().state, resident.health().progress) == ("loading", 0.0)
    resident.start()
    await until(lambda: resident.health().progress == 0.25)
    assert (resident.health().model, resident.idle_seconds()) == ("asked for", 0)
    go_on.set()
    await until(lambda: resident.health().state == "ready")
    health = resident.health()
    assert (health.model, health.device, health.context_tokens, health.gap_tokens) == ("scripted", "cpu", 1000, 64)
    assert health.languages == ("python",)
    assert resident.close(wait_seconds=5)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("model.safetensors is truncated\nby 3 bytes"), "model.safetensors is truncated"),
        (ModuleNotFoundError("No module named 'torch'", name="torch"), "torch is not installed: run pip install"),
        (MemoryError(), "MemoryError: no details"),
    ],
)
async def test_a_model_that_does_not_load_is_an_error_in_one_line(
    script: Script, error: Exception, message: str
) -> None:
    def load(progress: Callable[[float], None]) -> ScriptedModel:
        raise error

    resident = Resident(load, script.run, count)
    resident.start()
    await until(lambda: resident.health().state == "error")
    assert resident.health().message.startswith(message)
    assert "\n" not in resident.health().message
    assert resident.close(wait_seconds=5)
