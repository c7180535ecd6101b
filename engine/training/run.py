"""One stage of training, from its options to its last checkpoint."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType
from typing import Any

import torch
from torch import Tensor

from engine.runtime.device import choose_device, choose_dtype
from engine.training.batches import Batch, Batches, Recipe
from engine.training.data import Holes
from engine.training.export import exported
from engine.training.objective import losses_of
from engine.training.optimizer import optimizers, schedule
from engine.training.options import Options
from engine.training.progress import Progress, forget_after
from engine.training.shape import SHAPES, new_network
from engine.training.shards import ROW
from engine.training.store import TrainingError, facts_of, latest, read_group, save_checkpoint

SAVE_EVERY_S = 120
REPORT_EVERY = 50
HELD_OUT_EVERY = 500
HELD_OUT = 8  # batches, of
HELD_OUT_ROWS = 4
UNIFORM_SHARE = 0.4  # of the steps of noise plan mask-uniform, the last ones


def recipe(options: Options) -> Recipe:
    """What the batches of a run are made of."""
    if options.stage == "causal":
        return Recipe(options.seed, options.rows, fim=options.fim)
    holes = Holes(
        options.gaps, "uniform" if options.noise == "uniform" else "mask", options.padding_weight, options.suffix_first
    )
    switch = round(options.steps * (1 - UNIFORM_SHARE)) if options.noise == "mask-uniform" else None
    return Recipe(options.seed, options.rows, 0.0, holes, options.causal_rows, switch)


class Run:
    """A network in training."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.began = time.monotonic()
        self.device = _device(options.device)
        self.dtype = choose_dtype("auto", self.device)
        self.goes_on = latest(options.out) is not None
        before, weights = self._start()
        self.facts = self._facts(before)
        own = recipe(options)
        self.batches = Batches(options.corpus, "train", own)
        at_end = own.holes and replace(own.holes, noise=self.facts["noise"])
        held_out = replace(own, rows=HELD_OUT_ROWS, holes=at_end, uniform_from=None)
        self.held_out = Batches(options.corpus, "held_out", held_out)
        self.network = new_network(SHAPES[self.facts["shape"]], options.seed).to(self.device)
        self.optimizers = optimizers(self.network, options.lr, self.dtype)
        self.peaks = [optimizer.param_groups[0]["lr"] for optimizer in self.optimizers]
        self.ema: dict[str, Tensor] = {}
        self.sums: dict[str, Tensor] = {}  # of each loss and its share right, since the last report
        self.step = 0
        if weights:
            self.network.load_state_dict(weights)
        self._load()
        tokens = (options.rows + options.causal_rows) * ROW
        self.progress = Progress(options.out / "log.jsonl", options.stage, options.steps, tokens)
        self.stopping = False

    def _start(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Facts and weights of the run gone on with, or of that or the model to start from; nothing: random weights."""
        origin = self.options.out if self.goes_on else self.options.start
        if origin is None:
            return {}, {}
        if not self.goes_on and (origin / "config.json").exists():
            return exported(origin)
        return facts_of(origin), read_group(origin, "network", self.device)

    def _facts(self, before: dict[str, Any]) -> dict[str, Any]:
        """What the checkpoints say about the run, from what those before it say. Raises `TrainingError`."""
        options = self.options
        shape = options.shape or before.get("shape", "small")
        if shape not in SHAPES:
            raise TrainingError(f"there is no shape {shape!r}: name one of {', '.join(SHAPES)}")
        if before.get("shape", shape) != shape:
            raise TrainingError(f"the run to start from has shape {before['shape']}: leave --shape {shape} out")
        noise = "uniform" if options.stage == "infill" and options.noise != "mask" else "mask"
        fim = options.fim > 0 if options.stage == "causal" else options.causal_rows > 0
        return {"shape": shape, "stage": options.stage, "noise": noise, "fim": fim or before.get("fim", False)}

    def _load(self) -> None:
        """Averaged weights, and all the rest of a run gone on with."""
        if self.options.ema:
            self.ema = {name: parameter.detach().clone() for name, parameter in self.network.named_parameters()}
        if not self.goes_on:
            return
        facts = facts_of(self.options.out)
        self.step = facts["step"]
        if self.options.ema and "ema" in facts["tensors"]:
            self.ema = read_group(self.options.out, "ema", self.device)
        self.sums = read_group(self.options.out, "sums", self.device)
        states: list[dict[int, dict[str, Tensor]]] = [{} for _ in self.optimizers]
        for name, tensor in read_group(self.options.out, "optimizers", self.device).items():
            number, index, key = name.split(".")
            states[int(number)].setdefault(int(index), {})[key] = tensor
        for optimizer, state in zip(self.optimizers, states, strict=True):
            optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})

    def save(self) -> None:
        """Write a checkpoint. Raises `TrainingError`."""
        groups = {"network": self.network.state_dict(), "optimizers": {}, "sums": self.sums}
        if self.ema:
            groups["ema"] = self.ema
        for number, optimizer in enumerate(self.optimizers):
            for index, state in optimizer.state_dict()["state"].items():
                groups["optimizers"] |= {f"{number}.{index}.{key}": value for key, value in state.items()}
        save_checkpoint(self.options.out, self.step, groups, self.facts)

    def train(self) -> bool:
        """Train to the last step, or until the time is up or a signal comes; True when it is the last step."""
        self.options.out.mkdir(parents=True, exist_ok=True)
        forget_after(self.progress.log, self.step)
        if self.options.compile or (self.options.compile is None and self.device.type == "cuda"):
            _compile(self.network)
        saved = time.monotonic()
        steps = range(self.step, self.options.steps)
        with signals_to(self._stop):
            for batch in self.batches.ahead(steps, self.options.workers, self.device.type == "cuda"):
                self._train_on(batch.to(self.device))
                if self.step % REPORT_EVERY == 0 or self.step == self.options.steps:
                    self._report()
                self.progress.step(self.step)
                now = time.monotonic()
                if self.options.seconds is not None and now - self.began > self.options.seconds:
                    self.stopping = True
                if self.stopping:
                    break
                if now - saved > SAVE_EVERY_S:
                    self.save()
                    saved = now
        if len(steps):
            self.save()
        done = self.step >= self.options.steps
        more = "" if done else ": run the same command again to go on"
        self.progress.say(
            f"{self.options.stage}: {self.step:,} of {self.options.steps:,} steps in {self.options.out}{more}"
        )
        return done

    def _stop(self, _: int, __: FrameType | None) -> None:
        self.stopping = True  # the step is finished and saved first

    def _train_on(self, batch: Batch) -> None:
        rate = schedule(self.step, self.options.steps, self.options.warmup, self.options.decay)
        losses = losses_of(self.network, batch, self.dtype)
        torch.stack([self._weight(name) * loss.value for name, loss in losses.items()]).sum().backward()
        for optimizer, peak in zip(self.optimizers, self.peaks, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = peak * rate
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        if self.ema:
            parameters = [parameter.detach() for parameter in self.network.parameters()]
            torch._foreach_lerp_(list(self.ema.values()), parameters, 1 - self.options.ema)
        for name, loss in losses.items():
            values = torch.stack([loss.value.detach(), loss.right])
            self.sums[name] = self.sums[name] + values if name in self.sums else values
        self.step += 1

    def _weight(self, name: str) -> float:
        return self.options.encoder_weight if self.options.stage == "infill" and name != "denoise" else 1.0

    def _report(self) -> None:
        count = (self.step - 1) % REPORT_EVERY + 1
        line = {name: _rounded(total / count) for name, total in self.sums.items()}
        if self.step % HELD_OUT_EVERY == 0 or self.step == self.options.steps:
            line |= self.measure()
        self.sums = {}
        self.progress.report(self.step, count, line)

    @torch.no_grad()
    def measure(self) -> dict[str, list[float]]:
        """The losses on text that is never trained on."""
        totals: dict[str, Tensor] = {}
        for index in range(HELD_OUT):
            for name, loss in losses_of(self.network, self.held_out[index].to(self.device), self.dtype).items():
                totals[name] = totals.get(name, torch.zeros(())) + torch.stack([loss.value, loss.right]).cpu()
        return {f"held_out_{name}": _rounded(total / HELD_OUT) for name, total in totals.items()}


def _device(name: str) -> torch.device:
    try:
        return choose_device(name)
    except ValueError as error:
        raise TrainingError(str(error)) from None


def _compile(network: torch.nn.Module) -> None:
    """Compile the layers one by one: they share their code, so that each kind and role is compiled once."""
    torch._dynamo.config.recompile_limit = 64
    for layer in network.get_submodule("layers").children():
        layer.compile(dynamic=False)


def _rounded(pair: Tensor) -> list[float]:
    return [round(value, 4) for value in pair.tolist()]


@contextmanager
def signals_to(handler: Any) -> Iterator[None]:
    """Ctrl-C and SIGTERM go to the handler."""
    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
