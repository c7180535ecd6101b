"""One row of the benchmark in its own process, so that its peak memory is its own.

    python -m engine.evaluation.bench_worker ROW SEED LOGITS.npy

Loads the default checkpoint, writes the logits of two teacher-forced steps to the file and prints a `Loaded` as a
JSON line; then, for every line on stdin, does one fill and prints a `Fill`.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import resource
import sys
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engine.evaluation.bench_engines import ROWS, STEPS, Engine


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a row's process says when it is ready."""

    threads: int


@dataclass(frozen=True, slots=True)
class Fill:
    """One timed fill, in milliseconds, and the process's peak memory so far, in MiB."""

    prefill_ms: float
    steps_ms: list[float]
    fill_ms: float
    peak_mib: float


def timed_fill(engine: Engine) -> Fill:
    """Do one fill and time its parts."""
    stamps = [time.perf_counter()]
    engine.fill(lambda: stamps.append(time.perf_counter()))
    end = time.perf_counter()
    prefill, *steps = [1000 * (b - a) for a, b in itertools.pairwise(stamps)]
    assert len(steps) == STEPS, "a fill that stopped early is less work"
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
    return Fill(prefill, steps, 1000 * (end - stamps[0]), peak)


def teacher_forced(engine: Engine) -> Tensor:
    """Logits [2, C, V] of a first step, and of one conditioned on the same made-up logits everywhere."""
    first = engine.logits(None)
    previous = 4 * torch.randn(first.shape, generator=torch.Generator().manual_seed(engine.work.seed))
    return torch.stack([first, engine.logits(previous)])


def main(row: str, seed: str, logits: str) -> None:
    engine = ROWS[row](int(seed))
    np.save(logits, teacher_forced(engine).numpy())
    _say(Loaded(torch.get_num_threads()))
    for _ in sys.stdin:
        _say(timed_fill(engine))


def _say(message: Loaded | Fill) -> None:
    print(json.dumps(dataclasses.asdict(message)), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
