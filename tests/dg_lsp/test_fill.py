"""A fill from its question to its answer, by an engine that says what it is told to."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from dg_lsp.completion.fill import Filled, Wanted, answer, question
from dg_lsp.documents import Snapshot
from dg_lsp.syntax.holes import Hole, HoleKind, hole_at
from engine.protocol import Candidate, Draft, FillRequest, FillResult, Priority

STUB = "def area(width, height):\n    pass\n"
REFUSED = "the answer leaves the code still to be written"


class Engine:
    """Has one list of middles for each request, and keeps the requests."""

    def __init__(self, *answers: list[str]) -> None:
        self.asked: list[FillRequest] = []
        self._answers = list(answers)

    async def fill(self, request: FillRequest) -> AsyncGenerator[Draft | FillResult, None]:
        self.asked.append(request)
        middles = self._answers.pop(0)
        candidates = tuple(Candidate(middle=middle, source="causal", confidence=0.5) for middle in middles)
        yield FillResult(candidates=candidates, finish_reason="stop", steps=1, model="m")


async def filled(engine: Any, priority: Priority = "manual", deadline_ms: float | None = None) -> Filled:
    """The body of `area`."""
    snapshot = Snapshot("file:///a.py", "python", 1, STUB)
    hole = hole_at(snapshot, STUB.index("pass"), "function")
    assert hole
    wanted = Wanted(max_tokens=64, priority=priority, deadline_ms=deadline_ms, candidates=4, seed=5)
    return await answer(engine, question(snapshot, hole, wanted))


async def test_the_first_answer_that_passes_is_taken() -> None:
    engine = Engine(["pass", "return width * height"])
    assert (await filled(engine)).middle == "return width * height"
    assert len(engine.asked) == 1


async def test_when_all_are_refused_the_engine_is_asked_once_more_with_another_seed() -> None:
    engine = Engine(["pass", "..."], ["return width * height"])
    assert (await filled(engine)).middle == "return width * height"
    first, second = engine.asked
    assert first.seed == 5
    assert second.seed not in (first.seed, first.seed + 1)  # the next one is for the user who fills again


async def test_after_the_second_time_the_reason_is_told() -> None:
    result = await filled(Engine(["pass"], ["..."]))
    assert (result.candidates, result.why_nothing) == ((), REFUSED)


@pytest.mark.parametrize(("priority", "deadline_ms"), [("automatic", None), ("manual", 0.0)])
async def test_automatic_requests_and_those_without_time_are_not_repeated(
    priority: Priority, deadline_ms: float | None
) -> None:
    engine = Engine(["pass"])
    assert (await filled(engine, priority, deadline_ms)).why_nothing == REFUSED
    assert len(engine.asked) == 1


async def test_an_engine_that_has_nothing_is_not_asked_again() -> None:
    engine = Engine([])
    assert not (await filled(engine)).candidates
    assert len(engine.asked) == 1


@pytest.mark.parametrize(("text", "reason"), [("", "the document is empty: "), ("x = 1\n", REFUSED)])
async def test_in_an_empty_document_the_reason_is_that(text: str, reason: str) -> None:
    snapshot = Snapshot("untitled:Untitled-1", "python", 1, text)
    hole = Hole(kind="function", start=0, end=0, label="", single_line=False)
    result = await answer(Engine(["pass"], ["pass"]), question(snapshot, hole, Wanted(max_tokens=4)))
    assert result.why_nothing.startswith(reason)


def asked(kind: HoleKind, language: str, text: str, priority: Priority = "manual") -> FillRequest:
    """For a hole at `|`."""
    offset = text.index("|")
    snapshot = Snapshot("file:///a", language, 1, text.replace("|", ""))
    hole = hole_at(snapshot, offset, kind)
    assert hole
    return question(snapshot, hole, Wanted(max_tokens=64, priority=priority)).request


@pytest.mark.parametrize(
    ("kind", "language", "text", "stub"),
    [
        ("function", "python", "def f():\n    |pass\n", "raise NotImplementedError()"),
        ("function", "rust", "fn f() {|}\n", "todo!()"),
        ("function", "go", "package a\n\nfunc f() {|}\n", 'panic("not implemented")'),
        ("function", "typescript", "function f() {|}\n", "throw new Error('Not implemented yet');"),
        ("function", "java", "class A { void f() {|} }\n", "throw new UnsupportedOperationException();"),
        ("arm", "rust", "fn f(x: u8) { match x { 0 => |todo!(), _ => {} } }\n", "unimplemented!()"),
    ],
)
def test_where_code_is_to_be_written_a_stub_must_not_begin_it(
    kind: HoleKind, language: str, text: str, stub: str
) -> None:
    request = asked(kind, language, text)
    assert request.forbids(stub)
    assert not request.forbids("return x")


def test_at_a_cursor_everything_may_begin_the_middle() -> None:
    assert asked("cursor", "python", "def f():\n    |\n").forbidden_starts == ()


@pytest.mark.parametrize(
    ("text", "priority", "lines"),
    [
        ("def f():\n    |\n", "automatic", 4),
        ("def f():|\n", "automatic", 4),
        ("def f():\n    x = |\n", "automatic", None),
        ("def f():\n    |\n", "manual", None),
    ],
)
def test_an_automatic_block_is_short(text: str, priority: Priority, lines: int | None) -> None:
    assert asked("cursor", "python", text, priority).max_lines == lines
