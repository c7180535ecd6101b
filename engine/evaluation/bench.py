"""`dg-engine bench`: this engine and transformers side by side, doing the same work in the same run.

Every row runs in a process of its own; the rows take turns, so that a disturbance of the machine hits them all.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.evaluation import bench_server
from engine.evaluation.machine import machine, versions

ROWS = (
    "transformers, eager attention",
    "transformers, SDPA attention",
    "transformers, SDPA, prefix kept",
    "dg-engine",
    "dg-engine, prefix kept",
)
_BASELINE = ROWS[1]
_TOLERANCE = 1e-3  # logits of one step; float32 leaves about 1e-5, a wrong mask or scale more than 0.1
_WORK = "prompt 512 tokens, canvas 64 = 16 pinned + gap 32 + 16 pinned, 8 steps, float32, CPU"
_NOTES = (
    "step, fill: median, [90th percentile, minimum]. fill = prefill + 8 steps. memory: the row's own process.",
    "Both renoise uniformly, for transformers can nothing else; the default model is otherwise used with a mask.",
    "dg-engine computes logits for the 32 gap slots only, transformers for all 64.",
    "prefix kept: all of the prompt but its last token is encoded already. dg-engine does this by itself from one",
    "  request to the next; with transformers the caller keeps the cache and copies it for every generate().",
)


class BenchError(RuntimeError):
    """The benchmark cannot be run, or would compare unequal things; one line."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, 90th percentile and minimum of some timings, in milliseconds."""

    median: float
    p90: float
    minimum: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        ordered = sorted(values)
        return cls(statistics.median(ordered), ordered[math.ceil(0.9 * len(ordered)) - 1], ordered[0])

    def __str__(self) -> str:
        return f"{self.median:7.1f} [{self.p90:.1f}, {self.minimum:.1f}]"


@dataclass(frozen=True, slots=True)
class Row:
    """One engine's result."""

    name: str
    prefill_ms: Spread
    step_ms: Spread
    fill_ms: Spread
    peak_mib: float


@dataclass(frozen=True, slots=True)
class Report:
    """All that one run found out."""

    machine: dict[str, Any]
    versions: dict[str, str]
    work: str
    seed: int
    repeats: int
    max_logit_difference: float
    rows: list[Row]
    server_ms: dict[str, Spread]
    server_starts: int
    load_before: float
    load_after: float


