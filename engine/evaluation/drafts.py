"""What each kind of draft is worth: the share right without it, and with it alone.

    python -m engine.evaluation.drafts --limit 120

fills held-out holes within lines by hand-made requests, three times: as the engine is, without the file's n-grams, and
without showing the suffix to the causal drafts. Which kinds of drafts came to a candidate is known from the first of
these, so leaving one of them out needs no further fill.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

from rich.console import Console
from rich.progress import track

from engine.evaluation.command import add_options, model_and_tasks
from engine.evaluation.tasks import Task
from engine.infill import LoadedModel
from engine.infill.checkpoint_options import InfillShape
from engine.infill.choice import Ranked
from engine.infill.fill import rank
from engine.protocol import FillRequest, Source

KINDS = ("line", "span", "arguments")
SOURCES: tuple[Source, ...] = get_args(Source)

Rights = dict[str, list[bool]]
"""By what was left out: whether the answer to each task was right."""


def rights(model: LoadedModel, tasks: Sequence[Task]) -> Rights:
    """Fill all holes in each way."""
    shape, found = model.shape, Rights()
    ranked = _ranked(model, tasks, "filling holes")
    found["all of it"] = _right(tasks, ranked, set(SOURCES))
    for source in SOURCES:
        found[f"without what was {source}"] = _right(tasks, ranked, {*SOURCES} - {source})
    for source in SOURCES:
        found[f"what was {source} alone"] = _right(tasks, ranked, {source})
    found["any of the candidates"] = [
        any(r.text == task.middle for r in its) for task, its in zip(tasks, ranked, strict=True)
    ]
    others: dict[str, InfillShape] = {
        "without the file's n-grams": replace(shape, ngram_trust=None),
        "without the suffix before the causal drafts": replace(shape, fim=None),
    }
    for name, other in others.items():
        model.shape = other
        found[name] = _right(tasks, _ranked(model, tasks, name), set(SOURCES))
    model.shape = shape
    return found


def _ranked(model: LoadedModel, tasks: Sequence[Task], what: str) -> list[list[Ranked]]:
    return [rank(model, _request(task)) for task in track(tasks, what, console=Console(stderr=True), transient=True)]


def _request(task: Task) -> FillRequest:
    return FillRequest(
        prefix=task.prefix, suffix=task.suffix, language="python", path=task.path, single_line=task.one_line
    )


def _right(tasks: Sequence[Task], ranked: Sequence[list[Ranked]], kept: set[Source]) -> list[bool]:
    """Whether the best candidate is right of those that drafts of these kinds came to."""
    best = [next((r.text for r in its if kept & {*r.sources}), None) for its in ranked]
    return [text == task.middle for text, task in zip(best, tasks, strict=True)]


def table(tasks: Sequence[Task], found: Rights) -> str:
    """The shares right in Markdown, with one binomial standard error."""
    kinds = [kind for kind in KINDS if any(task.kind == kind for task in tasks)]
    rows = [f"| | {' | '.join(kinds)} |", f"|---|{'---|' * len(kinds)}"]
    for name, right in found.items():
        by_kind = [[ok for ok, task in zip(right, tasks, strict=True) if task.kind == kind] for kind in kinds]
        rows.append(f"| {name} | {' | '.join(map(_share, by_kind))} |")
    return "\n".join(rows)


def _share(right: Sequence[bool]) -> str:
    share = sum(right) / len(right)
    return f"{share:.1%} ± {math.sqrt(share * (1 - share) / len(right)):.1%}"


def main(argv: list[str] | None = None) -> None:
    """Fill the holes and print the table."""
    parser = argparse.ArgumentParser(prog="python -m engine.evaluation.drafts", description="What each draft is worth.")
    add_options(parser)
    arguments = parser.parse_args(argv)
    model, tasks = model_and_tasks(parser, arguments, KINDS)
    print(f"{len(tasks)} holes, seed 0, {model.name}\n\n{table(tasks, rights(model, tasks))}")


if __name__ == "__main__":
    main()
