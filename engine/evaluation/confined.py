"""One program, run with nothing in reach but the interpreter's own libraries; `sandbox.py` starts this file.

Standard input holds the token and the program; `<token><verdict><reason>` goes to standard output, a small file.
Before the program is compiled this process loses, for good and in this order,

* more memory, processor time, open files and file size than it is granted (resource limits),
* every file but those in the interpreter's and the system's library folders, and these are for reading (Landlock),
* every system call that computing does not need (seccomp): no sockets, processes, threads, signals, ptrace, limits,
  nor files opened for writing. What is not named in `_ALLOWED` is refused.

One process that cannot start another is also all that has to be ended: nothing can outlive it. Names, sizes and dates
of files elsewhere can still be asked for (stat), their content and folder listings cannot.

The token shows that the program ran to its end: exiting early or printing shows nothing. A program bent on cheating
shares the interpreter with this file and can find the token in its frames; nobody writes such a program by accident.
"""

from __future__ import annotations

import ctypes
import os
import resource
import struct
import sys
import types
from typing import Final

TOKEN_BYTES: Final = 32
PASSED, FAILED, REFUSED = b"+", b"-", b"!"
OUT_OF_MEMORY = "out of memory"

_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
MACHINES: Final = tuple(_AUDIT_ARCH)
_OPENAT = {"x86_64": 257, "aarch64": 56}
_ALLOWED = {  # name: (x86_64, aarch64); None where the architecture has no such call
    "read": (0, 63),
    "write": (1, 64),
    "close": (3, 57),
    "stat": (4, None),
    "fstat": (5, 80),
    "lstat": (6, None),
    "newfstatat": (262, 79),
    "statx": (332, 291),
    "access": (21, None),
    "faccessat": (269, 48),
    "lseek": (8, 62),
    "pread64": (17, 67),
    "getdents64": (217, 61),
    "getcwd": (79, 17),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "munmap": (11, 215),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "brk": (12, 214),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132),
    "futex": (202, 98),
    "sched_yield": (24, 124),
    "nanosleep": (35, 101),
    "select": (23, None),  # of nothing: so Python 3.10 sleeps
    "pselect6": (270, 72),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115),
    "gettimeofday": (96, 169),
    "restart_syscall": (219, 128),
    "getrusage": (98, 165),
    "getpid": (39, 172),
    "gettid": (186, 178),
    "getrandom": (318, 278),
    "exit": (60, 93),
    "exit_group": (231, 94),
}
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # Landlock's calls, the same on all architectures
_ALL_FILE_ACCESS = (1 << 13) - 1  # all that Landlock's first version knows
_READ_FILE_AND_FOLDER = (1 << 2) | (1 << 3)
_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 22, 38
_FILTER_MODE = 2
_LOAD, _JUMP_IF_EQUAL, _JUMP_IF_SET, _RETURN = 0x20, 0x15, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _OPEN_FLAGS = 0, 4, 16 + 2 * 8  # offsets in struct seccomp_data
_ALLOW, _KILL, _NOT_PERMITTED = 0x7FFF0000, 0x80000000, 0x00050001
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_SIGKILL = 9

_libc = ctypes.CDLL(None, use_errno=True)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def limit_resources(cpu_s: int, memory_bytes: int) -> None:
    """Set the limits; where the process has a lower one already, that stays."""
    limits = {
        resource.RLIMIT_AS: memory_bytes,
        resource.RLIMIT_CPU: cpu_s,
        resource.RLIMIT_FSIZE: 1 << 16,
        resource.RLIMIT_NOFILE: 64,
        resource.RLIMIT_CORE: 0,
    }
    for kind, wanted in limits.items():
        hard = resource.getrlimit(kind)[1]
        value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(kind, (value, value))


def restrict_files() -> None:
    """Leave the library folders for reading and nothing else. Raises `OSError`."""
    ruleset = _call("Landlock", _CREATE_RULESET, struct.pack("Q", _ALL_FILE_ACCESS), 8, 0)
    for folder in {os.path.dirname(os.__file__), f"{sys.base_prefix}/lib", "/usr/lib", "/usr/lib64", "/lib", "/lib64"}:
        if os.path.isdir(folder):
            opened = os.open(folder, os.O_PATH | os.O_CLOEXEC)
            _call("Landlock", _ADD_RULE, ruleset, 1, struct.pack("=Qi", _READ_FILE_AND_FOLDER, opened), 0)
            os.close(opened)
    _call("Landlock", _RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def restrict_calls() -> None:
    """Refuse every system call that `_ALLOWED` does not name. Raises `OSError`."""
    machine = os.uname().machine
    column = MACHINES.index(machine)
    code = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_JUMP_IF_EQUAL, 1, 0, _AUDIT_ARCH[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_JUMP_IF_EQUAL, 0, 4, _OPENAT[machine]),
        (_LOAD, 0, 0, _OPEN_FLAGS),
        (_JUMP_IF_SET, 0, 1, _WRITING),
        (_RETURN, 0, 0, _NOT_PERMITTED),
        (_RETURN, 0, 0, _ALLOW),
    ]
    for numbers in _ALLOWED.values():
        number = numbers[column]
        if number is not None:
            code += [(_JUMP_IF_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ALLOW)]
    code.append((_RETURN, 0, 0, _NOT_PERMITTED))
    packed = b"".join(struct.pack("HBBI", *line) for line in code)
    _prctl("seccomp", _PR_SET_SECCOMP, _FILTER_MODE, ctypes.byref(_Program(len(code), packed)))


def run(source: bytes) -> str | None:
    """Run the program as a module of its own; None when it came to its end, else why not."""
    module = types.ModuleType("program")
    sys.modules["program"] = module
    try:
        exec(compile(source, "program", "exec", dont_inherit=True), module.__dict__)
    except MemoryError:
        return OUT_OF_MEMORY
    except BaseException as error:
        return _in_one_line(error)
    return None


def main() -> None:
    """Read, confine, run, report; end at once, whatever the program has left behind."""
    cpu_s, memory_mb, starter = map(int, sys.argv[1:])
    given = sys.stdin.buffer.read()
    token, source = given[:TOKEN_BYTES], given[TOKEN_BYTES:]
    report, write, leave = os.dup(1), os.write, os._exit
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    try:
        _prctl("prctl", _PR_SET_PDEATHSIG, _SIGKILL, 0)  # for a program that sleeps when its starter is killed
        if os.getppid() != starter:
            raise ProcessLookupError(0, "has ended", "the starter")
        _prctl("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0)
        limit_resources(cpu_s, memory_mb << 20)
        restrict_files()
        restrict_calls()
    except OSError as error:
        write(report, token + REFUSED + f"{error.filename}: {error.strerror}".encode())
        leave(1)
    failure = run(source)
    write(report, token + PASSED if failure is None else token + FAILED + failure.encode(errors="replace"))
    leave(0)


def _in_one_line(error: BaseException) -> str:
    name = type(error).__name__
    try:
        text = " ".join(str(error).split())
    except BaseException:
        text = ""
    return f"{name}: {text}"[:200] if text else name


def _call(what: str, *arguments: object) -> int:
    answer = int(_libc.syscall(*map(_long, arguments)))
    if answer < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), what)
    return answer


def _prctl(what: str, option: int, value: int, pointer: object) -> None:
    if _libc.prctl(option, _long(value), pointer if pointer else _long(0), _long(0), _long(0)) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), what)


def _long(value: object) -> object:
    """A variadic C function takes its integers as long."""
    return ctypes.c_long(value) if isinstance(value, int) else value


if __name__ == "__main__":
    main()
