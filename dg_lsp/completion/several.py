"""Several holes of one document filled one after the other; each sees what those before it were filled with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial

from dg_lsp.client.local import EngineClient
from dg_lsp.completion.fill import Wanted, fill
from dg_lsp.completion.sites import site_of
from dg_lsp.context.window import to_document
from dg_lsp.documents import Snapshot
from dg_lsp.positions import with_newlines
from dg_lsp.syntax.holes import Hole
from engine.protocol import Draft


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """`text` replaces `[start, end)` of a document; the model's own words are `text[first:last]`."""

    start: int
    end: int
    text: str
    label: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Unfilled:
    """A hole that got nothing, and why in a few words."""

    label: str
    why: str


def alike(one: str, other: str) -> bool:
    """Whether two texts differ at most in what nobody sees: blanks around them and at the ends of their lines."""
    lines, others = ([line.rstrip() for line in with_newlines(text.strip()).split("\n")] for text in (one, other))
    return lines == others


async def fill_each(
    engine: EngineClient,
    snapshot: Snapshot,
    holes: Sequence[Hole],
    wanted: Callable[[Hole], Wanted],
    on_draft: Callable[[int, Draft], None],
    unwanted: Collection[str] = (),
) -> AsyncIterator[Edit | Unfilled]:
    """One answer for each hole, in order. The holes lie apart, in document order; all offsets are of `snapshot`.

    What stands in a hole already is no answer, nor are the `unwanted` words. `on_draft` gets the number of the hole,
    from 0. Raises as `fill`.
    """
    working, moved = snapshot, 0
    for number, hole in enumerate(holes):
        site = site_of(working, replace(hole, start=hole.start + moved, end=hole.end + moved))
        result = await fill(engine, site.snapshot, site.hole, wanted(hole), partial(on_draft, number))
        old = working.text[site.start : site.end]
        words = (to_document(snapshot, answer.middle) for answer in result.candidates)
        others = (new for new in words if new not in unwanted and not alike(site.before + new + site.after, old))
        new = next(others, None)
        if new is None:
            yield Unfilled(hole.label, "the model has no other answer" if result.candidates else result.why_nothing)
            continue
        text = site.before + new + site.after
        first = len(site.before)
        start, end = site.start - moved, site.end - moved
        yield Edit(start=start, end=end, text=text, label=hole.label, first=first, last=first + len(new))
        merged = working.text[: site.start] + text + working.text[site.end :]
        working = Snapshot(snapshot.uri, snapshot.language_id, snapshot.version, merged)
        moved += len(text) - (site.end - site.start)
