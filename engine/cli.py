"""`dg-engine`: the resident engine's process. One per user and machine; torch is imported by its worker alone."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import fcntl
import json
import logging
import logging.handlers
import os
import signal
import socket
import stat
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from engine.protocol import (
    FillRequest,
    FillResult,
    Health,
    from_json,
    log_path,
    runtime_folder,
    socket_path,
    to_json,
)

if TYPE_CHECKING:
    from engine.resident import Model

DONE, BAD_INPUT, UNAVAILABLE = 0, 2, 3
_SOCKET_PATH_BYTES = 107  # sockaddr_un's sun_path, without its final zero
_LOG_BYTES = 1_000_000
_PATIENCE_SECONDS = 5.0

_log = logging.getLogger("engine")


class Unavailable(Exception):
    """The engine cannot run or be reached here; one line that says what to do."""


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
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dg-engine", description="The engine that fills gaps in code.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serving = commands.add_parser("serve", help="run the engine (the language server does this by itself)")
    serving.add_argument("--model", metavar="FOLDER|NAME[@REVISION]", help="default: the model that is shipped along")
    serving.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    serving.add_argument("--dtype", choices=("auto", "float32", "bfloat16"), default="auto")
    serving.add_argument("--idle-exit-minutes", type=float, default=30, metavar="N", help="0: never; default: 30")
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
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a whole number, at least 1")
    return int(text)


def serve(arguments: argparse.Namespace) -> int:
    """Run the engine until it is stopped or idle; nothing to do when one runs already."""
    folder = _prepare_folder()
    lock = _take_lock(folder)
    if lock is None:
        print(f"already running (pid {_lock_pid()})")
        return DONE
    try:
        _start_logging()
    except OSError as error:
        raise _unusable(folder, error) from None
    signal.signal(signal.SIGTERM, _exit_quietly)
    signal.signal(signal.SIGINT, _exit_quietly)
    path, name = socket_path(), arguments.model or "default"
    try:
        listener = _bind(path)
        from engine.resident import Resident
        from engine.service import serve_http

        load = _loader(arguments.model, arguments.device, arguments.dtype)
        resident = Resident(load, _run_fill, _count_tokens, name=name)
        _log.info("started: pid %d, model %s, socket %s", os.getpid(), name, path)
        resident.start()
        with contextlib.suppress(SystemExit):
            asyncio.run(serve_http(resident, listener, idle_seconds=arguments.idle_exit_minutes * 60))
        ended = resident.close(wait_seconds=1.0)
    finally:
        path.unlink(missing_ok=True)
        os.ftruncate(lock, 0)
        _log.info("stopped")
    if not ended:  # deep in a torch call, for which an orderly exit would wait
        os._exit(DONE)
    return DONE


def status(arguments: argparse.Namespace) -> int:
    """Print what the engine does."""
    health = _health()
    if health is None and not _locked():
        print(json.dumps({"state": "not running"}) if arguments.json else "not running")
        return UNAVAILABLE
    if health is None:
        state = {"state": "not answering", "pid": _lock_pid()}
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
    if not _locked():
        print("not running")
        return DONE
    pid = _lock_pid()
    if pid is None:
        raise Unavailable("the engine is just starting or stopping: try again")
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while _locked():
        if time.monotonic() > deadline:
            raise Unavailable(f"the engine did not end within {_PATIENCE_SECONDS:.0f} s: run kill -9 {pid}")
        time.sleep(0.05)
    print("stopped")
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


def _complain(message: str, code: int) -> int:
    print(f"dg-engine: {message}", file=sys.stderr)
    return code


def _exit_quietly(_: int, __: FrameType | None) -> NoReturn:
    # uvicorn raises the signal again once it has shut down: this makes an orderly exit of it.
    raise SystemExit(DONE)


def _health() -> Health | None:
    import httpx

    try:
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(socket_path())), timeout=_PATIENCE_SECONDS) as client:
            return from_json(Health, client.get("http://engine/health").json())
    except (httpx.HTTPError, ValueError):
        return None


def _prepare_folder() -> Path:
    """The runtime folder, made and checked. Raises `Unavailable`."""
    folder = runtime_folder()
    os.umask(0o077)  # all that is made here is the user's own
    if len(os.fsencode(socket_path())) > _SOCKET_PATH_BYTES:
        raise Unavailable(f"{socket_path()} is too long for a socket: set DG_RUNTIME_DIR to a shorter folder")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        owners, mode = {folder.stat().st_uid, folder.lstat().st_uid}, folder.stat().st_mode
    except OSError as error:
        raise _unusable(folder, error) from None
    if owners != {os.getuid()}:
        raise Unavailable(f"{folder} belongs to another user: set DG_RUNTIME_DIR to a folder of your own")
    if mode & stat.S_IWOTH:
        raise Unavailable(f"anyone may write to {folder}: run chmod 700 on it, or set DG_RUNTIME_DIR to another folder")
    return folder


def _unusable(folder: Path, error: OSError) -> Unavailable:
    return Unavailable(f"no write access to {folder} ({error.strerror}): set DG_RUNTIME_DIR to a folder of your own")


def _take_lock(folder: Path) -> int | None:
    """The descriptor that holds the lock with our pid in it; None when a running engine has it.

    A holder that does not answer is starting, stopping or being asked after, so it is waited for.
    """
    try:
        lock = os.open(folder / "engine.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise _unusable(folder, error) from None
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not _lock_now(lock):
        if _answers(socket_path()):
            return None
        if time.monotonic() > deadline:
            raise Unavailable(f"an engine that does not answer is running (pid {_lock_pid()}): dg-engine stop")
        time.sleep(0.05)
    os.ftruncate(lock, 0)
    os.pwrite(lock, str(os.getpid()).encode(), 0)
    return lock


def _lock_now(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lock_pid() -> int | None:
    """The pid in the lock file, to be trusted while the lock is held; None when there is none."""
    try:
        return int((runtime_folder() / "engine.lock").read_text())
    except (OSError, ValueError):
        return None


def _locked() -> bool:
    try:
        lock = os.open(runtime_folder() / "engine.lock", os.O_RDWR)
    except OSError:
        return False
    try:
        return not _lock_now(lock)
    finally:
        os.close(lock)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def _bind(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)  # left by an engine that died: we hold the lock
    listener = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    listener.bind(str(path))
    os.umask(before)
    listener.listen()
    return listener


class DiscreetFormatter(logging.Formatter):
    """Writes where an exception came from, not its text, which may quote the user's code."""

    def formatException(self, ei: Any) -> str:
        frames = traceback.extract_tb(ei[2])
        lines = [f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]
        return "\n".join([*lines, f"  {ei[0].__name__}"])


def _start_logging() -> None:
    file = logging.handlers.RotatingFileHandler(log_path(), maxBytes=_LOG_BYTES, backupCount=1, encoding="utf-8")
    handlers: list[logging.Handler] = [file]
    if sys.stderr.isatty():
        handlers.append(logging.StreamHandler())
    for handler in handlers:
        handler.setFormatter(DiscreetFormatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=handlers)
    _log.setLevel(logging.INFO)


def _loader(model: str | None, device: str, dtype: str) -> Callable[[Callable[[float], None]], Model]:
    def load_model(progress: Callable[[float], None]) -> Model:
        from engine.weights.hub import resolve

        folder = resolve(model) if model else None
        from engine import load  # only now: this imports torch

        return load(folder, device=device, dtype=dtype, progress=progress)

    return load_model


def _run_fill(model: Any, request: FillRequest, **hooks: Any) -> FillResult:
    from engine.infill import run

    return run(model, request, **hooks)


def _count_tokens(model: Any, text: str) -> int:
    return len(model.tokens.tokenizer.encode(text).ids)


if __name__ == "__main__":
    sys.exit(main())
