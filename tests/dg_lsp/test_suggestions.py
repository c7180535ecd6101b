"""Which fill answers which request: one of each document runs, it is typed on into, and its deadline holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from dg_lsp.client.local import EngineError
from dg_lsp.completion import suggestions as module
from dg_lsp.completion.fill import Filled, Wanted, question
from dg_lsp.completion.suggestions import Suggestions
from dg_lsp.documents import Snapshot
from dg_lsp.syntax.holes import cursor_hole
from engine.protocol import Candidate, Draft, FillRequest, FillResult

URI = "file:///a.py"
HOUR_MS = 3_600_000


class Display:
    def __init__(self) -> None:
        self.working = 0
        self.cut: list[bool] = []

    @contextmanager
    def busy(self) -> Iterator[None]:
        self.working += 1
        try:
            yield
        finally:
            self.working -= 1

    def took(self, ms: float, *, cut: bool = False) -> None:
        self.cut.append(cut)


class Engine:
    """Answers each request when it is told to; `stopped` are the requests that were closed before."""

    def __init__(self) -> None:
        self.asked: list[FillRequest] = []
        self.stopped: list[FillRequest] = []
        self._answers: list[asyncio.Future[FillResult]] = []

    async def fill(self, request: FillRequest) -> AsyncGenerator[Draft | FillResult, None]:
        self.asked.append(request)
        self._answers.append(asyncio.get_running_loop().create_future())
        try:
            answer = await self._answers[-1]
        except asyncio.CancelledError:
            self.stopped.append(request)
            raise
        yield answer

    def says(self, *middles: str, finish: Any = "stop") -> None:
        """Answer the request that came last."""
        candidates = tuple(Candidate(middle=middle, source="causal", confidence=0.5) for middle in middles)
        self._answers[-1].set_result(FillResult(candidates=candidates, finish_reason=finish, steps=1, model="m"))

    def fails(self, error: Exception) -> None:
        self._answers[-1].set_exception(error)


class Editor:
    """A document with the cursor at `|`, its suggestions, and the engine behind them."""

    def __init__(self, text: str) -> None:
        self.engine, self.display = Engine(), Display()
        self.suggestions = Suggestions(self.display)
        self._take(text)

    def _take(self, text: str) -> None:
        self.offset = text.index("|")
        self.snapshot = Snapshot(URI, "python", 1, text.replace("|", ""))

    def change(self, text: str) -> None:
        self._take(text)
        self.suggestions.changed(URI, self.snapshot)

    async def ask(self, *, manual: bool = False, deadline_ms: float = HOUR_MS, wait_s: float = 0) -> asyncio.Task[Any]:
        """A request that has got as far as it gets without an answer."""
        snapshot, hole = self.snapshot, cursor_hole(self.snapshot, self.offset)
        wanted = Wanted(max_tokens=64, priority="manual" if manual else "automatic", deadline_ms=deadline_ms)
        turn, engine = self.suggestions.turn(URI), self.engine
        make = lambda: question(snapshot, hole, wanted)  # noqa: E731
        request = asyncio.create_task(self.suggestions.ask(turn, engine, URI, make, wait_s))  # type: ignore[arg-type]
        await settle()
        return request


@pytest.fixture(autouse=True)
def no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """The filters run on the event loop, so that a test can tell when all is done."""

    async def here(function: Any, *arguments: Any) -> Any:
        return function(*arguments)

    monkeypatch.setattr(asyncio, "to_thread", here)


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def texts(filled: Filled) -> list[str]:
    return [candidate.middle for candidate in filled.candidates]


async def test_what_is_typed_into_the_answer_asks_the_engine_once() -> None:
    editor = Editor("x = |\n")
    request = await editor.ask()
    editor.engine.says("f(a)")
    assert texts(await request) == ["f(a)"]
    for text, expected in (("x = f|\n", "(a)"), ("x = f(|\n", "a)"), ("x = f|\n", "(a)"), ("x = |\n", "f(a)")):
        editor.change(text)
        assert texts(await (await editor.ask(wait_s=3600))) == [expected]
    assert len(editor.engine.asked) == 1


async def test_what_is_typed_while_the_fill_runs_keeps_it_and_the_next_request_gets_the_rest() -> None:
    editor = Editor("x = |\n")
    first = await editor.ask()
    editor.change("x = f|\n")
    assert await first is None
    second = await editor.ask()
    editor.change("x = f(|\n")
    assert await second is None
    third = await editor.ask()
    editor.engine.says("f(a)")
    assert texts(await third) == ["a)"]
    assert (len(editor.engine.asked), editor.engine.stopped) == (1, [])


async def test_what_is_typed_against_the_answer_is_asked_anew() -> None:
    editor = Editor("x = |\n")
    await editor.ask()
    editor.change("x = g|\n")
    request = await editor.ask()
    editor.engine.says("f(a)")
    await settle()
    editor.engine.says("(b)")
    assert texts(await request) == ["(b)"]
    assert [asked.prefix for asked in editor.engine.asked] == ["x = ", "x = g"]


@pytest.mark.parametrize("text", ["x =|\n", "x = |\ny", "z\nx = |\n", "y = |\n"])
async def test_any_other_change_stops_the_fill(text: str) -> None:
    editor = Editor("x = |\n")
    request = await editor.ask()
    editor.change(text)
    assert await request is None
    await settle()
    assert (len(editor.engine.stopped), editor.display.working) == (1, 0)


async def test_a_bracket_that_the_editor_closes_needs_no_other_fill() -> None:
    editor = Editor("x = |\n")
    first = await editor.ask()
    editor.change("x = f(|)\n")
    assert await first is None
    second = await editor.ask()
    editor.engine.says("f(a)")
    assert texts(await second) == ["a"]
    assert editor.engine.stopped == []


@pytest.mark.parametrize("text", ["|x = \n", "x = |)\n"])
async def test_a_request_at_another_place_stops_the_fill(text: str) -> None:
    """The cursor went elsewhere, or another text stands behind it."""
    editor = Editor("x = |\n")
    first = await editor.ask()
    editor.change(text)
    assert await first is None
    second = await editor.ask()
    assert [asked.prefix for asked in editor.engine.stopped] == ["x = "]
    editor.engine.says("ff")
    assert texts(await second) == ["ff"]


async def test_cancelling_the_request_stops_the_fill() -> None:
    editor = Editor("x = |\n")
    request = await editor.ask()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    await settle()
    assert len(editor.engine.stopped) == 1


async def test_cancelling_a_request_that_was_typed_on_from_leaves_the_fill() -> None:
    """Editors send the change, the cancellation and the next request at once."""
    editor = Editor("x = |\n")
    first = await editor.ask()
    editor.change("x = f|\n")
    first.cancel()
    second = await editor.ask()
    editor.engine.says("f(a)")
    assert texts(await second) == ["(a)"]


async def test_by_hand_the_fill_that_runs_is_stopped_for_an_own_one() -> None:
    editor = Editor("x = |\n")
    automatic = await editor.ask()
    by_hand = await editor.ask(manual=True)
    assert await automatic is None
    editor.engine.says("f()", "g()")
    assert texts(await by_hand) == ["f()", "g()"]
    assert [asked.priority for asked in editor.engine.stopped] == ["automatic"]


async def test_the_deadline_holds_though_the_engine_is_silent_and_the_late_answer_serves_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_GRACE_S", 0.0)
    editor = Editor("x = |\n")
    late = await (await editor.ask(deadline_ms=1))
    assert (texts(late), late.why_nothing) == ([], "the answer took longer than 1 ms")
    assert editor.engine.stopped == []
    editor.engine.says("f(a)")
    await settle()
    assert texts(await (await editor.ask(deadline_ms=1))) == ["f(a)"]
    assert len(editor.engine.asked) == 1


async def test_what_the_deadline_cut_short_is_computed_to_its_end() -> None:
    editor = Editor("x = |\n")
    request = await editor.ask(deadline_ms=5000)
    editor.engine.says(finish="deadline")
    assert (await request).why_nothing == "the answer took longer than 5000 ms"
    await settle()
    assert [asked.deadline_ms for asked in editor.engine.asked] == [5000, None]
    again = await editor.ask(deadline_ms=5000)
    editor.engine.says("f(a)")
    assert texts(await again) == ["f(a)"]
    assert len(editor.engine.asked) == 2
    assert editor.display.cut == [True]


async def test_a_good_draft_at_the_deadline_is_offered_and_gives_way_to_the_whole_answer() -> None:
    editor = Editor("x = |\n")
    request = await editor.ask(deadline_ms=5000)
    editor.engine.says("f()", finish="deadline")
    assert texts(await request) == ["f()"]
    await settle()
    editor.engine.says("f(a)")
    await settle()
    assert texts(await (await editor.ask(deadline_ms=5000))) == ["f(a)"]
    assert len(editor.engine.asked) == 2


async def test_another_place_stops_what_is_computed_after_the_deadline() -> None:
    editor = Editor("x = |\n")
    request = await editor.ask(deadline_ms=5000)
    editor.engine.says(finish="deadline")
    await request
    await settle()
    editor.change("y = |\n")
    await settle()
    assert [asked.deadline_ms for asked in editor.engine.stopped] == [None]


async def test_an_error_reaches_the_request_and_is_not_kept() -> None:
    editor = Editor("x = |\n")
    request = await editor.ask()
    editor.engine.fails(EngineError("engine", "no"))
    with pytest.raises(EngineError, match="no"):
        await request
    again = await editor.ask()
    editor.engine.says("f(a)")
    assert texts(await again) == ["f(a)"]


async def test_another_engine_knows_nothing_of_the_answers_before() -> None:
    editor = Editor("x = |\n")
    request = await editor.ask()
    editor.engine.says("f(a)")
    await request
    editor.engine = Engine()
    request = await editor.ask()
    editor.engine.says("g()")
    assert texts(await request) == ["g()"]


async def test_a_closed_document_is_asked_for_anew() -> None:
    editor = Editor("x = |\n")
    request = await editor.ask()
    editor.engine.says("f(a)")
    await request
    editor.suggestions.changed(URI, None)
    await editor.ask()
    assert len(editor.engine.asked) == 2


async def test_closing_stops_every_fill() -> None:
    editor = Editor("x = |\n")
    request = await editor.ask(deadline_ms=5000)
    editor.engine.says(finish="deadline")
    await request
    await settle()
    editor.suggestions.close()
    await settle()
    assert [asked.deadline_ms for asked in editor.engine.stopped] == [None]
    assert editor.display.working == 0
