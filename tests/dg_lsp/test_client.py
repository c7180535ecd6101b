"""The client of the engine: server-sent events, errors, a dying engine, finding and starting one."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest
from lsp_session import ScriptedEngine, ScriptedEngines, eventually, short_folder

from dg_lsp.client import launch, local
from dg_lsp.client.launch import ready_engine, serve_command
from dg_lsp.client.launcher import Launcher
from dg_lsp.client.local import EngineClient, EngineError, EngineGone, EngineUnavailable, server_sent_events
from engine.protocol import Draft, FillRequest, FillResult, Health

REQUEST = FillRequest(prefix="a = ")


@pytest.fixture
def runtime_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with short_folder() as folder:
        monkeypatch.setenv("DG_RUNTIME_DIR", str(folder))
        yield folder


@pytest.fixture
def scripted_engine(runtime_folder: Path) -> Iterator[Callable[..., ScriptedEngine]]:
    engines = ScriptedEngines(runtime_folder)
    yield engines.start
    engines.end()


async def events_of(*chunks: bytes) -> list[tuple[str, bytes]]:
    async def stream() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    return [event async for event in server_sent_events(stream())]


async def test_events_may_be_cut_anywhere() -> None:
    text = b"event: draft\ndata: {1}\n\nevent: done\r\ndata: {2}\r\n\r\n"
    for cut in range(len(text)):
        assert await events_of(text[:cut], text[cut:]) == [("draft", b"{1}"), ("done", b"{2}")]


async def test_comments_are_skipped_data_lines_joined_and_an_unfinished_event_dropped() -> None:
    assert await events_of(b": ping\n\ndata: a\ndata: b\n\ndata: cut") == [("message", b"a\nb")]


async def test_a_fill_gives_its_drafts_then_the_result(scripted_engine: Callable[..., ScriptedEngine]) -> None:
    strange = "x\u2028y\x85z\x0c'"  # line ends to some readers, not to this protocol
    scripted_engine("--steps", "3", "--middle", strange)
    engine = EngineClient()
    *drafts, result = [answer async for answer in engine.fill(REQUEST)]
    assert [(type(draft), draft.step if isinstance(draft, Draft) else 0) for draft in drafts] == [
        (Draft, 1),
        (Draft, 2),
        (Draft, 3),
    ]
    assert isinstance(result, FillResult)
    assert result.middle == strange
    await engine.close()


async def test_a_consumer_that_stops_closes_the_request(scripted_engine: Callable[..., ScriptedEngine]) -> None:
    scripted = scripted_engine("--steps", "1000", "--step-ms", "5")
    engine = EngineClient()
    async with aclosing(engine.fill(REQUEST)) as answers:
        await answers.__anext__()
    eventually(lambda: scripted.seen()[0]["end"] == "closed")
    await engine.close()


async def test_an_error_event_is_raised(scripted_engine: Callable[..., ScriptedEngine]) -> None:
    scripted_engine("--fail-at-step", "2")
    engine = EngineClient()
    with pytest.raises(EngineError, match="the script says so") as failure:
        _ = [answer async for answer in engine.fill(REQUEST)]
    assert failure.value.code == "engine"
    await engine.close()


async def test_an_engine_that_dies_in_mid_answer_is_unavailable(
    scripted_engine: Callable[..., ScriptedEngine],
) -> None:
    scripted = scripted_engine("--die-at-step", "2")
    engine = EngineClient()
    with pytest.raises(EngineUnavailable, match="dg-lsp doctor") as death:
        _ = [answer async for answer in engine.fill(REQUEST)]
    assert not isinstance(death.value, EngineGone)
    scripted.process.wait()
    with pytest.raises(EngineGone, match="dg-lsp doctor"):
        await engine.health()
    await engine.close()


async def test_what_is_asked_of_a_client_closed_meanwhile_finds_the_engine_gone(
    scripted_engine: Callable[..., ScriptedEngine],
) -> None:
    scripted_engine("--steps", "1000", "--step-ms", "5")
    engine = EngineClient()
    running = engine.fill(REQUEST)
    await running.__anext__()
    await engine.close()
    with pytest.raises(EngineUnavailable):
        _ = [answer async for answer in running]
    with pytest.raises(EngineGone, match="ask again"):
        _ = [answer async for answer in engine.fill(REQUEST)]
    with pytest.raises(EngineGone, match="ask again"):
        await engine.health()


async def test_an_engine_whose_socket_is_missing_is_gone(runtime_folder: Path) -> None:
    engine = EngineClient()
    with pytest.raises(EngineGone, match="dg-lsp doctor"):
        await engine.health()
    with pytest.raises(EngineGone, match="dg-lsp doctor"):
        _ = [answer async for answer in engine.fill(REQUEST)]
    await engine.close()


async def test_a_running_engine_is_found_and_its_load_followed(
    scripted_engine: Callable[..., ScriptedEngine],
) -> None:
    scripted_engine("--load-ms", "600")
    heard: list[Health] = []

    async def on_health(health: Health) -> None:
        heard.append(health)

    engine = await ready_engine(on_health, command=["/this/would/fail"])
    assert [health.state for health in heard[:-1]] == ["loading"] * (len(heard) - 1)
    assert len(heard) > 2
    assert heard[-1].state == "ready"
    assert [health.progress for health in heard] == sorted(health.progress for health in heard)
    await engine.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each question to the engine may take a tenth of a second."""
    monkeypatch.setattr(local, "_HEALTH_TIMEOUT_S", 0.1)


