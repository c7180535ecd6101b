"""What commands over the held-out holes have in common: a model, and the holes to fill with it."""

from __future__ import annotations

import argparse
from collections.abc import Collection
from pathlib import Path

from engine.evaluation import held_out
from engine.evaluation.tasks import EvaluationError, Task, choose
from engine.infill import LoadedModel, load
from engine.weights.checkpoint import CheckpointError


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that `model_and_tasks` reads."""
    parser.add_argument("--model", type=Path, metavar="FOLDER", help="default: the shipped model")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="of the held-out files; default: var/corpus")
    parser.add_argument("--limit", type=int, metavar="N", help="holes of each kind at most")


def model_and_tasks(
    parser: argparse.ArgumentParser, arguments: argparse.Namespace, kinds: Collection[str]
) -> tuple[LoadedModel, list[Task]]:
    """The model, and the holes of these kinds in the order of seed 0. Ends the program where one cannot be had."""
    try:
        model = load(arguments.model)
        tasks = [task for task in held_out.tasks(arguments.data)[0] if task.kind in kinds]
    except (EvaluationError, CheckpointError) as error:
        parser.exit(2, f"{error}\n")
    return model, choose(tasks, arguments.limit, seed=0)
