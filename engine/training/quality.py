"""How good a network is on fixed held-out text: as a language model, and in one denoising step."""

from __future__ import annotations

from random import Random

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.model.diffusion_gemma import DiffusionGemma
from engine.training.bpe import END_OF_GAP
from engine.training.data import CANVAS, CanvasBatch, Holes, NoiseKind, causal_batch, infill_batch
from engine.training.objective import causal_loss, gap_logits
from engine.training.shards import Shards

LEVELS = (1.0, 0.5, 0.15)  # shares of the gap that are noise
HOLES = 600
ROWS = 10  # in a batch
_SEED = 20_000


def quality(
    network: DiffusionGemma, shards: Shards, noise: NoiseKind, suffix_first: bool, holes: int = HOLES
) -> dict[str, float]:
    """Losses in nats a token, shares in 0 to 1. The same holes whatever the noise and the layout."""
    found = _language_model(network, shards)
    for level in LEVELS:
        for name, value in _denoiser(network, shards, Holes(1, noise, 0.0, suffix_first, level), holes).items():
            if level == 1.0 or name == "denoise":
                found[f"{name} at {level:g}"] = value
    return found


@torch.no_grad()
def _language_model(network: DiffusionGemma, shards: Shards) -> dict[str, float]:
    ids = causal_batch(shards, Random(_SEED), 8 * ROWS, fim=0.0)
    losses = [causal_loss(network, rows, torch.float32) for rows in ids.split(ROWS)]
    return {
        "LM loss": sum(loss.value.item() for loss in losses) / len(losses),
        "LM right": sum(loss.right.item() for loss in losses) / len(losses),
    }


def _denoiser(network: DiffusionGemma, shards: Shards, holes: Holes, count: int) -> dict[str, float]:
    """Of one step at a noise level: loss where noise hides a middle or its end, shares of gaps that are right."""
    random, noise = Random(_SEED), torch.Generator().manual_seed(_SEED)
    loss = weight = 0.0
    right: list[tuple[bool, bool, bool]] = []
    for _ in range(-(-count // ROWS)):
        ids, canvases = infill_batch(shards, random, noise, ROWS, holes)
        logits = gap_logits(network, ids, canvases)
        targets = canvases.clean.flatten()[canvases.slots]
        weights = canvases.weights * (canvases.noisy.flatten()[canvases.slots] != targets)
        loss += float((F.cross_entropy(logits, targets, reduction="none") * weights).sum())
        weight += float(weights.sum())
        right += _right(logits.argmax(dim=-1), targets, canvases)
    first, whole, end = (sum(column) / len(right) for column in zip(*right, strict=True))
    return {"denoise": loss / weight, "first token": first, "whole gap": whole, "end": end}


def _right(guesses: Tensor, targets: Tensor, canvases: CanvasBatch) -> list[tuple[bool, bool, bool]]:
    """Of each gap, whether its first token, all of its middle, and the place of its end are right."""
    sizes = (canvases.slots // CANVAS).unique_consecutive(return_counts=True)[1].tolist()
    answers = []
    for guess, target in zip(guesses.split(sizes), targets.split(sizes), strict=True):
        got, wanted = guess.tolist(), target.tolist()
        end = wanted.index(END_OF_GAP)
        placed = END_OF_GAP in got and got.index(END_OF_GAP) == end
        answers.append((got[0] == wanted[0], got[: end + 1] == wanted[: end + 1], placed))
    return answers
