"""dg-engine beside llama.cpp's server: the same file, threads and requests, in turns, in one run.

python -m benchmarks.llama_cpp --gguf FILE [--llama-python PYTHON] [--threads N] [--json FILE]
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import fim_servers
from benchmarks.fim_servers import Memory
from benchmarks.greedy import NEW_TOKENS, Continued, agreement, llama_worker, our_worker
from benchmarks.turns import Answer, Times, complete_in_turns, continue_in_turns, start_in_turns
from benchmarks.typing_session import Kind, sessions
from engine.evaluation.bench import BenchError, Spread
from engine.evaluation.machine import machine, versions

DONE, BAD_INPUT, UNAVAILABLE = 0, 2, 3
_SEED, _SESSIONS = 0, 4
_NOTES = (
    "median [90th percentile, minimum]. The systems take turns, request by request and start by start.",
    "prefill, token: both networks alone, in a process each, with neither server; greedy, the end token included.",
    "rest of a line: both servers, from request to answer, at most 32 tokens. llama.cpp generates one greedy line;",
    "  dg-engine chooses among several candidates, as for automatic ghost text. For llama.cpp the head of the line",
    "  stands behind the suffix, so that its prompt cache holds all but the last characters of a line being typed.",
    "memory: after these requests; files that are mapped count as resident.",
)

_WORKS: dict[Kind, str] = {
    "opened": "rest of a line, first request in a file",
    "new line": "rest of a line, first request on a new line",
    "typing": "rest of a line, while it is being typed",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of work, and how long each system took for it, in milliseconds."""

    work: str
    count: int
    ms: dict[str, Spread]


@dataclass(frozen=True, slots=True)
class Report:
    """All that one run found out. `same_tokens` of the greedy tokens are equal before the first one that differs."""

    machine: dict[str, Any]
    versions: dict[str, str]
    gguf: str
    threads: int
    seed: int
    prompt_tokens: list[int]
    same_tokens: list[int]
    rows: list[Row]
    answered: dict[str, float]
    memory: dict[str, Memory]
    load_before: float
    load_after: float


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.llama_cpp", description="dg-engine beside llama.cpp's server."
    )
    parser.add_argument("--gguf", type=Path, required=True, metavar="FILE", help="the model, for both")
    parser.add_argument(
        "--llama-python",
        type=Path,
        default=Path(sys.executable),
        metavar="PYTHON",
        help="a Python with llama-cpp-python[server]; default: this one",
    )
    parser.add_argument("--threads", type=_count, default=2, metavar="N", help="of each system; default: 2")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the report there, for machines")
    arguments = parser.parse_args(argv)
    if not arguments.gguf.is_file():
        return _complain(f"{arguments.gguf} is not a file: name a model's GGUF file", BAD_INPUT)
    try:
        report = run(arguments.gguf, arguments.llama_python, arguments.threads)
    except BenchError as error:
        return _complain(str(error), UNAVAILABLE)
    print(table(report))
    if arguments.json:
        try:
            arguments.json.write_text(json.dumps(dataclasses.asdict(report), indent=2) + "\n", "utf-8")
        except OSError as error:
            return _complain(f"{arguments.json} cannot be written: {error.strerror}", BAD_INPUT)
    return DONE


