"""`dg-engine evaluate`: asks a system every task, keeps each result at once, and goes on where it was stopped."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from engine.evaluation import baselines, held_out, humaneval_infilling, recent, report, sandbox
from engine.evaluation.greedy import RULE as GREEDY_RULE
from engine.evaluation.machine import machine, versions
from engine.evaluation.scoring import WHOLE, Record, Score, judge
from engine.evaluation.systems import System
from engine.evaluation.tasks import HELD_OUT, RECENT, TRUNCATION, EvaluationError, Task, choose, counts

SETTINGS, RESULTS = "settings.json", "results.jsonl"


@dataclass(frozen=True, slots=True)
class Options:
    """What is to be scored, and where it is kept."""

    sets: tuple[str, ...]
    out: Path
    data: Path | None = None
    limit: int | None = None
    seed: int = 0


def run(options: Options, start: Callable[[], System]) -> bool:
    """Score a system on the tasks and write the report; False when it was interrupted before the end.

    Raises `EvaluationError`.
    """
    console = Console(stderr=True)
    tasks, left_out = _tasks(options)
    for name in left_out[:3]:
        console.print(f"left out: {name} is missing or has changed ({len(left_out)} files in all)")
    system = start()
    settings = {
        "sets": counts(tasks),
        "tasks": hashlib.sha256(json.dumps([dataclasses.astuple(task) for task in tasks]).encode()).hexdigest()[:16],
        "limit for each kind": options.limit,
        "seed": options.seed,
        "files left out": left_out,
        "system": system.about,
    }
    settings = json.loads(json.dumps(settings))  # as they are read back
    done = _open(options.out, settings)
    finished = _ask_all([task for task in tasks if task.id not in done], system, options.out, done, console)
    notes = {"truncation": TRUNCATION, "n-gram": baselines.STOP_RULE, "greedy": GREEDY_RULE}
    ordered = [done[task.id] for task in tasks if task.id in done]
    made = report.write(options.out, ordered, settings | {"machine": _machine(), "rules": notes})
    print(made)
    return finished


def _tasks(options: Options) -> tuple[list[Task], list[str]]:
    """The chosen tasks in the order in which they are asked, and the held-out files that had to be left out."""
    if any(name != HELD_OUT and name not in RECENT for name in options.sets):
        sandbox.run("")  # raises here, not after a while, where generated code cannot be run
    found, left_out = list[Task](), list[str]()
    for name in options.sets:
        missing: list[str] = []
        if name == HELD_OUT:
            tasks, missing = held_out.tasks(options.data)
        elif name in RECENT:
            tasks, missing = recent.tasks(name, options.data)
        else:
            tasks = humaneval_infilling.tasks(name, options.data)
        found += tasks
        left_out += missing
    chosen = choose(found, options.limit, options.seed)
    if not chosen:
        raise EvaluationError("there is no task left: the held-out files have changed; fetch them again")
    return chosen, left_out


def _open(out: Path, settings: dict[str, Any]) -> dict[str, Record]:
    """The results that are there already. Raises `EvaluationError` when they belong to another run."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        file, results = out / SETTINGS, out / RESULTS
        if file.exists():
            differing = _first_difference(json.loads(file.read_text("utf-8")), settings)
            if differing:
                raise EvaluationError(f"{out} holds a run with other settings ({differing}): choose another --out")
        elif any(out.iterdir()):
            raise EvaluationError(f"{out} holds something else: choose another --out")
        file.write_text(json.dumps(settings, indent=1) + "\n", "utf-8")
        text = results.read_bytes() if results.exists() else b""
        whole = text[: text.rfind(b"\n") + 1]  # a killed run may leave half a line
        if len(whole) < len(text):
            os.truncate(results, len(whole))
        found = map(record, whole.decode().splitlines())
        return {result.id: result for result in found}
    except OSError as error:
        raise EvaluationError(f"{error.filename} cannot be used: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):  # also of another version of this program
        raise EvaluationError(f"{out} holds results that cannot be read: choose another --out") from None


def _first_difference(old: dict[str, Any], new: dict[str, Any]) -> str | None:
    """Where two settings differ first, for people."""
    for key in dict.fromkeys([*new, *old]):
        a, b = old.get(key), new.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            if inner := _first_difference(a, b):
                return inner
        elif a != b:
            return f"{key}: {a} there, {b} now"
    return None


def record(line: str) -> Record:
    """One line of the results."""
    values = json.loads(line)
    values["rows"] = {row: Score(**score) for row, score in values["rows"].items()}
    return Record(**values)


def _ask_all(tasks: Sequence[Task], system: System, out: Path, done: dict[str, Record], console: Console) -> bool:
    """Ask and keep one task after the other; False when interrupted."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    right = sum(result.rows[WHOLE].right for result in done.values())
    try:
        if tasks:
            system.answer(Task("", "", "line", "x = ", "", ""))  # the first answer takes longer than the others
        with Progress(*columns, console=console) as progress, (out / RESULTS).open("a", encoding="utf-8") as results:
            bar = progress.add_task("", total=len(done) + len(tasks), completed=len(done))
            for task in tasks:
                result = judge(task, system.answer(task))
                results.write(json.dumps(dataclasses.asdict(result)) + "\n")
                results.flush()
                done[task.id] = result
                right += result.rows[WHOLE].right
                progress.update(bar, advance=1, description=f"right {right / len(done):.0%}")
    except KeyboardInterrupt:
        return False
    return True


def _machine() -> dict[str, Any]:
    """What the answers came from: not the server's machine, of which nothing is known here."""
    return machine() | {"versions": versions("torch", "tokenizers")}
