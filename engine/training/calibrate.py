"""Fits what a checkpoint's config.json says about trust: in the file's n-grams, and in the engine's own answers.

    python -m engine.training.calibrate CHECKPOINT

Holes are cut from packages that are kept for this alone (`calibration_files.jsonl` of the corpus): the network was
never trained on them, and the held-out packages stay a test. Writes `infill.ngram_trust` and `infill.calibration`.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.evaluation import held_out
from engine.evaluation.automatic import Outcome, as_asked, outcomes, table
from engine.evaluation.held_out import SourceFile
from engine.evaluation.tasks import EvaluationError, Task
from engine.infill import load
from engine.infill.calibration import KINDS, Calibration
from engine.training.source import write_infill
from engine.training.trust import START, fit_trust, minimised
from engine.weights.checkpoint import CheckpointError

FILES = "calibration_files.jsonl"
HOLES = {"line": 600, "span": 500, "whole-line": 500, "arguments": 300, "lines": 300, "body": 250}
TRUST_STEP = 5  # of the holes in lines, every fifth tells the trust
FALSE_RATE = 0.25  # of automatic answers, at most
DOUBT = 0.01  # the chance that more are wrong after all; small, for other packages differ from those it is fitted on
SEED = 7
_RIDGE = 1e-3  # of a squared weight


def tasks_of(files: Sequence[SourceFile], limit: int | None) -> list[Task]:
    """Holes of the kinds that editors ask for, at most so many of each. Raises `EvaluationError`."""
    return [
        held_out.task(file, kind, *span)
        for kind, count in HOLES.items()
        for file, span in islice(held_out.holes(kind, list(files), count, SEED), limit)
    ]


def fit_calibration(found: Sequence[Outcome]) -> Calibration:
    """The weights that tell right from wrong best, and for each kind the lowest threshold that keeps `FALSE_RATE`."""
    answered = [(outcome, outcome.features) for outcome in found if outcome.features]
    inputs = torch.tensor(
        [[*(float(features.kind == kind) for kind in KINDS), *features.values] for _, features in answered]
    )
    right = torch.tensor([float(outcome.right) for outcome, _ in answered])
    weights = torch.zeros(inputs.shape[1], requires_grad=True)

    def loss() -> Tensor:
        return F.binary_cross_entropy_with_logits(inputs @ weights, right) + _RIDGE * weights.square().sum()

    minimised(loss, weights)
    rounded = [round(weight, 3) for weight in weights.tolist()]
    bias = dict(zip(KINDS, rounded, strict=False))
    posterior, likelihood, agreement, length, lines = rounded[len(KINDS) :]
    fitted = Calibration(bias, posterior, likelihood, agreement, length, lines, threshold=dict.fromkeys(KINDS))
    sure = [(features.kind, fitted.confidence(features), outcome.right) for outcome, features in answered]
    return replace(fitted, threshold={kind: threshold([s[1:] for s in sure if s[0] == kind]) for kind in KINDS})


def threshold(answers: Sequence[tuple[float, bool]]) -> float | None:
    """The lowest confidence from which on, but for a chance of `DOUBT`, at most `FALSE_RATE` of answers are wrong.

    `answers` are confidence and whether right. None where there is no such confidence.
    """
    surest = sorted(answers, reverse=True)
    lowest, wrong = None, 0
    for place, (confidence, right) in enumerate(surest, start=1):
        wrong += not right
        tied = place < len(surest) and surest[place][0] == confidence
        if not tied and at_most(wrong, place, FALSE_RATE) <= DOUBT:
            lowest = confidence
    return lowest


def at_most(wrong: int, total: int, rate: float) -> float:
    """The chance that no more than so many of a total are wrong where each is wrong at this rate, in (0, 1)."""
    odds, per_wrong = total * math.log1p(-rate), math.log(rate) - math.log1p(-rate)
    # By logarithms: the number of ways is too large for a float from a thousand answers on.
    ways = (math.lgamma(total + 1) - math.lgamma(k + 1) - math.lgamma(total - k + 1) for k in range(wrong + 1))
    return sum(math.exp(way + odds + k * per_wrong) for k, way in enumerate(ways))


def main(argv: list[str] | None = None) -> None:
    """Fit both, write them into the checkpoint's config.json and SHA256SUMS, and show what they give on these holes."""
    parser = argparse.ArgumentParser(
        prog="python -m engine.training.calibrate", description="Fit a checkpoint's trust in n-grams and in itself."
    )
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--corpus", type=Path, default=held_out.CORPUS, help=f"folder of {FILES}; default: var/corpus")
    parser.add_argument(
        "--holes", type=int, metavar="N", help=f"of each kind at most; default: {sum(HOLES.values())} in all"
    )
    arguments = parser.parse_args(argv)
    if not (arguments.corpus / FILES).is_file():
        parser.exit(2, f"{arguments.corpus / FILES} is not here: run make corpus, or name its folder by --corpus\n")
    try:
        tasks = tasks_of(held_out.read(arguments.corpus / FILES), arguments.holes)
        model = load(arguments.checkpoint)
    except (EvaluationError, CheckpointError) as error:
        parser.exit(2, f"{error}\n")
    model.shape = replace(model.shape, ngram_trust=START)
    *_, trust = fit_trust(model, [task for task in tasks if task.kind in ("line", "span")][::TRUST_STEP])
    model.shape = replace(model.shape, ngram_trust=trust)
    found = outcomes(model, as_asked(tasks))
    calibration = fit_calibration(found)
    write_infill(arguments.checkpoint, {"ngram_trust": asdict(trust), "calibration": asdict(calibration)})
    print(table(calibration, found))


if __name__ == "__main__":
    main()