def run(gguf: Path, llama_python: Path, threads: int) -> Report:
    """Time both systems. Raises `BenchError`."""
    load_before = os.getloadavg()[0]
    _check_installed(llama_python)
    typed = sessions(_SEED, _SESSIONS)
    workers = partial(our_worker, gguf, threads), partial(llama_worker, llama_python, gguf, threads)
    systems = partial(fim_servers.ours, gguf, threads), partial(fim_servers.llama_cpp, llama_python, gguf, threads)
    continued, worker_versions = continue_in_turns(
        workers, [requests[0].above + requests[0].below for requests in typed]
    )
    pairs = list(zip(*continued.values(), strict=True))
    starts = start_in_turns(systems)
    answers, memory = complete_in_turns(systems, typed)
    return Report(
        machine=machine(),
        versions=versions("torch") | worker_versions,
        gguf=gguf.name,
        threads=threads,
        seed=_SEED,
        prompt_tokens=[ours.prompt_tokens for ours, _ in pairs],
        same_tokens=[agreement(ours, theirs) for ours, theirs in pairs],
        rows=[*_greedy_rows(continued), *_answer_rows(answers), _row("start until the model is loaded", starts)],
        answered={name: sum(bool(one.text) for one in each) / len(each) for name, each in answers.items()},
        memory=memory,
        load_before=load_before,
        load_after=os.getloadavg()[0],
    )


def table(report: Report) -> str:
    """The report as text for a terminal."""
    names = list(report.memory)
    prompts = f"prompts of {min(report.prompt_tokens)} to {max(report.prompt_tokens)} tokens"
    lines = [
        f"machine   {report.machine['cpu']}, {report.machine['cpus']} CPUs, {report.machine['system']}",
        "versions  " + ", ".join(f"{name} {version}" for name, version in report.versions.items()),
        f"work      {report.gguf}, {report.threads} threads, seed {report.seed}, {prompts}",
        f"same      of {NEW_TOKENS + 1} greedy tokens the first {min(report.same_tokens)} to {max(report.same_tokens)}",
        f"load      {report.load_before:.2f} before, {report.load_after:.2f} after",
    ]
    if report.load_before > 0.5:
        lines.append("WARNING   the machine was busy with other work: these times say little")
    lines += ["", f"{'ms':44} {'n':>4}  " + " ".join(f"{name:26}" for name in names) + " ours / theirs"]
    for row in report.rows:
        ours, theirs = (row.ms[name] for name in names)
        spreads = " ".join(f"{row.ms[name]!s:26}" for name in names)
        lines.append(f"{row.work:44} {row.count:4}  {spreads} {ours.median / theirs.median:13.2f}")
    memory = {name: f"{found.resident:7.0f} [{found.anonymous:.0f}]" for name, found in report.memory.items()}
    lines.append(f"{'memory, MiB [without mapped files]':50}" + " ".join(f"{memory[name]:26}" for name in names))
    answered = {name: f"{100 * share:7.0f} %" for name, share in report.answered.items()}
    lines.append(f"{'requests answered with a text':50}" + " ".join(f"{answered[name]:26}" for name in names))
    return "\n".join([*lines, "", *_NOTES])


def _greedy_rows(found: dict[str, list[Continued]]) -> list[Row]:
    prefill = {name: [500 * one.prefill_ms / one.prompt_tokens for one in each] for name, each in found.items()}
    token = {name: [one.token_ms for one in each] for name, each in found.items()}
    return [_row("prefill, nothing cached, per 500 tokens", prefill), _row("one greedy token behind it", token)]


def _answer_rows(found: dict[str, list[Answer]]) -> list[Row]:
    return [
        _row(work, {name: [answer.ms for answer in each if answer.kind == kind] for name, each in found.items()})
        for kind, work in _WORKS.items()
    ]


def _row(work: str, times: Times) -> Row:
    return Row(work, len(next(iter(times.values()))), {name: Spread.of(values) for name, values in times.items()})


def _check_installed(python: Path) -> None:
    command = [str(python), "-I", "-c", "import llama_cpp.server.app"]
    try:
        missing = subprocess.run(command, capture_output=True, check=False).returncode != 0
    except OSError:
        missing = True
    if missing:
        raise BenchError(
            f"{python} cannot import llama_cpp.server: run `{python} -m pip install 'llama-cpp-python[server]'`, "
            "or name another Python by --llama-python"
        )


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a positive integer")
    return int(text)


def _complain(message: str, code: int) -> int:
    print(f"benchmarks.llama_cpp: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
