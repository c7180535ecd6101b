"""Generated code is run here and nowhere else: `run` says whether a program came to its end.

Each program gets a fresh interpreter, which confines itself before it compiles the program; `confined.py` says from
what the program is kept. Where the kernel cannot do that nothing is run, and `EvaluationError` says so.
"""

from __future__ import annotations

import math
import os
import platform
import secrets
import select
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass

from engine.evaluation import confined
from engine.evaluation.tasks import EvaluationError

_ELSEWHERE = (
    "run the evaluation on Linux 5.13 or newer with Landlock and seccomp, x86-64 or arm64, or in such a container"
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a program ended; `reason` is one line: "passed", "AssertionError: …", "timed out after 3 s", …"""

    passed: bool
    reason: str


def run(program: str, *, timeout_s: float = 3.0, memory_mb: int = 512) -> Outcome:
    """Run a program; it passes when it comes to its end. Raises `EvaluationError` where it cannot be confined."""
    if sys.platform != "linux" or platform.machine() not in confined.MACHINES:
        raise EvaluationError(f"generated code cannot be confined on this system: {_ELSEWHERE}")
    token = secrets.token_hex(confined.TOKEN_BYTES // 2).encode()
    # -B also because __pycache__ could not be written; -I -S: no site-packages, no environment, no current folder.
    limits = (math.ceil(timeout_s) + 1, memory_mb, os.getpid())
    command = [sys.executable, "-I", "-S", "-B", confined.__file__, *map(str, limits)]
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as report:  # a pipe could be flooded, a file not
        given.write(token + program.encode(errors="surrogatepass"))
        given.seek(0)
        process = subprocess.Popen(
            command, stdin=given, stdout=report, stderr=subprocess.DEVNULL, env={}, cwd="/", start_new_session=True
        )
        try:
            in_time = _wait(process.pid, timeout_s)
        finally:
            process.kill()
            status = process.wait()
        report.seek(0)
        said = report.read()
    return _outcome(said, token, status) if in_time else Outcome(False, f"timed out after {timeout_s:g} s")


def _wait(pid: int, timeout_s: float) -> bool:
    """Whether the process ends in time. `Popen.wait` would look only every 50 ms."""
    process = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(process, select.POLLIN)
        return bool(poll.poll(timeout_s * 1000))
    finally:
        os.close(process)


def _outcome(said: bytes, token: bytes, status: int) -> Outcome:
    verdict = said[len(token) : len(token) + 1]
    reason = said[len(token) + 1 :].decode(errors="replace")
    if not said.startswith(token):
        early = f"killed: {signal.Signals(-status).name}" if status < 0 else f"ended early with exit code {status}"
        return Outcome(False, early)
    if verdict == confined.REFUSED:
        raise EvaluationError(f"generated code cannot be confined here ({reason}): {_ELSEWHERE}")
    return Outcome(True, "passed") if verdict == confined.PASSED else Outcome(False, reason)
