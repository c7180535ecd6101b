"""Batches made a few steps ahead by worker processes."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from engine.training.data import CanvasBatch, Holes, causal_batch, infill_batch
from engine.training.packages import Split
from engine.training.shards import Shards, Stream

AHEAD = 4  # batches that a worker has ready


class Batch(NamedTuple):
    """Rows for the causal loss [R, T]; in the infill stage also rows [B, T] with their canvases."""

    causal: Tensor | None
    ids: Tensor | None = None
    canvases: CanvasBatch | None = None
    conditioned: bool = False  # whether the canvases see the network's own first prediction

    def to(self, device: torch.device) -> Batch:
        """The batch on a device; on a GPU the copy does not wait for the work before it."""

        def moved(tensor: Tensor) -> Tensor:
            return tensor.to(device, non_blocking=True)

        return Batch(
            None if self.causal is None else moved(self.causal),
            None if self.ids is None else moved(self.ids),
            None if self.canvases is None else CanvasBatch(*map(moved, self.canvases)),
            self.conditioned,
        )


@dataclass(frozen=True, slots=True)
class Recipe:
    """What the batches of a stage are made of."""

    seed: int
    rows: int  # of text; in the infill stage each with canvases
    fim: float = 0.0  # share of the causal stage's rows in fill-in-the-middle form
    holes: Holes | None = None  # None: the causal stage
    causal_rows: int = 0  # of the infill stage, all in fill-in-the-middle form
    uniform_from: int | None = None  # the step from which the noise is uniform, whatever `holes` says


def make_batch(stream: Stream, recipe: Recipe, step: int) -> Batch:
    """The batch of a step."""
    random = Random(f"{recipe.seed} {step}")
    if recipe.holes is None:
        return Batch(causal_batch(stream, random, recipe.rows, recipe.fim))
    holes = recipe.holes
    if recipe.uniform_from is not None and step >= recipe.uniform_from:
        holes = replace(holes, noise="uniform")
    noise = torch.Generator().manual_seed(random.getrandbits(60))
    ids, canvases = infill_batch(stream, random, noise, recipe.rows, holes)
    causal = causal_batch(stream, random, recipe.causal_rows, fim=1.0) if recipe.causal_rows else None
    return Batch(causal, ids, canvases, conditioned=random.random() < 0.5)


class Batches(Dataset[Batch]):
    """The batches of a run, by step; each depends on the recipe and the step alone."""

    def __init__(self, corpus: Path, split: Split, recipe: Recipe) -> None:
        self.corpus, self.split, self.recipe = corpus, split, recipe
        _opened(corpus, split)  # what is wrong with them is said now

    def __getitem__(self, step: int) -> Batch:
        return make_batch(_opened(self.corpus, self.split), self.recipe, step)

    def ahead(self, steps: range, workers: int, pinned: bool) -> Iterator[Batch]:
        """The batches of these steps, in order; `pinned`: in memory from which a GPU copies by itself."""
        loader = DataLoader(
            self,
            batch_size=None,
            sampler=steps,
            num_workers=workers,
            prefetch_factor=AHEAD if workers else None,
            pin_memory=pinned,
            worker_init_fn=_leave_interrupts_to_the_parent,
        )
        return iter(loader)


@lru_cache
def _opened(corpus: Path, split: Split) -> Shards:
    """The shards, once in each process: they need not travel to the workers."""
    return Shards(corpus, split)


def _leave_interrupts_to_the_parent(_: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
