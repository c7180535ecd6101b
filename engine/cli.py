"""`dg-engine`: the resident engine, its models, benchmarks and training."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from engine import model_commands, serve_commands
from engine.commands import BAD_INPUT, DONE, INTERRUPTED, UNAVAILABLE, complain, wait_passively
from engine.process import Unavailable
from engine.training import train as training_commands


def main(argv: Sequence[str] | None = None) -> int:
    """Run one `dg-engine` command; its exit code."""
    arguments = _parser().parse_args(argv)
    try:
        code: int = arguments.command(arguments)
    except Unavailable as error:
        return complain(str(error), UNAVAILABLE)
    except ModuleNotFoundError as error:
        return complain(f"{error.name} is not installed: run pip install 'dg-lsp[engine]'", UNAVAILABLE)
    except BrokenPipeError:  # the reader of the output is gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return INTERRUPTED
    except KeyboardInterrupt:
        return INTERRUPTED
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dg-engine", description="The engine that fills gaps in code.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serve_commands.add_commands(commands)
    model_commands.add_commands(commands)

    timing = commands.add_parser("bench", help="time this engine and transformers side by side")
    timing.add_argument("--repeats", type=_count, default=10, metavar="N", help="fills on each row; default: 10")
    timing.add_argument("--starts", type=_count, default=3, metavar="N", help="starts of the server; default: 3")
    timing.add_argument("--seed", type=int, default=0, metavar="N", help="of prompt and noise; default: 0")
    timing.add_argument("--json", type=Path, metavar="FILE", help="also write the report there, for machines")
    timing.set_defaults(command=bench)

    scoring = commands.add_parser(
        "evaluate",
        help="score a model or server on held-out code and HumanEval-Infilling",
        description="Score this engine, or any server with OpenAI's text completion, on held-out code and "
        "HumanEval-Infilling. Started again with the same options it goes on where it was stopped.",
    )
    scoring.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="for results and report")
    scoring.add_argument(
        "--sets",
        default="held-out",
        metavar="SET,…",
        help="of held-out, single-line, multi-line, random-span, random-span-light; default: held-out",
    )
    scoring.add_argument("--limit", type=_count, metavar="N", help="tasks of each kind at most; default: all")
    scoring.add_argument("--seed", type=int, default=0, metavar="N", help="of the tasks' order; default: 0")
    scoring.add_argument("--data", type=Path, metavar="FOLDER", help="with the benchmark's and the held-out files")
    scoring.add_argument("--model", metavar="FOLDER|NAME[@REVISION]", help="default: the model that is shipped along")
    scoring.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    scoring.add_argument("--url", metavar="URL", help="score this server instead: http://HOST:PORT or unix:/PATH")
    scoring.add_argument("--model-name", metavar="NAME", help="the server's model; default: the first it lists")
    scoring.add_argument(
        "--format",
        choices=("suffix", "qwen", "codestral"),
        default="suffix",
        help="how the server wants the suffix: as a field of its own (default) or in the prompt",
    )
    scoring.set_defaults(command=evaluate)

    training = commands.add_parser("train", help="train the default model, or one like it")
    training_commands.add_commands(training)
    training.set_defaults(command=train)
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a whole number, at least 1")
    return int(text)


def bench(arguments: argparse.Namespace) -> int:
    """Time this engine and transformers side by side."""
    from engine.evaluation.bench import BenchError, run, table

    try:
        report = run(arguments.repeats, arguments.starts, arguments.seed)
    except BenchError as error:
        raise Unavailable(str(error)) from None
    print(table(report))
    if arguments.json:
        try:
            arguments.json.write_text(json.dumps(dataclasses.asdict(report), indent=2) + "\n", "utf-8")
        except OSError as error:
            return complain(f"{arguments.json} cannot be written: {error.strerror}", BAD_INPUT)
    return DONE


def evaluate(arguments: argparse.Namespace) -> int:
    """Score this engine or a server."""
    wait_passively()
    from engine.evaluation.runner import Options, run
    from engine.evaluation.systems import Engine, Server
    from engine.evaluation.tasks import SETS, EvaluationError, Unreachable

    sets = tuple(dict.fromkeys(arguments.sets.split(",")))
    if unknown := [name for name in sets if name not in SETS]:
        return complain(f"there is no set {unknown[0]!r} (known: {', '.join(SETS)})", BAD_INPUT)
    if arguments.url and arguments.model:
        return complain("--model is for this engine: name a server's model by --model-name", BAD_INPUT)

    def start() -> Engine | Server:
        if arguments.url:
            return Server(arguments.url, arguments.model_name, arguments.format)
        return Engine(arguments.model, arguments.device)

    options = Options(sets, arguments.out, arguments.data, arguments.limit, arguments.seed)
    try:
        finished = run(options, start)
    except Unreachable as error:
        raise Unavailable(str(error)) from None
    except EvaluationError as error:
        return complain(str(error), BAD_INPUT)
    return DONE if finished else INTERRUPTED


def train(arguments: argparse.Namespace) -> int:
    """Train, export, plot."""
    wait_passively()
    return training_commands.run(arguments)


if __name__ == "__main__":
    sys.exit(main())
