"""The way of every fill: snapshot and hole to window, to request, to engine, to result."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from dg_lsp.client.local import EngineUnavailable, LocalEngine
from dg_lsp.context.window import window
from dg_lsp.documents import Snapshot
from dg_lsp.syntax.holes import Hole
from engine.protocol import Draft, FillRequest, FillResult, Priority, Snippet


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a fill may take and give, as in `engine.protocol.FillRequest`.

    `typed` is text that stands at the start of the hole although the document does not have it yet.
    """

    max_tokens: int
    priority: Priority = "manual"
    deadline_ms: float | None = None
    candidates: int = 1
    seed: int = 0
    typed: str = ""
    related: tuple[Snippet, ...] = ()


async def fill(
    engine: LocalEngine,
    snapshot: Snapshot,
    hole: Hole,
    wanted: Wanted,
    on_draft: Callable[[Draft], None] | None = None,
) -> FillResult:
    """The middles for `hole`, with "\\n" line ends; those of blanks alone are left out.

    Cancelling stops the engine's work. Raises `EngineError` and `EngineUnavailable`.
    """
    async with aclosing(engine.fill(_request(snapshot, hole, wanted))) as answers:
        async for answer in answers:
            if isinstance(answer, FillResult):
                return _with_text(answer)
            if on_draft:
                on_draft(answer)
    raise EngineUnavailable("the engine gave no answer: run `dg-lsp doctor`")


def _request(snapshot: Snapshot, hole: Hole, wanted: Wanted) -> FillRequest:
    around = window(snapshot, hole)
    return FillRequest(
        prefix=around.prefix + wanted.typed,
        suffix=around.suffix,
        language=snapshot.language_id,
        related=wanted.related,
        path=PurePosixPath(unquote(urlsplit(snapshot.uri).path)).name,
        max_tokens=wanted.max_tokens,
        deadline_ms=wanted.deadline_ms,
        candidates=wanted.candidates,
        single_line=hole.single_line,
        priority=wanted.priority,
        seed=wanted.seed,
    )


def _with_text(result: FillResult) -> FillResult:
    return replace(result, candidates=tuple(c for c in result.candidates if c.middle.strip()))
