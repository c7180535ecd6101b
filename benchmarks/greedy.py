"""The networks alone: both continue the same texts greedily, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from types import TracebackType
from typing import Any

from engine.evaluation.bench import BenchError

NEW_TOKENS = 48


@dataclass(frozen=True, slots=True)
class Continued:
    """A text that was encoded from nothing, and then continued by `NEW_TOKENS` tokens one by one."""

    prompt_tokens: int
    prefill_ms: float
    token_ms: float
    ids: list[int]


class Worker:
    """One system's process. `version` names what computes there."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        self.name = name
        self._process = subprocess.Popen(
            command, env=os.environ | environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        try:
            self.version = str(self._message()["version"])
        except BaseException:
            self.end()
            raise

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.end()

    def continued(self, text: str) -> Continued:
        """Encode `text` and continue it."""
        assert self._process.stdin
        print(json.dumps({"text": text, "new_tokens": NEW_TOKENS}), file=self._process.stdin, flush=True)
        return Continued(**self._message())

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()

    def _message(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise BenchError(f"{self.name} stopped: its own message stands above")
        message: dict[str, Any] = json.loads(line)
        return message


def our_worker(gguf: Path, threads: int) -> Worker:
    """dg-engine's network. Its threads wait as in `dg-engine serve`."""
    environment = {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE"}
    return Worker("dg-engine", [sys.executable, "-m", "benchmarks.greedy_ours", str(gguf)], environment)


def llama_worker(python: Path, gguf: Path, threads: int) -> Worker:
    """llama.cpp's network."""
    # Isolated, for beside the script stands a module with the library's name.
    script = Path(__file__).with_name("greedy_llama.py")
    return Worker("llama.cpp", [str(python), "-I", str(script), str(gguf), str(threads)], {})


def agreement(ours: Continued, theirs: Continued) -> int:
    """How many tokens both generated alike before the first that differs.

    Raises `BenchError` when the prompts have different lengths: then the works are not the same.
    """
    if ours.prompt_tokens != theirs.prompt_tokens:
        raise BenchError(
            f"the prompt has {ours.prompt_tokens} tokens for dg-engine, {theirs.prompt_tokens} for llama.cpp; "
            "nothing to compare"
        )
    return len(list(takewhile(lambda pair: pair[0] == pair[1], zip(ours.ids, theirs.ids, strict=True))))
