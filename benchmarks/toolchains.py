"""Runs a filled file with its test: Python in the engine's sandbox, other languages by their own tools.

What is compiled is run in a temporary folder with a time limit, and is not confined otherwise.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from engine.evaluation import sandbox

_PATIENCE_S = 60.0  # for compiling too, on a busy machine
_ESBUILD = Path(__file__).parents[1] / "editors/vscode/node_modules/.bin/esbuild"
_BESIDE = {"go": "main.go", "java": "Main.java"}  # the test is a file of its own, else it stands behind the code
_PROGRAM = ("./program",)

Commands = Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a test ended, and why in one line; `passed` is None where the language's tools are missing."""

    passed: bool | None
    reason: str


def run(language: str, name: str, text: str, test: str) -> Outcome:
    """Run a file's text with its test."""
    if language == "python":
        ended = sandbox.run(f"{text}\n{test}", timeout_s=10.0)
        return Outcome(ended.passed, ended.reason)
    needed, commands = _TOOLS[language]
    if missing := [tool for tool in needed() if not _usable(tool)]:
        return Outcome(None, f"{missing[0]} is not installed")
    with TemporaryDirectory(prefix="dg-function-") as folder:
        beside = _BESIDE.get(language)
        (Path(folder) / name).write_text(text if beside else f"{text}\n{test}", "utf-8")
        if beside:
            (Path(folder) / beside).write_text(test, "utf-8")
        for command in commands(name):
            if failure := _failure(command, folder):
                return Outcome(False, failure)
    return Outcome(True, "passed")


@cache
def _usable(tool: str) -> bool:
    """True when a tool is there and runs: `rustc` may be rustup's stand-in for a toolchain that is not installed."""
    if shutil.which(tool) is None:
        return False
    return tool != "rustc" or subprocess.run([tool, "--version"], capture_output=True, check=False).returncode == 0


def _failure(command: Sequence[str], folder: str) -> str:
    """The first line that says why a command failed; "" when it did not."""
    environment = {**os.environ, "GO111MODULE": "off"}
    output = Path(folder) / "output.txt"  # a pipe could be kept open by a program's children
    with output.open("wb") as out:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=out,
            stderr=out,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            status = process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            return f"{command[0]} timed out after {_PATIENCE_S:g} s"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if status == 0:
        return ""
    lines = output.read_text("utf-8", "replace").splitlines()
    told = next((line for line in lines if re.search("error|panic|exception", line, re.IGNORECASE)), "")
    return told.strip() or f"{Path(command[0]).name} ended with status {status}"


@cache
def _node_version() -> tuple[int, ...]:
    try:
        said = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False).stdout
    except OSError:
        return (0,)
    return tuple(int(number) for number in re.findall(r"\d+", said)) or (0,)


def _typescript(name: str) -> Commands:
    """Without the types: by node where it does that itself, else by the esbuild of the VS Code extension."""
    if _node_version() >= (22, 6):
        return [["node", "--experimental-strip-types", "--no-warnings", name]]
    return [[str(_ESBUILD), name, "--format=cjs", "--outfile=program.js", "--log-level=error"], ["node", "program.js"]]


def _typescript_tools() -> list[str]:
    return ["node"] if _node_version() >= (22, 6) else ["node", str(_ESBUILD)]


_TOOLS: dict[str, tuple[Callable[[], list[str]], Callable[[str], Commands]]] = {
    "javascript": (lambda: ["node"], lambda name: [["node", name]]),
    "typescript": (_typescript_tools, _typescript),
    "go": (lambda: ["go"], lambda name: [["go", "run", name, _BESIDE["go"]]]),
    "rust": (
        lambda: ["rustc"],
        lambda name: [["rustc", "--edition=2021", "-Awarnings", "-o", "program", name], _PROGRAM],
    ),
    "c": (lambda: ["cc"], lambda name: [["cc", "-std=c11", "-Werror=return-type", "-o", "program", name], _PROGRAM]),
    "cpp": (
        lambda: ["c++"],
        lambda name: [["c++", "-std=c++17", "-Werror=return-type", "-o", "program", name], _PROGRAM],
    ),
    "java": (lambda: ["javac", "java"], lambda name: [["javac", name, _BESIDE["java"]], ["java", "-cp", ".", "Main"]]),
}
