"""Forty small functions: "Fill this function" over LSP, then each file's test.

    python -m benchmarks.functions [--model NAME] [--language ID] [--json FILE]

The real server with an engine of its own fills each stub of fixtures/functions once, as the code action of an editor;
the first answer counts. A function passes when its test does, fails when it does not, is refused where no edit came,
and is skipped where its language's tools are missing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

from benchmarks import toolchains
from benchmarks.editor import Editor, editor
from benchmarks.function_tasks import FunctionTask, tasks
from dg_lsp.client.local import EngineUnavailable
from dg_lsp.lsp_client import LspError
from engine.evaluation.tasks import EvaluationError

Verdict = Literal["pass", "fail", "refused", "skipped"]


@dataclass(frozen=True, slots=True)
class Result:
    """One function: what came of it, why, the text that was put in, and the seconds until it came."""

    name: str
    language: str
    verdict: Verdict
    reason: str
    middle: str
    seconds: float


async def measure(model: str, chosen: Sequence[FunctionTask]) -> tuple[str, list[Result]]:
    """The model's name and what came of each function, which is printed as soon as it is known."""
    results = []
    async with editor(model) as session:
        print(session.model, flush=True)
        for task in chosen:
            results.append(await attempt(session, task))
            print(shown(results[-1]), flush=True)
        return session.model, results


async def attempt(session: Editor, task: FunctionTask) -> Result:
    """Fill one function and run its test."""
    document = session.open(task.name, task.text)
    fill = await document.fill_function(task.offset)
    document.close()
    if fill.text is None:
        return Result(task.name, task.language, "refused", fill.reason, "", fill.seconds)
    ended = await asyncio.to_thread(toolchains.run, task.language, task.name, fill.text, task.test)
    verdict: Verdict = "skipped" if ended.passed is None else "pass" if ended.passed else "fail"
    return Result(task.name, task.language, verdict, ended.reason, fill.middle, fill.seconds)


def shown(result: Result) -> str:
    """One function, for a terminal."""
    why = "" if result.verdict == "pass" else f"  ({result.reason})"
    head = f"{result.verdict:8}{result.name:18}{result.seconds:6.1f} s{why}"
    middle = [f"    | {line}" for line in result.middle.strip("\n").split("\n")] if result.middle else []
    return "\n".join([head, *middle])


def table(results: Sequence[Result]) -> str:
    """The totals by language."""
    lines = [f"{'':12}" + "".join(f"{verdict:>9}" for verdict in get_args(Verdict)) + f"{'of':>9}"]
    languages = list(dict.fromkeys(result.language for result in results))
    for language in [*languages, "all"]:
        found = Counter(result.verdict for result in results if language in (result.language, "all"))
        counts = [*(found[verdict] for verdict in get_args(Verdict)), found.total()]
        lines.append(f"{language:12}" + "".join(f"{count:9}" for count in counts))
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Fill, print, and write the file; the exit status is 0 whatever passed, 2 for bad input, 3 without an engine."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.functions", description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="", help="a folder or a downloaded model; default: what the server takes")
    parser.add_argument("--language", metavar="ID", help="only the functions of one language, such as python")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results there, for machines")
    arguments = parser.parse_args(argv)
    chosen = [task for task in tasks() if arguments.language in (None, task.language)]
    if not chosen:
        parser.error(
            f"there are no functions in {arguments.language!r}: name one of the languages of fixtures/functions"
        )
    try:
        model, results = asyncio.run(measure(arguments.model, chosen))
    except (EngineUnavailable, LspError) as error:
        parser.exit(3, f"{error}\n")
    except EvaluationError as error:
        parser.exit(2, f"{error}\n")
    print(f"\n{table(results)}\nload {os.getloadavg()[0]:.1f}")
    if arguments.json:
        report = {"model": model, "results": [asdict(result) for result in results]}
        try:
            arguments.json.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
        except OSError as error:
            parser.exit(2, f"{arguments.json} cannot be written: {error.strerror}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
