"""`dg-engine`: the resident engine's process. One per user and machine; torch is imported by its worker alone."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from engine import process
from engine.process import Unavailable
from engine.protocol import TOKEN_VARIABLE, FillRequest, FillResult, socket_path, to_json
from engine.training import train as training_commands

if TYPE_CHECKING:
    from engine.resident import Model

DONE, BAD_INPUT, UNAVAILABLE, INTERRUPTED = 0, 2, 3, 130

_log = logging.getLogger("engine")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one `dg-engine` command; its exit code."""
    arguments = _parser().parse_args(argv)
    try:
        code: int = arguments.command(arguments)
    except Unavailable as error:
        return _complain(str(error), UNAVAILABLE)
    except ModuleNotFoundError as error:
        return _complain(f"{error.name} is not installed: run pip install 'dg-lsp[engine]'", UNAVAILABLE)
    except KeyboardInterrupt:
        return INTERRUPTED
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dg-engine", description="The engine that fills gaps in code.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serving = commands.add_parser("serve", help="run the engine (the language server does this by itself)")
    serving.add_argument("--model", metavar="FOLDER|NAME[@REVISION]", help="default: the model that is shipped along")
    serving.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    serving.add_argument("--dtype", choices=("auto", "float32", "bfloat16"), default="auto")
    serving.add_argument("--idle-exit-minutes", type=float, default=30, metavar="N", help="0: never; default: 30")
    serving.add_argument(
        "--listen",
        type=_address,
        metavar="HOST:PORT",
        help=f"also serve there; with {TOKEN_VARIABLE} set, callers must know that token",
    )
    serving.set_defaults(command=serve)

    asking = commands.add_parser("status", help="say what the engine does; exit code 3 when it is not running")
    asking.add_argument("--json", action="store_true", help="for machines")
    asking.set_defaults(command=status)

    commands.add_parser("stop", help="end the engine and free its memory").set_defaults(command=stop)

    fetching = commands.add_parser("download", help="fetch a model from the Hugging Face Hub")
    fetching.add_argument("model", metavar="MODEL[@REVISION]")
    fetching.set_defaults(command=download)

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


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise argparse.ArgumentTypeError("must be HOST:PORT, for instance 127.0.0.1:8765")
    return host.strip("[]"), int(port)


def serve(arguments: argparse.Namespace) -> int:
    """Run the engine until it is stopped or idle; nothing to do when one runs already."""
    lock = process.claim()
    if lock is None:
        print(f"already running (pid {process.running_pid()})")
        if arguments.listen:
            raise Unavailable("to let it listen, end it by `dg-engine stop` and start it again")
        return DONE
    _wait_passively()
    signal.signal(signal.SIGTERM, _exit_quietly)
    signal.signal(signal.SIGINT, _exit_quietly)
    name = arguments.model or "default"
    try:
        from engine.network import listen_at
        from engine.resident import Resident
        from engine.service import serve_http

        listeners = [listen_at(*arguments.listen)] if arguments.listen else []
        listeners.append(process.listen())

        load = _loader(arguments.model, arguments.device, arguments.dtype)
        resident = Resident(load, _run_fill, _count_tokens, name=name)
        _log.info("started: pid %d, model %s, socket %s", os.getpid(), name, socket_path())
        resident.start()
        with contextlib.suppress(SystemExit):
            asyncio.run(serve_http(resident, listeners, idle_seconds=arguments.idle_exit_minutes * 60))
        ended = resident.close(wait_seconds=1.0)
    finally:
        process.release(lock)
        _log.info("stopped")
    if not ended:  # deep in a torch call, for which an orderly exit would wait
        os._exit(DONE)
    return DONE


def status(arguments: argparse.Namespace) -> int:
    """Print what the engine does."""
    health = process.ask_health()
    if health is None and not process.running():
        print(json.dumps({"state": "not running"}) if arguments.json else "not running")
        return UNAVAILABLE
    if health is None:
        state = {"state": "not answering", "pid": process.running_pid()}
        print(json.dumps(state) if arguments.json else f"starting, stopping or stuck (pid {state['pid']})")
    elif arguments.json:
        print(json.dumps(to_json(health)))
    else:
        details = {
            "loading": f"{health.progress:.0%} of {health.model}",
            "ready": f"{health.model} on {health.device}",
            "error": health.message,
        }
        print(f"{health.state}: {details[health.state]} (pid {health.pid})")
    return DONE


def stop(_: argparse.Namespace) -> int:
    """End the engine and wait until it is gone."""
    print("stopped" if process.end() else "not running")
    return DONE


def download(arguments: argparse.Namespace) -> int:
    """Fetch a model and print its commit and folder."""
    from engine.weights import hub

    try:
        folder, commit = hub.download(arguments.model)
    except hub.HubUnreachable as error:
        raise Unavailable(str(error)) from None
    except hub.HubError as error:
        return _complain(str(error), BAD_INPUT)
    print(f"commit {commit}\nfolder {folder}")
    return DONE


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
            return _complain(f"{arguments.json} cannot be written: {error.strerror}", BAD_INPUT)
    return DONE


def evaluate(arguments: argparse.Namespace) -> int:
    """Score this engine or a server."""
    _wait_passively()
    from engine.evaluation.runner import Options, run
    from engine.evaluation.systems import Engine, Server
    from engine.evaluation.tasks import SETS, EvaluationError, Unreachable

    sets = tuple(dict.fromkeys(arguments.sets.split(",")))
    if unknown := [name for name in sets if name not in SETS]:
        return _complain(f"there is no set {unknown[0]!r} (known: {', '.join(SETS)})", BAD_INPUT)
    if arguments.url and arguments.model:
        return _complain("--model is for this engine: name a server's model by --model-name", BAD_INPUT)

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
        return _complain(str(error), BAD_INPUT)
    return DONE if finished else INTERRUPTED


def train(arguments: argparse.Namespace) -> int:
    """Train, export, plot."""
    _wait_passively()
    return training_commands.run(arguments)


def _wait_passively() -> None:
    """OpenMP's threads spin while they wait: on two busy cores that made denoising steps 10 to 20 times slower."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _complain(message: str, code: int) -> int:
    print(f"dg-engine: {message}", file=sys.stderr)
    return code


def _exit_quietly(_: int, __: FrameType | None) -> NoReturn:
    # uvicorn raises the signal again once it has shut down: this makes an orderly exit of it.
    raise SystemExit(DONE)


def _loader(model: str | None, device: str, dtype: str) -> Callable[[Callable[[float], None]], Model]:
    def load_model(progress: Callable[[float], None]) -> Model:
        from engine.weights.hub import resolve

        folder = resolve(model) if model else None
        from engine import load  # only now: this imports torch

        loaded = load(folder, device=device, dtype=dtype, progress=progress)
        _run_fill(loaded, FillRequest(prefix="x = ", max_steps=2))  # the first fill sets kernels up
        return loaded

    return load_model


def _run_fill(model: Any, request: FillRequest, **hooks: Any) -> FillResult:
    from engine.infill import run

    return run(model, request, **hooks)


def _count_tokens(model: Any, text: str) -> int:
    return len(model.tokens.tokenizer.encode(text).ids)


if __name__ == "__main__":
    sys.exit(main())
