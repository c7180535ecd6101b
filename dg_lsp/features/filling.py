"""Filling holes for a user who waits: progress, cancelling, and one clear line where something is missing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pygls.lsp.server import LanguageServer

from dg_lsp.client.local import EngineError, EngineUnavailable
from dg_lsp.completion.choice import SPARE
from dg_lsp.completion.fill import Wanted
from dg_lsp.completion.last_fill import Trace
from dg_lsp.completion.several import Edit, Unfilled, fill_each
from dg_lsp.documents import Snapshot
from dg_lsp.features.progress import WorkDone
from dg_lsp.reasons import unfamiliar
from dg_lsp.session import Session
from dg_lsp.syntax.holes import Hole
from engine.protocol import Draft

_SHORT = ("arguments", "condition")
_OTHERS = 8
"""Where a text is to be replaced, so many answers are asked for: one of them should be another text."""

_NAMED = 5


class Filling:
    """Fills holes one after the other, as long as their document stays as it is."""

    def __init__(self, server: LanguageServer, session: Session) -> None:
        self._server = server
        self._session = session

    async def edits(self, snapshot: Snapshot, holes: Sequence[Hole], again: Trace | None = None) -> list[Edit]:
        """The edits that fill the holes; for each without one, and for a failure, the user is told why.

        A fill done `again` gets the next seed, and other words than it had before.

        Cancelling stops the engine's work; when the user cancels the progress, there are no edits.
        """
        title = f"Filling `{holes[0].label}`" if len(holes) == 1 else f"Filling {len(holes)} gaps"
        progress = await WorkDone.begin(self._server, title, cancellable=True)
        edits: list[Edit] = []
        work = asyncio.create_task(self._fill(snapshot, holes, again, progress, edits))
        progress.on_cancel(work.cancel)
        try:
            await asyncio.wait({work})  # a cancelled progress ends `work` alone, a cancelled request ends both
            if not work.cancelled():
                work.result()
            elif self._is_current(snapshot):
                return []
        except (EngineUnavailable, EngineError) as error:
            self._session.status.tell(f"{_what(holes, edits)}: {error}")
        finally:
            work.cancel()
            progress.end()
        if self._is_current(snapshot):
            return edits
        what = f"`{holes[0].label}` was" if len(holes) == 1 else "its gaps were"
        self._session.status.tell(f"The document changed while {what} being filled: try again.")
        return []

    async def _fill(
        self, snapshot: Snapshot, holes: Sequence[Hole], again: Trace | None, progress: WorkDone, edits: list[Edit]
    ) -> None:
        session, count = self._session, len(holes)
        seed, said = (again.seed + 1, again.said) if again else (0, frozenset[str]())
        unfilled: list[Unfilled] = []

        def on_draft(number: int, draft: Draft) -> None:
            if not self._is_current(snapshot) and (work := asyncio.current_task()):
                work.cancel()  # nobody can use the rest
            hole = "" if count == 1 else f"gap {number + 1} of {count}, "
            progress.report((number + draft.step / draft.steps) / count, f"{hole}step {draft.step} of {draft.steps}")

        def wanted(hole: Hole) -> Wanted:
            short = hole.kind in _SHORT
            return Wanted(
                max_tokens=session.settings.inline.max_tokens if short else session.settings.function.max_tokens,
                candidates=_OTHERS if hole.kind == "selection" else 1 + SPARE,
                seed=seed,
                cells=session.cells_above(snapshot),
                related=session.related.snippets(snapshot, hole.start),
            )

        engine = await session.launcher.wait()
        try:
            with session.status.busy():
                async for answer in fill_each(engine, snapshot, holes, wanted, on_draft, said):
                    if isinstance(answer, Edit):
                        edits.append(answer)
                    else:
                        unfilled.append(answer)
                    if not self._is_current(snapshot):
                        return
        except EngineUnavailable as error:
            await session.launcher.lost(engine, error)
            raise
        if unfilled:
            hint = unfamiliar(session.status.health, snapshot.language_id)
            session.status.tell(_names(unfilled) + (f" ({hint})" if hint else ""))

    def _is_current(self, snapshot: Snapshot) -> bool:
        return self._session.documents.get(snapshot.uri) is snapshot


def _what(holes: Sequence[Hole], edits: Sequence[Edit]) -> str:
    if len(holes) == 1:
        return f"`{holes[0].label}` was not filled"
    return f"{len(edits)} of {len(holes)} gaps were filled"


def _names(unfilled: Sequence[Unfilled]) -> str:
    if len(unfilled) == 1:
        return f"`{unfilled[0].label}` was not filled: {unfilled[0].why}"
    named = "; ".join(f"`{hole.label}`: {hole.why}" for hole in unfilled[:_NAMED])
    more = f"; and {len(unfilled) - _NAMED} more" if len(unfilled) > _NAMED else ""
    return f"{len(unfilled)} gaps were not filled: {named}{more}"
