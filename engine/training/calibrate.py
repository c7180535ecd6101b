"""Fits how far a model is trusted: in the file's n-grams beside it, and in the engine's own answers.

    python -m engine.training.calibrate MODEL

Holes are cut from packages that are kept for this alone: the network was never trained on them, and the held-out
packages stay a test. For a checkpoint that was trained here they are in `calibration_files.jsonl` of the corpus, and
its config.json gets `infill.ngram_trust` and `infill.calibration`. For a pretrained decoder-only model
`engine.training.sureness` fits its profile instead.
"""

from __future__ import annotations

import argparse
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
from engine.model.decoder_config import FAMILIES
from engine.training import sureness
from engine.training.source import write_infill
from engine.training.threshold import threshold
from engine.training.trust import START, fit_trust, minimised
from engine.weights.catalogue import find
from engine.weights.checkpoint import CheckpointError, read_json

FILES = "calibration_files.jsonl"
HOLES = {"line": 600, "span": 500, "whole-line": 500, "arguments": 300, "lines": 300, "body": 250}
TRUST_STEP = 5  # of the holes in lines, every fifth tells the trust
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


def main(argv: list[str] | None = None) -> None:
    """Fit both, write them to where the model is loaded from, and show what they give on these holes."""
    parser = argparse.ArgumentParser(
        prog="python -m engine.training.calibrate", description="Fit a model's trust in n-grams and in itself."
    )
    parser.add_argument("model", help="a checkpoint folder, a GGUF file, or a model's name in the catalogue")
    parser.add_argument("--files", type=Path, metavar="FOLDER", help="default: var/corpus or var/calibration")
    parser.add_argument("--holes", type=int, metavar="N", help="of each kind at most; pauses in each language")
    parser.add_argument(
        "--to", type=Path, metavar="FILE", help="the profile of a decoder-only model; default: its place in the package"
    )
    arguments = parser.parse_args(argv)
    entry = find(arguments.model)
    path = entry.path if entry else Path(arguments.model)
    try:
        if path.suffix == ".gguf" or read_json(path, "config.json").get("model_type") in FAMILIES:
            shown = sureness.calibrate(path, arguments.files, arguments.holes, arguments.to)
        else:
            shown = _calibrate_folder(path, arguments)
    except (EvaluationError, CheckpointError) as error:
        parser.exit(2, f"{error}\n")
    except OSError as error:
        parser.exit(2, f"{error.filename} cannot be written: {error.strerror}\n")
    print(shown)


def _calibrate_folder(path: Path, arguments: argparse.Namespace) -> str:
    folder = arguments.files or held_out.CORPUS
    if not (folder / FILES).is_file():
        raise EvaluationError(f"{folder / FILES} is not here: run make corpus, or name its folder by --files")
    tasks = tasks_of(held_out.read(folder / FILES), arguments.holes)
    model = load(path)
    model.shape = replace(model.shape, ngram_trust=START)
    (*_, trust), _ = fit_trust(model, [task for task in tasks if task.kind in ("line", "span")][::TRUST_STEP])
    model.shape = replace(model.shape, ngram_trust=trust)
    found = list(outcomes(model, as_asked(tasks)))
    calibration = fit_calibration(found)
    write_infill(path, {"ngram_trust": asdict(trust), "calibration": asdict(calibration)})
    return table(calibration, found)


if __name__ == "__main__":
    main()
