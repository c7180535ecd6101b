"""What generated code cannot do. Each escape is a program that comes to its end only where it succeeds.

The harmless ones are also run without the sandbox, where they must succeed: a test that cannot fail shows nothing.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.evaluation import confined, sandbox
from engine.evaluation.tasks import EvaluationError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="generated code is run on Linux only")
MARK = 100_000 + os.getpid()  # as memory_mb: by this the processes of these tests are known from others
REFUSED = re.compile(r"PermissionError|RuntimeError: can't start new thread|AssertionError: refused")


@pytest.fixture(autouse=True, scope="module")
def _confinement() -> None:
    """Where this machine cannot confine, `run` refuses, and there is nothing to try here."""
    try:
        sandbox.run("")
    except EvaluationError as error:
        pytest.skip(str(error))


@pytest.fixture
def listeners(tmp_path: Path) -> Iterator[dict[str, object]]:
    """A TCP port, a UDP port and a unix socket that would answer, a secret file, and this process."""
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(type=socket.SOCK_DGRAM) as udp,
        socket.socket(socket.AF_UNIX) as unix,
    ):
        udp.bind(("127.0.0.1", 0))
        unix.bind(str(tmp_path / "engine.sock"))
        unix.listen()
        (tmp_path / "secret").write_text("secret")
        yield {
            "tcp": tcp.getsockname(),
            "udp": udp.getsockname(),
            "folder": str(tmp_path),
            "parent": os.getpid(),
            "home": str(Path.home()),
        }


ESCAPES = {
    "TCP": "import socket; socket.create_connection({tcp})",
    "UDP": "import socket; assert socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', {udp})",
    "the engine's socket": "import socket; socket.socket(socket.AF_UNIX).connect({folder!r} + '/engine.sock')",
    "read the users": "open('/etc/passwd').read()",
    "read a file": "open({folder!r} + '/secret').read()",
    "list a folder": "import os; os.listdir({folder!r})",
    "list the home": "import os; os.listdir({home!r})",
    "write a file": "open({folder!r} + '/new', 'w').write('x')",
    "write where the cwd is": "open('new-file-of-a-test', 'w')",
    "cut a file through a reader": (
        "import os; os.open({folder!r} + '/secret', os.O_RDONLY | os.O_TRUNC); open({folder!r} + '/secret')"
    ),
    "remove a file": "import os; os.remove({folder!r} + '/secret')",
    "rename a file": "import os; os.rename({folder!r} + '/secret', {folder!r} + '/new')",
    "change a mode": "import os; os.chmod({folder!r} + '/secret', 0o777)",
    "make a folder": "import os; os.mkdir({folder!r} + '/folder')",
    "memory behind a file": "import os; os.write(os.memfd_create('x'), b'x')",
    "fork": "import os; os.fork() or os._exit(0)",
    "a program": "import subprocess; subprocess.run(['/bin/true'], check=True)",
    "a thread": "import threading; threading.Thread(target=print).start()",
    "signal the parent": "import os; os.kill({parent}, 0)",
    "ptrace": "import ctypes; assert ctypes.CDLL(None).ptrace(0, 0, 0, 0) == 0, 'refused'",
    "raise a limit": "import resource as r; r.setrlimit(r.RLIMIT_CORE, (0, r.getrlimit(r.RLIMIT_CORE)[1]))",
    "other processes": "open('/proc/{parent}/cmdline').read()",
    "the environment": "import os; assert 'PATH' in os.environ, 'refused'",
    "the environment in /proc": "open('/proc/self/environ').read()",
    "a namespace": "import ctypes; assert ctypes.CDLL(None).unshare(0x10000000) == 0, 'refused'",
}


@pytest.mark.parametrize("escape", ESCAPES)
def test_no_escape_succeeds_inside_and_each_does_outside(
    escape: str, listeners: dict[str, object], tmp_path: Path
) -> None:
    program = ESCAPES[escape].format_map(listeners)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}

    outcome = sandbox.run(program)

    assert not outcome.passed
    assert REFUSED.match(outcome.reason), outcome.reason
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before
    if escape != "a namespace":  # not every machine lets everybody have one
        outside = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path)
        assert outside.returncode == 0, outside.stderr


FAKES = {
    "exit": "import os; os._exit(0)",
    "sys.exit": "import sys; sys.exit(0)",
    "raise SystemExit": "raise SystemExit",
    "print": "print('+passed', flush=True); import os; os._exit(0)",
    "write to every file": (
        "import os\nfor n in range(64):\n  try: os.write(n, b'+' * 64)\n  except OSError: pass\nos._exit(0)"
    ),
    "an exception of that name": "class passed(BaseException): pass\nraise passed",
    "an exception that lies": "class E(Exception):\n  def __str__(self): return '+\\n+passed'\nraise E",
    "a thread of the interpreter": "import _thread; _thread.interrupt_main()\nwhile True: pass",
    "a crash": "import ctypes; ctypes.string_at(0)",
    "no program": "def f(:",
    "null": "x = '\0'",
    "no text": "x = '\ud800'",
}


@pytest.mark.parametrize("fake", FAKES)
def test_a_program_that_does_not_come_to_its_end_does_not_pass(fake: str) -> None:
    outcome = sandbox.run(FAKES[fake] + "\nassert False")
    assert not outcome.passed
    assert outcome.reason
    assert "\n" not in outcome.reason


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("assert 1 + 1 == 2", "passed"),
        ("if __name__ == '__main__':\n    raise ValueError", "passed"),
        ("assert 1 + 1 == 3", "AssertionError"),
        ("assert False, 'two\\nlines'", "AssertionError: two lines"),
        ("def f(n): return f(n)\nf(1)", "RecursionError: maximum recursion depth exceeded"),
        ("import os; os._exit(0)", "ended early with exit code 0"),
        ("import ctypes; ctypes.string_at(0)", "killed: SIGSEGV"),
        ("x = bytearray(1 << 30)", "out of memory"),
        ("x = []\nwhile True: x.append(bytes(1 << 20))", "out of memory"),
    ],
)
def test_the_reason_is_one_line(program: str, reason: str) -> None:
    assert sandbox.run(program) == sandbox.Outcome(reason == "passed", reason)


def test_the_standard_library_is_there() -> None:
    modules = (
        "bisect collections ctypes datetime decimal fractions functools hashlib heapq itertools json math random re"
    )
    program = f"import {', '.join(modules.split())}, statistics, string, typing\nassert hashlib.sha256(b'').hexdigest()"
    assert sandbox.run(program).reason == "passed"


@pytest.mark.parametrize(
    "program",
    [
        "while True: pass",
        "import time\nwhile True: time.sleep(60)",
        "import signal, time\nfor s in (15, 2, 1): signal.signal(s, signal.SIG_IGN)\nwhile True: time.sleep(60)",
        "while True:\n  try:\n    while True: pass\n  except BaseException: pass",
        "import os\nwhile True:\n  try: os.fork()\n  except OSError: pass",
        "import os\nwhile True:\n  for n in range(64):\n    try: os.write(n, b'x' * 4096)\n    except OSError: pass",
    ],
)
def test_what_does_not_end_is_ended(program: str) -> None:
    before = time.monotonic()
    assert sandbox.run(program, timeout_s=0.5, memory_mb=MARK) == sandbox.Outcome(False, "timed out after 0.5 s")
    assert time.monotonic() - before < 5
    assert not _left_running()


def test_a_sleeping_program_ends_with_the_process_that_started_it() -> None:
    call = f"sandbox.run('import time; time.sleep(600)', timeout_s=60, memory_mb={MARK})"
    starter = subprocess.Popen([sys.executable, "-c", f"from engine.evaluation import sandbox; {call}"])
    _until(lambda: bool(_left_running()))
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    _until(lambda: not _left_running())


def test_nothing_is_run_when_the_starter_has_ended_already() -> None:
    """As when it is killed before the new process could ask to end with it."""
    token, not_the_starter = b"t" * confined.TOKEN_BYTES, "1"
    command = [sys.executable, "-I", "-S", confined.__file__, "4", "512", not_the_starter]
    ended = subprocess.run(command, input=token + b"pass", capture_output=True)
    assert ended.stdout == token + b"!the starter: has ended"


def test_nothing_is_run_where_the_machine_cannot_confine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(EvaluationError, match="or in such a container"):
        sandbox.run("")


def test_nothing_is_run_when_a_step_of_the_confinement_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a kernel without Landlock: its call is answered "Function not implemented"."""
    source = Path(confined.__file__).read_text()
    without = tmp_path / "confined.py"
    without.write_text(
        source.replace("_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446", "_CREATE_RULESET = 4444")
    )
    monkeypatch.setattr(confined, "__file__", str(without))
    with pytest.raises(EvaluationError, match=r"cannot be confined here \(Landlock: Function not implemented\): run"):
        sandbox.run("")


def _left_running() -> list[str]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (folder / "cmdline").read_bytes().decode().split("\0")
            state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if confined.__file__ in arguments and str(MARK) in arguments and state != "Z":
            found.append(folder.name)
    return found


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