class _Worker:
    """The process of one row."""

    def __init__(self, row: str, seed: int, logits: Path) -> None:
        self.row, self.logits = row, logits
        command = [sys.executable, "-m", "engine.evaluation.bench_worker", row, str(seed), str(logits)]
        self._process = subprocess.Popen(
            command, env=_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def message(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise BenchError(f"{self.row} stopped: its own message stands above")
        message: dict[str, Any] = json.loads(line)
        return message

    def fill(self) -> dict[str, Any]:
        assert self._process.stdin
        print("fill", file=self._process.stdin, flush=True)
        return self.message()

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


def run(repeats: int, starts: int, seed: int, rows: Sequence[str] = ROWS) -> Report:
    """Do `repeats` fills on each row and `starts` starts of the server. Raises `BenchError`."""
    if importlib.util.find_spec("transformers") is None:
        raise BenchError("transformers is not installed: run pip install 'dg-lsp[dev]'")
    load_before = os.getloadavg()[0]
    _say(f"loading {len(rows)} engines ...")
    with _workers(rows, seed) as workers:
        loaded = [worker.message() for worker in workers]
        difference = check_same([worker.logits for worker in workers])
        rounds = [_round(workers, number, repeats) for number in range(repeats + 1)][1:]
    server = [_start(number, starts) for number in range(1, starts + 1)]
    return Report(
        machine=machine() | {"openmp": _openmp(), "threads": loaded[0]["threads"]},
        versions=versions("torch", "transformers"),
        work=_WORK,
        seed=seed,
        repeats=repeats,
        max_logit_difference=difference,
        rows=[_row(name, fills) for name, *fills in zip(rows, *rounds, strict=True)],
        server_ms={name: Spread.of(start[name] for start in server) for name in _SERVER} if server else {},
        server_starts=starts,
        load_before=load_before,
        load_after=os.getloadavg()[0],
    )


def table(report: Report) -> str:
    """The report as text for a terminal."""
    machine = report.machine
    openmp = [f"{name}={value}" for name, value in machine["openmp"].items()]
    threads = " ".join([f"{machine['threads']} torch threads", *openmp])
    lines = [
        f"machine   {machine['cpu']}, {machine['cpus']} CPUs, {machine['system']}, {threads}",
        "versions  " + ", ".join(f"{name} {version}" for name, version in report.versions.items()),
        f"work      {report.work}; seed {report.seed}, {report.repeats} repeats, rows in turn",
        f"same      largest difference of any logit between the rows: {report.max_logit_difference:.1e}",
        f"load      {report.load_before:.2f} before, {report.load_after:.2f} after",
    ]
    if report.load_before > 0.5:
        lines.append("WARNING   the machine was busy with other work: these times say little")
    lines += ["", f"{'':32} {'prefill ms':>10}  {'step ms':24} {'fill ms':26} {'memory':>9}  {'fill, of SDPA':>13}"]
    baseline = next((row for row in report.rows if row.name == _BASELINE), report.rows[0])
    for row in report.rows:
        share = f"{row.fill_ms.median / baseline.fill_ms.median:.0%}"
        times = f"{row.prefill_ms.median:10.1f}  {row.step_ms!s:24} {row.fill_ms!s:26}"
        lines.append(f"{row.name:32} {times} {row.peak_mib:5.0f} MiB  {share:>13}")
    lines += ["", *_NOTES]
    if report.server_ms:
        lines += ["", f"server, {report.server_starts} starts: median, [90th percentile, minimum], ms"]
        lines += [f"  {_SERVER[name]:58} {spread}" for name, spread in report.server_ms.items()]
    return "\n".join(lines)


_SERVER = {
    "initialize": "dg-lsp's process start to its answer to initialize",
    "engine_ready": "initialized to the engine's model loaded",
    "first_answer": "dg-lsp's process start to the first completion",
    "first_completion": "first completion, from opening the file",
    "second_completion": "second completion, after one typed character",
}


@contextlib.contextmanager
def _workers(rows: Sequence[str], seed: int) -> Iterator[list[_Worker]]:
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as ends:
        workers = []
        for number, row in enumerate(rows):
            workers.append(_Worker(row, seed, Path(folder, f"{number}.npy")))
            ends.callback(workers[-1].end)
        yield workers


def _round(workers: list[_Worker], number: int, repeats: int) -> list[dict[str, Any]]:
    """One fill of every row; the first round only warms up."""
    _say(f"fill {number} of {repeats} ..." if number else "warming up ...")
    return [worker.fill() for worker in workers]


def _start(number: int, starts: int) -> dict[str, float]:
    _say(f"starting the server, {number} of {starts} ...")
    try:
        return dataclasses.asdict(bench_server.measure_start())
    except bench_server.ServerFailed as error:
        raise BenchError(str(error)) from None


def check_same(files: Sequence[Path]) -> float:
    """The largest difference of any logit between the files, which hold the same steps' logits.

    Raises `BenchError` when it is more than rounding.
    """
    import numpy as np

    first, *others = (np.load(file) for file in files)
    difference = max((float(np.abs(logits - first).max()) for logits in others), default=0.0)
    if not difference <= _TOLERANCE:  # also when it is nan
        raise BenchError(f"the engines compute different things: logits differ by {difference:.1e}; nothing to compare")
    return difference


def _row(name: str, fills: list[dict[str, Any]]) -> Row:
    return Row(
        name=name,
        prefill_ms=Spread.of(fill["prefill_ms"] for fill in fills),
        step_ms=Spread.of(ms for fill in fills for ms in fill["steps_ms"]),
        fill_ms=Spread.of(fill["fill_ms"] for fill in fills),
        peak_mib=max(fill["peak_mib"] for fill in fills),
    )


def _environment() -> dict[str, str]:
    """Threads wait as in `dg-engine serve`, in every row alike, unless the caller says otherwise."""
    return {"OMP_WAIT_POLICY": "PASSIVE", **os.environ}


def _openmp() -> dict[str, str]:
    """libgomp's settings, above all how long a thread spins before it sleeps: they change times severalfold."""
    return {name: value for name, value in sorted(_environment().items()) if name.startswith(("OMP_", "GOMP_"))}


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
