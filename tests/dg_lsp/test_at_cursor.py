"""Requests at a cursor whose engine is gone: the next one is started at once, and nobody gets an error."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from lsp_session import STUB, URI, ScriptedEngines, short_folder
from lsprotocol import types

from dg_lsp.client.launch import ready_engine
from dg_lsp.client.launcher import Launcher
from dg_lsp.client.local import EngineClient
from dg_lsp.features.inline_completion import InlineCompletion, Items
from dg_lsp.features.status import Status
from dg_lsp.session import Session
from dg_lsp.settings import InlineSettings, Settings

RESTARTED = "the engine is gone: it is started again"
AUTOMATIC, INVOKED = types.InlineCompletionTriggerKind.Automatic, types.InlineCompletionTriggerKind.Invoked


class Editor:
    """An editor with documents, its session, and the scripted engines that the session starts.

    `start_ms` is what a start takes; `statuses` are kinds and messages in order.
    """

    def __init__(self, folder: Path) -> None:
        self.engines = ScriptedEngines(folder)
        self.script: tuple[str, ...] = ()
        self.start_ms = 0
        self.starts = 0
        self.statuses: list[tuple[str, str]] = []
        server: Any = SimpleNamespace(
            protocol=SimpleNamespace(notify=lambda _, told: self.statuses.append((told["kind"], told["message"]))),
            client_capabilities=SimpleNamespace(window=None),
            window_log_message=lambda _: None,
        )
        self.status = Status(server)
        launcher = Launcher(self._start, self.status.no_engine)
        inline = InlineSettings(debounce_ms=0, deadline_ms=20_000, manual_deadline_ms=20_000)
        self.session = Session(launcher=launcher, status=self.status, settings=Settings(inline=inline))
        self._inline = InlineCompletion(self.session)

    async def _start(self) -> EngineClient:
        self.status.starting()
        self.starts += 1
        await asyncio.sleep(self.start_ms / 1000)
        await asyncio.to_thread(self.engines.start, *self.script)
        return await ready_engine(self.status.engine)

    def open(self, uri: str = URI) -> None:
        self.session.documents.open(types.TextDocumentItem(uri, "python", 1, STUB))

    def ask(self, trigger: types.InlineCompletionTriggerKind, uri: str = URI) -> Coroutine[Any, Any, Items | None]:
        params = types.InlineCompletionParams(
            context=types.InlineCompletionContext(trigger),
            text_document=types.TextDocumentIdentifier(uri),
            position=types.Position(2, 0),
        )
        return self._inline.request(params)

    def latest(self, uri: str = URI) -> str:
        reason = self.status.reasons.latest(uri)
        return reason.reason if reason else ""

    async def leave_idle(self) -> None:
        """An engine that is ready and then ends, as it does after half an hour."""
        await self.session.launcher.wait()
        self.engines.end()
        self.statuses.clear()


@pytest.fixture
def editor(monkeypatch: pytest.MonkeyPatch) -> Iterator[Editor]:
    with short_folder() as folder:
        monkeypatch.setenv("DG_RUNTIME_DIR", str(folder))
        made = Editor(folder)
        made.open()
        yield made
        made.engines.end()


async def test_a_request_by_hand_is_answered_by_the_engine_that_is_started_in_the_place_of_an_idle_one(
    editor: Editor,
) -> None:
    await editor.leave_idle()
    assert await editor.ask(INVOKED)
    assert editor.starts == 2
    assert ("Normal", RESTARTED) in editor.statuses
    assert {kind for kind, _ in editor.statuses} == {"Normal"}


async def test_an_automatic_request_gets_nothing_and_the_engine_is_started_for_the_next_one(editor: Editor) -> None:
    await editor.leave_idle()
    assert await editor.ask(AUTOMATIC) is None
    assert editor.latest() == f"no suggestion: {RESTARTED}"
    await editor.session.launcher.wait()
    assert await editor.ask(AUTOMATIC)
    assert ("Normal", RESTARTED) in editor.statuses
    assert {kind for kind, _ in editor.statuses} == {"Normal"}


async def test_a_request_that_comes_to_an_engine_found_gone_by_another_one_gets_nothing_and_a_reason(
    editor: Editor,
) -> None:
    other = "file:///tmp/other.py"
    editor.open(other)
    await editor.leave_idle()
    editor.start_ms = 500
    editor.session.settings = Settings(inline=InlineSettings(debounce_ms=100, manual_deadline_ms=20_000))
    later, found = await asyncio.gather(editor.ask(AUTOMATIC, other), editor.ask(INVOKED))
    assert later is None
    assert editor.latest(other) == f"no suggestion: {RESTARTED}"
    assert found
    assert editor.starts == 2


async def test_two_requests_by_hand_are_both_answered_by_the_engine_that_is_started(editor: Editor) -> None:
    other = "file:///tmp/other.py"
    editor.open(other)
    await editor.leave_idle()
    assert all(await asyncio.gather(editor.ask(INVOKED), editor.ask(INVOKED, other)))
    assert editor.starts == 2


async def test_a_request_by_hand_waits_for_an_engine_that_loads_beyond_its_deadline(editor: Editor) -> None:
    editor.start_ms = 1_000
    editor.session.settings = Settings(inline=InlineSettings(manual_deadline_ms=500))
    assert await editor.ask(INVOKED)
    assert editor.starts == 1


async def test_a_request_by_hand_does_not_wait_for_ever(editor: Editor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dg_lsp.features.at_cursor._ENGINE_WITHIN_S", 0.3)
    editor.start_ms = 60_000
    assert await asyncio.wait_for(editor.ask(INVOKED), 10) is None
    assert editor.latest() == "no suggestion: the engine is not ready yet"


async def test_who_types_while_a_request_by_hand_waits_for_the_engine_ends_it_at_once(editor: Editor) -> None:
    editor.start_ms = 60_000
    waiting = asyncio.create_task(editor.ask(INVOKED))
    await asyncio.sleep(0.1)
    editor.session.suggestions.changed(URI, editor.session.documents.get(URI))
    assert await asyncio.wait_for(waiting, 5) is None
    assert editor.session.launcher.starting


async def test_an_engine_that_ends_again_and_again_is_an_error(editor: Editor) -> None:
    await editor.leave_idle()
    assert await editor.ask(INVOKED)
    editor.engines.end()
    editor.session.documents.close(URI)  # else the answer is known
    editor.open()
    editor.session.suggestions.changed(URI, None)
    assert await editor.ask(INVOKED) is None
    assert editor.starts == 2
    assert editor.status.state.kind == "Error"
    assert editor.status.state.message.startswith("the engine is gone (")
    assert editor.status.state.message.endswith("): run `dg-lsp doctor`")


async def test_an_engine_that_dies_in_mid_fill_is_an_error_and_the_next_request_starts_another(editor: Editor) -> None:
    editor.script = ("--die-at-step", "2")
    await editor.session.launcher.wait()
    assert await editor.ask(INVOKED) is None
    assert editor.status.state.kind == "Error"
    assert editor.starts == 1
    editor.script = ()
    editor.engines.end()  # wait for its end, else it would be taken for one that lives
    assert await editor.ask(AUTOMATIC) is None
    await asyncio.sleep(0)
    assert (editor.status.state.kind, editor.status.state.message) == ("Normal", RESTARTED)
    assert await editor.ask(INVOKED)


@pytest.mark.parametrize(("name", "waited_s"), [("Visual Studio Code", 0.05), ("Neovim", 0.2), ("Some editor", 0.0)])
async def test_what_the_editor_has_waited_itself_counts(
    editor: Editor, monkeypatch: pytest.MonkeyPatch, name: str, waited_s: float
) -> None:
    told = []
    monkeypatch.setattr(editor.session.suggestions.debounce, "wait_s", lambda _, **given: told.append(given) or 0.0)
    editor.session.settings = Settings(inline=InlineSettings(deadline_ms=20_000))
    editor.status.editor = name
    await editor.session.launcher.wait()
    assert await editor.ask(AUTOMATIC)
    assert [given["client_s"] for given in told] == [waited_s]
