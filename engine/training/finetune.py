"""Fine-tuning a checkpoint on the user's own repository: for a few minutes, and only as long as it helps.

The held-out files of the repository decide: training ends when their loss no longer falls, and the weights under
which it was least are kept. Beside the weights the new folder gets the repository's tokens, whose n-grams are believed
as far as the held-out files say. Nothing leaves the machine.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import FrameType

import numpy as np
import torch
from torch import Tensor
from torch.optim import AdamW, Optimizer

from engine.evaluation.tasks import Task
from engine.infill import load
from engine.infill.loading import REPOSITORY
from engine.model.diffusion_gemma import DiffusionGemma
from engine.runtime.device import choose_device, choose_dtype
from engine.training import repository
from engine.training.batches import Recipe, make_batch
from engine.training.data import Holes
from engine.training.lora import adapt, merge
from engine.training.objective import losses_of
from engine.training.optimizer import optimizers, schedule
from engine.training.run import signals_to
from engine.training.shards import Stream
from engine.training.source import Source, write_infill
from engine.training.store import TrainingError
from engine.training.trust import START, fit_trust
from engine.weights.checkpoint import load_network

RATE = 0.012  # of Muon; AdamW has a fifth
LORA_RATE = 0.002  # of AdamW
ROWS, FIM_ROWS = 1, 6  # in a step: the causal drafts are right far more often
TRAINING = 0.9  # of the time given; the rest is for the n-grams
MEASURES = 6  # in that time
PATIENCE = 3  # measures without a lower loss
HELD_OUT = 4  # batches
_TICKS, _WARMUP = 1000, 50  # of the time given: the rate rises for a twentieth of it, then falls to its end

Losses = dict[str, float]


class FineTuning:
    """A network that gets to know one repository."""

    def __init__(self, network: DiffusionGemma, recipe: Recipe, texts: tuple[Stream, Stream], rank: int | None) -> None:
        self.network, self.recipe = network, recipe
        self.dtype = choose_dtype("auto", network.device)
        self.train_on, held_out = texts
        self.held_out = [make_batch(held_out, recipe, index).to(network.device) for index in range(HELD_OUT)]
        torch.manual_seed(recipe.seed)
        self.optimizers: list[Optimizer]
        if rank is None:
            network.requires_grad_(True)
            self.optimizers = optimizers(network, RATE, self.dtype)
        else:
            adapt(network, rank)
            self.optimizers = [AdamW(self._trained(), lr=LORA_RATE, weight_decay=0.0)]
        self.peaks = [optimizer.param_groups[0]["lr"] for optimizer in self.optimizers]
        self.before = self.after = self.measure()
        self.best = [parameter.detach().clone() for parameter in self._trained()]
        self.steps = self.measures = self.since_best = 0
        self.stopping = False

    def _trained(self) -> list[Tensor]:
        return [parameter for parameter in self.network.parameters() if parameter.requires_grad]

    @torch.no_grad()
    def measure(self) -> Losses:
        """The losses on the held-out files, by name."""
        totals: Losses = {}
        for batch in self.held_out:
            for name, loss in losses_of(self.network, batch, self.dtype).items():
                totals[name] = totals.get(name, 0.0) + float(loss.value) / len(self.held_out)
        return totals

    def train(self, seconds: float) -> None:
        """Train for at most so long, and leave the network with the best weights found."""
        began = time.monotonic()
        with signals_to(self._stop):
            while not self.stopping:
                self._step((time.monotonic() - began) / seconds)
                share = (time.monotonic() - began) / seconds
                self.stopping |= share >= 1
                if self.stopping or share * MEASURES >= self.measures + 1:
                    self._compare()
                _show(f"{self.steps:,} steps, {max(0, 1 - share) * seconds:.0f} s left", self.before, self.after)
        with torch.no_grad():
            for parameter, best in zip(self._trained(), self.best, strict=True):
                parameter.copy_(best)

    def _stop(self, _: int, __: FrameType | None) -> None:
        self.stopping = True  # the step is finished and measured first

    def _step(self, share: float) -> None:
        """One step, at the rate for this share of the time."""
        batch = make_batch(self.train_on, self.recipe, self.steps).to(self.network.device)
        losses = losses_of(self.network, batch, self.dtype)
        torch.stack([loss.value for loss in losses.values()]).sum().backward()
        rate = schedule(int(_TICKS * share), _TICKS, _WARMUP, decay_share=1.0)
        for optimizer, peak in zip(self.optimizers, self.peaks, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = peak * rate
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.steps += 1

    def _compare(self) -> None:
        """Measure, and keep the weights if they are the best."""
        now = self.measure()
        self.measures += 1
        self.since_best += 1
        if sum(now.values()) < sum(self.after.values()):
            self.after, self.since_best = now, 0
            for best, parameter in zip(self.best, self._trained(), strict=True):
                best.copy_(parameter.detach())
        self.stopping |= self.since_best == PATIENCE


def finetune(folder: Path, out: Path, model: Path, minutes: float, rank: int | None) -> bool:
    """Fine-tune a checkpoint on a repository and write the new one.

    Where training did not help, the weights stay as they are; a checkpoint that believes no n-grams has then nothing
    new: False, and nothing is written.

    Raises `TrainingError` or `CheckpointError` with one line.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise TrainingError(f"{out} is not empty: name a new folder")
    source = Source.read(model)
    if source.has_experts and rank is None:
        raise TrainingError(f"{model} has several experts: give --lora RANK, 8 for example")
    print(f"reading {folder}", file=sys.stderr)
    files = repository.read(folder)
    texts = files.streams(source.bpe)
    print(
        f"{len(files.train)} files to train on ({len(texts[0].arrays[0]):,} tokens), "
        f"{len(files.held_out)} held out ({len(texts[1].arrays[0]):,})",
        file=sys.stderr,
    )
    tasks = files.tasks()
    out.mkdir(parents=True, exist_ok=True)  # that it cannot be made is said now
    device = choose_device("auto")
    weights = choose_dtype("auto", device) if rank else torch.float32
    network = load_network(model, device, weights)
    infill = source.config["infill"]
    recipe = Recipe(
        seed=0,
        rows=ROWS,
        holes=Holes(noise=infill["noise"]),
        causal_rows=FIM_ROWS if infill.get("fim_token_ids") else 0,
    )
    tuning = FineTuning(network, recipe, texts, rank)
    tuning.train(TRAINING * minutes * 60)
    helped = tuning.after is not tuning.before
    _show(f"{tuning.steps:,} steps", tuning.before, tuning.after, last=True)
    if not helped:
        print("the held-out loss did not fall: the weights stay as they are", file=sys.stderr)
    if not helped and not source.believes_ngrams:
        out.rmdir()
        return False
    merge(network)
    source.write(network, out)
    if source.believes_ngrams:
        add_ngrams(out, [text.arrays[0] for text in texts], tasks)
    print(f"{out}: use it with --model {out}", file=sys.stderr)
    return True


def add_ngrams(folder: Path, ids: list[Tensor], tasks: Sequence[Task]) -> None:
    """Put the repository's tokens, those of the held-out files last, into a checkpoint folder.

    How far they are believed is fitted on holes of the held-out files, with the n-grams of the others alone.
    """
    np.save(folder / REPOSITORY, ids[0].numpy())
    write_infill(folder, {"repository_trust": asdict(START)})
    (repository, file), _ = fit_trust(load(folder), tasks)
    np.save(folder / REPOSITORY, torch.cat(ids).numpy())
    write_infill(folder, {"repository_trust": asdict(repository), "ngram_trust": asdict(file)})


def _show(text: str, before: Losses, after: Losses, last: bool = False) -> None:
    """Rewrite the progress line; without a terminal only the last is shown."""
    losses = ", ".join(f"{name} {before[name]:.3f} → {after[name]:.3f}" for name in before)
    if sys.stderr.isatty():
        print(f"\r{text}; held-out loss: {losses}\033[K", end="\n" if last else "", file=sys.stderr, flush=True)
    elif last:
        print(f"{text}; held-out loss: {losses}", file=sys.stderr)