@pytest.mark.usefixtures("impatient")
async def test_an_engine_that_is_slow_to_answer_while_it_loads_is_waited_for(
    scripted_engine: Callable[..., ScriptedEngine],
) -> None:
    scripted = scripted_engine("--load-ms", "300")

    async def on_health(health: Health) -> None:
        if health.state == "loading" and not stopped.is_set():
            stopped.set()
            scripted.process.send_signal(signal.SIGSTOP)
            asyncio.get_running_loop().call_later(0.5, scripted.process.send_signal, signal.SIGCONT)

    stopped = asyncio.Event()
    engine = await ready_engine(on_health)
    assert stopped.is_set()
    await engine.close()


@pytest.mark.usefixtures("impatient")
async def test_an_engine_that_never_answers_again_is_given_up(
    scripted_engine: Callable[..., ScriptedEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "_PATIENCE_S", 0.3)
    scripted = scripted_engine("--load-ms", "60000")

    async def on_health(health: Health) -> None:
        scripted.process.send_signal(signal.SIGSTOP)

    with pytest.raises(EngineUnavailable, match="does not answer"):
        await ready_engine(on_health)


async def test_an_engine_that_dies_while_it_loads_is_unavailable_at_once(
    scripted_engine: Callable[..., ScriptedEngine],
) -> None:
    scripted = scripted_engine("--load-ms", "60000")

    async def on_health(health: Health) -> None:
        scripted.kill()

    with pytest.raises(EngineUnavailable, match="does not answer"):
        await asyncio.wait_for(ready_engine(on_health), 30)


async def test_a_model_that_cannot_be_loaded_is_told_with_what_to_do(
    scripted_engine: Callable[..., ScriptedEngine],
) -> None:
    scripted_engine("--load-error", "m/config.json is missing: download the model again")
    with pytest.raises(EngineUnavailable, match=r"could not load its model: m/config.json is missing"):
        await ready_engine()


async def test_an_engine_that_exits_at_once_is_told_with_the_last_line_of_its_log(runtime_folder: Path) -> None:
    (runtime_folder / "engine.log").write_text("from an earlier run\n")
    script = "import sys; print('starting'); print('no room for the model'); sys.exit(3)"
    with pytest.raises(EngineUnavailable, match=r"stopped at once: no room for the model \(log: .*engine.log\)"):
        await ready_engine(command=[sys.executable, "-c", script])


async def test_a_model_that_the_started_engine_cannot_load_is_told(runtime_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match=r"could not load its model: .* has no config.json"):
        await ready_engine(command=serve_command(str(tmp_path)))


async def test_an_engine_with_another_model_that_won_the_race_is_used(
    scripted_engine: Callable[..., ScriptedEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = 0

    async def health(self: EngineClient) -> Health:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise EngineUnavailable("not yet")
        return await answers(self)

    answers = EngineClient.health
    scripted_engine()
    monkeypatch.setattr(EngineClient, "health", health)
    engine = await ready_engine(command=[sys.executable, "-c", "raise SystemExit(3)"])
    await engine.close()


async def test_the_engine_does_not_import_what_lies_in_the_users_folder(
    runtime_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "engine.py").write_text("raise SystemExit('the engine.py of the user')")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EngineUnavailable, match="invalid choice"):
        await ready_engine(command=[sys.executable, "-m", "engine.cli", "no-such-command"])


async def test_a_runtime_folder_given_relative_to_the_server_is_the_engines_too(
    runtime_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(runtime_folder)
    monkeypatch.setenv("DG_RUNTIME_DIR", "run")
    script = "from engine.protocol import runtime_folder; print(runtime_folder()); raise SystemExit(3)"
    with pytest.raises(EngineUnavailable, match=rf"stopped at once: {runtime_folder / 'run'} "):
        await ready_engine(command=[sys.executable, "-c", script])


def test_a_checkpoint_folder_given_relative_to_the_server_is_found_by_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "checkpoint").mkdir()
    monkeypatch.chdir(tmp_path)
    assert serve_command("checkpoint")[-1] == str(tmp_path / "checkpoint")
    assert serve_command("google/some-model")[-1] == "google/some-model"


async def test_a_runtime_folder_that_cannot_be_written_is_named(
    runtime_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (runtime_folder / "file").touch()
    monkeypatch.setenv("DG_RUNTIME_DIR", str(runtime_folder / "file" / "in"))
    with pytest.raises(EngineUnavailable, match=r"cannot write to .*file/in .* set DG_RUNTIME_DIR"):
        await ready_engine()


async def test_a_missing_engine_package_is_named(runtime_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "_ENGINE_PACKAGES", ("json", "no_such_package"))
    with pytest.raises(EngineUnavailable, match=r"needs no_such_package: run `pip install 'dg-lsp\[engine\]'`"):
        await ready_engine()


async def test_a_launcher_restarts_once_then_waits(runtime_folder: Path) -> None:
    starts: list[int] = []
    failures: list[str] = []

    async def start() -> EngineClient:
        starts.append(1)
        raise EngineUnavailable(f"failure {len(starts)}")

    async def on_failure(why: str) -> None:
        failures.append(why)

    patient = Launcher(start, on_failure, retry_after_s=60)
    for _ in range(5):
        assert patient.engine() is None
        await asyncio.sleep(0)
    with pytest.raises(EngineUnavailable, match="failure 2"):
        await patient.wait()
    assert failures == ["failure 1", "failure 2"]

    eager = Launcher(start, on_failure, retry_after_s=0)
    for number in (3, 4, 5):
        with pytest.raises(EngineUnavailable, match=f"failure {number}"):
            await eager.wait()


async def test_a_launcher_starts_one_engine_for_many_and_another_after_it_was_lost(runtime_folder: Path) -> None:
    starts: list[EngineClient] = []

    async def start() -> EngineClient:
        starts.append(EngineClient())
        await asyncio.sleep(0.01)
        return starts[-1]

    async def on_failure(why: str) -> None:
        assert why == "killed"

    launcher = Launcher(start, on_failure, retry_after_s=0)
    first, second = await asyncio.gather(launcher.wait(), launcher.wait())
    assert first is second is launcher.engine()
    await launcher.lost(first, EngineUnavailable("killed"))
    assert launcher.engine() is None
    await asyncio.sleep(0.05)
    assert launcher.engine() is starts[1]
    await launcher.lost(first, EngineUnavailable("a late report on the old one"))
    assert launcher.engine() is starts[1]
    for engine in starts:
        await engine.close()


async def test_a_launcher_starts_one_that_ended_before_it_was_asked_at_once_but_not_again_and_again(
    runtime_folder: Path,
) -> None:
    starts: list[EngineClient] = []
    failures: list[str] = []

    async def start() -> EngineClient:
        starts.append(EngineClient())
        await asyncio.sleep(0.3)  # longer than the time between two starts
        return starts[-1]

    async def on_failure(why: str) -> None:
        failures.append(why)

    launcher = Launcher(start, on_failure, retry_after_s=0.2)
    while launcher.engine() is None:
        await asyncio.sleep(0.01)
    await launcher.lost(starts[0], EngineGone("idle"))
    assert launcher.starting
    assert failures == []
    while launcher.engine() is None:
        await asyncio.sleep(0.01)
    await launcher.lost(starts[1], EngineGone("again"))
    assert not launcher.starting
    assert failures == ["again"]
    assert launcher.engine() is None
    assert len(starts) == 2
    await asyncio.sleep(0.3)
    assert launcher.engine() is None
    assert launcher.starting


async def test_a_cancel_in_the_moment_in_which_data_arrives_prints_nothing(caplog: pytest.LogCaptureFixture) -> None:
    engine, loop = EngineClient(), asyncio.get_running_loop()
    late = loop.create_future()
    late.cancel()
    loop.call_soon(late.set_result, None)  # what anyio's reader does then
    await asyncio.sleep(0)
    assert not caplog.records
    loop.call_soon(int, "no number")  # any other error is still told
    await asyncio.sleep(0)
    assert "no number" in caplog.text
    await engine.close()
