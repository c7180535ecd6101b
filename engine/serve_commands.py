"""`dg-engine serve`, `status` and `stop`: the resident engine's process. torch is imported by its worker alone."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import json
import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from engine import process
from engine.commands import DONE, UNAVAILABLE, complain, wait_passively
from engine.process import Unavailable
from engine.protocol import TOKEN_VARIABLE, FillRequest, FillResult, socket_path, to_json
from engine.weights import catalogue

if TYPE_CHECKING:
    from engine.resident import Model

MODEL_VARIABLE = "DG_MODEL"

_log = logging.getLogger("engine")


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the three commands to the parser of `dg-engine`."""
    serving = commands.add_parser("serve", help="run the engine (the language server does this by itself)")
    serving.add_argument(
        "--model",
        metavar="NAME|FOLDER|FILE.gguf|OWNER/NAME[@REVISION]",
        help=f"default: {MODEL_VARIABLE}, else the best downloaded model that fits this machine",
    )
    serving.add_argument("--replace", action="store_true", help="end an engine that runs another model")
    serving.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    serving.add_argument("--dtype", choices=("auto", "int8", "float32", "bfloat16"), default="auto")
    serving.add_argument("--idle-exit-minutes", type=float, default=30, metavar="N", help="0: never; default: 30")
    serving.add_argument(
        "--listen",
        type=_address,
        metavar="HOST:PORT",
        help=f"also serve there; with {TOKEN_VARIABLE} set, callers must know that token",
    )
    serving.set_defaults(command=serve)

    asking = commands.add_parser("status", help="say what the engine does; exit code 3 when it is of no use")
    asking.add_argument("--json", action="store_true", help="for machines")
    asking.set_defaults(command=status)

    commands.add_parser("stop", help="end the engine and free its memory").set_defaults(command=stop)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise argparse.ArgumentTypeError("must be HOST:PORT, for instance 127.0.0.1:8765")
    return host.strip("[]"), int(port)


def serve(arguments: argparse.Namespace) -> int:
    """Run the engine until it is stopped or idle; nothing to do when one runs this model already."""
    wanted = arguments.model or os.environ.get(MODEL_VARIABLE)
    model = _full_name(wanted) if wanted else catalogue.best_model(arguments.device)
    lock = process.claim(model)
    if lock is None and wanted and process.running_model() != model:
        if not arguments.replace:
            other = f"{process.running_model()} (pid {process.running_pid()})"
            raise Unavailable(f"the engine runs {other}: add --replace to end it and run {model} instead")
        process.end()
        lock = process.claim(model)
    if lock is None:
        print(f"already running (pid {process.running_pid()})")
        if arguments.listen:
            raise Unavailable("to let it listen, end it by `dg-engine stop` and start it again")
        return DONE
    return _serve(lock, model, arguments)


def _full_name(model: str) -> str:
    """The name by which the same model is known in every folder."""
    path = Path(model).expanduser()
    return str(path.absolute()) if path.exists() and not catalogue.find(model) else model


def _serve(lock: int, model: str, arguments: argparse.Namespace) -> int:
    wait_passively()
    signal.signal(signal.SIGTERM, _exit_quietly)
    signal.signal(signal.SIGINT, _exit_quietly)
    try:
        from engine.network import listen_at
        from engine.resident import Resident
        from engine.service import serve_http

        listeners = [listen_at(*arguments.listen)] if arguments.listen else []
        # Those who reach it at its address need no runtime folder.
        is_found = (lambda: True) if listeners else functools.partial(process.is_found, lock)
        listeners.append(process.listen())

        load = _loader(model, arguments.device, arguments.dtype)
        resident = Resident(load, _run_fill, _count_tokens, name=model)
        _log.info("started: pid %d, model %s, socket %s", os.getpid(), model, socket_path())
        resident.start()
        with contextlib.suppress(SystemExit):
            idle_seconds = arguments.idle_exit_minutes * 60
            asyncio.run(serve_http(resident, listeners, idle_seconds=idle_seconds, is_found=is_found))
        ended = resident.close(wait_seconds=1.0)
    finally:
        process.release(lock)
        _log.info("stopped")
    health = resident.health()
    code = DONE
    if health.state == "error":
        code = complain(f"the model could not be loaded: {health.message}", UNAVAILABLE)
    if not ended:  # deep in a torch call, for which an orderly exit would wait
        os._exit(code)
    return code


def status(arguments: argparse.Namespace) -> int:
    """Print what the engine does."""
    health = process.ask_health()
    if health is None and not process.running():
        print(json.dumps({"state": "not running"}) if arguments.json else "not running")
        return UNAVAILABLE
    if health is None:
        state = {"state": "not answering", "pid": process.running_pid()}
        print(json.dumps(state) if arguments.json else f"starting, stopping or stuck (pid {state['pid']})")
        return DONE
    if arguments.json:
        print(json.dumps(to_json(health)))
    else:
        details = {
            "loading": f"{health.progress:.0%} of {health.model}",
            "ready": f"{health.model} on {health.device}",
            "error": health.message,
        }
        print(f"{health.state}: {details[health.state]} (pid {health.pid})")
    return UNAVAILABLE if health.state == "error" else DONE


def stop(_: argparse.Namespace) -> int:
    """End the engine and wait until it is gone."""
    print("stopped" if process.end() else "not running")
    return DONE


def _exit_quietly(_: int, __: FrameType | None) -> NoReturn:
    # uvicorn raises the signal again once it has shut down: this makes an orderly exit of it.
    raise SystemExit(DONE)


def _loader(model: str, device: catalogue.Device, dtype: str) -> Callable[[Callable[[float], None]], Model]:
    def load_model(progress: Callable[[float], None]) -> Model:
        entry = catalogue.find(model)
        if entry:
            catalogue.check_memory(entry, device)
        from engine.weights.hub import resolve

        path = None if model == catalogue.DEFAULT else resolve(model)
        from engine import load  # only now: this imports torch

        loaded = load(path, device=device, dtype=dtype, progress=progress)
        if entry:
            loaded.name = entry.name
        _run_fill(loaded, FillRequest(prefix="x = ", max_steps=2))  # the first fill sets kernels up
        return loaded

    return load_model


def _run_fill(model: Any, request: FillRequest, **hooks: Any) -> FillResult:
    from engine.infill import run

    return run(model, request, **hooks)


def _count_tokens(model: Any, text: str) -> int:
    return len(model.tokens.tokenizer.encode(text).ids)
