"""Fits a decoder-only model's profile: how far its own chances are believed, and the n-grams of the file beside it.

What the model says at natural pauses (`engine.evaluation.pauses`) tells both; `engine.infill.profile` reads the result.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.evaluation import pauses
from engine.evaluation.pauses import Outcome, Pause, Record, Said
from engine.evaluation.tasks import EvaluationError, Task
from engine.infill import LoadedModel, load
from engine.infill.calibration import KINDS, Sureness, log_odds
from engine.infill.ngram_cache import Trust
from engine.infill.profile import Profile, profile_file
from engine.training.source import write_infill
from engine.training.threshold import DOUBT, FALSE_RATE, at_most
from engine.training.trust import START, fit_trust, minimised

LEAST_GAIN = 0.03  # nats of a token's loss, from which on a model is given n-grams
LEAST_CHARACTERS = 2  # of a beginning that counts: shorter ones are not shown
_TRUST_STEP = 5  # of the pauses within a line, every fifth tells the trust
_RIDGE = 1e-2  # of a squared bias of a kind
_SHARE_OF_LINES = 80  # characters of the line that tell the trust


def calibrate(path: Path, folder: Path | None, count: int | None, to: Path | None) -> str:
    """Fit a model's profile, write it, and return the table of what it shows. Raises `EvaluationError`."""
    place = to or (path if path.is_dir() else profile_file(path))
    if place is None:
        raise EvaluationError(f"{path.name} is no model of the catalogue: name the profile's file by --to")
    folder = folder or pauses.FOLDER
    asked = pauses.pauses(folder, count)
    model = load(path)
    profile, found = fit_profile(model, asked, Record(folder / f"{model.name}.pauses.jsonl"))
    write_profile(profile, place)
    return table(profile.sureness, found)


def fit_profile(model: LoadedModel, asked: Sequence[Pause], record: Record) -> tuple[Profile, list[Outcome]]:
    """The profile of a model, and what it was fitted on; `record` keeps and has that."""
    if record.settings is None:
        model.shape = replace(model.shape, ngram_trust=START)
        (trust,), gain = fit_trust(model, [_task(pause) for pause in asked if pause.kind == "tail"][::_TRUST_STEP])
        record.begin({"ngram_trust": asdict(trust) if gain > LEAST_GAIN else None})
    kept = (record.settings or {})["ngram_trust"]
    model.shape = replace(model.shape, ngram_trust=kept and Trust(**kept))
    found = record.outcomes(model, asked)
    return Profile(fit(found), model.shape.ngram_trust), found


def _task(pause: Pause) -> Task:
    """A pause as a hole, whose answer is the rest of the line."""
    request, line = pause.request, pause.following.split("\n", 1)[0]
    return Task(pause.id, "pauses", "line", request.prefix, line[:_SHARE_OF_LINES], request.suffix, request.path)


def fit(found: Sequence[Outcome]) -> Sureness:
    """The slope and biases that make of chances the share that is right, and the threshold."""
    said = [(outcome.kind, one, 1 / len(outcome.said)) for outcome in found for one in outcome.said]
    kinds = torch.tensor([[float(kind == one) for one in KINDS] for kind, _, _ in said])  # [N, kinds]
    odds = torch.tensor([log_odds(one.chance) for _, one, _ in said])
    right = torch.tensor([float(one.right) for _, one, _ in said])
    weight = torch.tensor([weight for _, _, weight in said])
    # The logarithm of the slope, which is above 0; the bias of all, and how each kind differs from it.
    weights = torch.zeros(2 + len(KINDS), requires_grad=True)

    def loss() -> Tensor:
        logits = weights[0].exp() * odds + weights[1] + kinds @ weights[2:]
        each = F.binary_cross_entropy_with_logits(logits, right, reduction="none")
        return (each * weight).sum() / weight.sum() + _RIDGE * weights[2:].square().sum()

    if said:
        minimised(loss, weights)
    log_slope, bias, *own = weights.tolist()
    fitted = Sureness({kind: round(bias + more, 3) for kind, more in zip(KINDS, own, strict=True)}, _slope(log_slope))
    return replace(fitted, threshold=_threshold(fitted, found))


def _slope(log: float) -> float:
    return max(round(math.exp(log), 3), 0.001)


def _threshold(sureness: Sureness, found: Sequence[Outcome]) -> float:
    """The lowest confidence from which on few enough of what is shown are wrong; 1 where there is none."""
    for least in sorted({sureness.confidence(one.chance, o.kind) for o in found for one in o.said}):
        level = replace(sureness, threshold=least)
        shown = [one for o in found if (one := longest(level, o))]
        if shown and at_most(sum(not one.right for one in shown), len(shown), FALSE_RATE) <= DOUBT:
            return least
    return 1.0


def longest(sureness: Sureness, outcome: Outcome) -> Said | None:
    """What is shown of an outcome: the longest text that is sure enough."""
    sure = [one for one in outcome.said if sureness.confidence(one.chance, outcome.kind) >= sureness.threshold]
    return next((one for one in reversed(sure) if len(one.text.strip()) >= LEAST_CHARACTERS), None)


def table(sureness: Sureness, found: Sequence[Outcome]) -> str:
    """What is shown at the threshold, in Markdown, by kind of request."""
    rows = ["| asked for | pauses | shown | right among the shown | characters at a pause |", "|---|---|---|---|---|"]
    rows += [_row(f"**{kind}**", sureness, [outcome for outcome in found if outcome.kind == kind]) for kind in KINDS]
    return "\n".join([*rows, _row("all", sureness, found)])


def _row(name: str, sureness: Sureness, found: Sequence[Outcome]) -> str:
    shown = [one for outcome in found if (one := longest(sureness, outcome))]
    if not shown:
        return f"| {name} | {len(found)} | – | – | – |"
    right = [one for one in shown if one.right]
    share = f"{len(right) / len(shown):.0%} ({len(right)} of {len(shown)})"
    saved = sum(len(one.text) for one in right) / len(found)
    return f"| {name} | {len(found)} | {len(shown) / len(found):.0%} | {share} | {saved:.1f} |"


def write_profile(profile: Profile, place: Path) -> None:
    """Write a profile's file whole, or into the config.json of a checkpoint folder."""
    values = {key: value for key, value in asdict(profile).items() if value is not None}
    if place.is_dir():
        write_infill(place, values)
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    partial = place.with_name(f"{place.name}.part")
    partial.write_text(json.dumps(values, indent=2) + "\n", "utf-8")
    partial.replace(place)
