"""The engine's process as others find it: its folder, lock, socket and log. One process per user and machine."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import logging.handlers
import os
import signal
import socket
import stat
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from engine.protocol import Health, from_json, log_path, runtime_folder, socket_path

_SOCKET_PATH_BYTES = 107  # sockaddr_un's sun_path, without its final zero
_LOG_BYTES = 1_000_000
_PATIENCE_SECONDS = 10.0


class Unavailable(Exception):
    """The engine cannot run or be reached here; one line that says what to do."""


def claim(model: str) -> int | None:
    """Make this process the engine, for a model: the descriptor of the lock, or None when a running engine has it.

    From then on it logs. Raises `Unavailable`.
    """
    folder = _prepare_folder()
    try:
        lock = os.open(_lock_path(), os.O_RDWR | os.O_CREAT, 0o600)
        if not _take(lock, model):
            return None
        _start_logging()
    except OSError as error:
        raise _unusable(folder, error) from None
    return lock


def listen() -> socket.socket:
    """The socket for others to reach the engine by; call it with the lock in hand."""
    path = socket_path()
    path.unlink(missing_ok=True)  # left by an engine that died: we hold the lock
    listener = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    listener.bind(str(path))
    os.umask(before)
    listener.listen()
    return listener


def is_found(lock: int) -> bool:
    """False when others cannot find this engine: the runtime folder was deleted, and maybe made anew by another one."""
    return _is_in_place(lock) and socket_path().exists()


def release(lock: int) -> None:
    """Take back what `claim` and `listen` made, except the log; the lock itself goes with the process."""
    if _is_in_place(lock):  # else the socket there is another engine's
        socket_path().unlink(missing_ok=True)
    os.ftruncate(lock, 0)


def _is_in_place(lock: int) -> bool:
    try:
        return os.path.samestat(os.fstat(lock), os.stat(_lock_path()))
    except OSError:
        return False


def running() -> bool:
    """Whether an engine has the lock."""
    try:
        lock = os.open(_lock_path(), os.O_RDWR)
    except OSError:
        return False
    try:
        return not _take_now(lock)
    finally:
        os.close(lock)


def running_pid() -> int | None:
    """The pid in the lock file, to be trusted while an engine is `running`; None when there is none."""
    try:
        return int(_lock_path().read_text("utf-8").partition("\n")[0])
    except (OSError, ValueError):
        return None


def running_model() -> str | None:
    """The model in the lock file, as `claim` got it; None when there is none."""
    try:
        return _lock_path().read_text("utf-8").partition("\n")[2] or None
    except (OSError, ValueError):
        return None


def ask_health() -> Health | None:
    """How the running engine is; None when none answers."""
    import httpx

    try:
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(socket_path())), timeout=_PATIENCE_SECONDS) as client:
            return from_json(Health, client.get("http://engine/health").json())
    except (httpx.HTTPError, ValueError):
        return None


def end() -> bool:
    """End the running engine and wait until it is gone; False when none runs. Raises `Unavailable`."""
    if not running():
        return False
    pid = running_pid()
    if pid is None:
        raise Unavailable("the engine is just starting or stopping: try again")
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while running() or _alive(pid):  # the lock goes a moment before the process
        if time.monotonic() > deadline:
            raise Unavailable(f"the engine did not end within {_PATIENCE_SECONDS:.0f} s: run kill -9 {pid}")
        time.sleep(0.05)
    return True


def _alive(pid: int) -> bool:
    """False for a process that is gone, or that has ended and whose parent did not look yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


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


def _lock_path() -> Path:
    return runtime_folder() / "engine.lock"


def _take(lock: int, model: str) -> bool:
    """Take the lock and write our pid and model into it; False when a running engine has it.

    A holder that does not answer is starting, stopping or being asked after, so it is waited for.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not _take_now(lock):
        if _answers(socket_path()):
            return False
        if time.monotonic() > deadline:
            raise Unavailable(f"an engine that does not answer is running (pid {running_pid()}): dg-engine stop")
        time.sleep(0.05)
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n{model}".encode(), 0)
    return True


def _take_now(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


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
    logging.getLogger("engine").setLevel(logging.INFO)
