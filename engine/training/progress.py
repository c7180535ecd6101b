"""How training is going: a line that is rewritten on a terminal, and log.jsonl."""

from __future__ import annotations

import json
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

_EVERY_S = 0.5


def forget_after(log: Path, step: int) -> None:
    """Drop a log's lines of steps that will be done again, and a last line cut off."""
    if log.exists():
        text = log.read_text("utf-8")
        kept = [line for line in text.splitlines(keepends=True) if line.endswith("\n")]
        kept = [line for line in kept if json.loads(line)["step"] <= step]
        fresh = log.with_suffix(".new")
        fresh.write_text("".join(kept), "utf-8")
        fresh.replace(log)


class Progress:
    """The progress line and the log of one run."""

    def __init__(self, log: Path, name: str, steps: int, tokens: int) -> None:
        """`tokens`: of text in a step."""
        self.log, self.name, self.steps, self.tokens = log, name, steps, tokens
        self.terminal = sys.stderr.isatty()
        self.losses, self.drawn = "", 0.0
        self.begun: tuple[float, int] | None = None  # when which step began; the first steps compile and are left out
        self.reported = time.monotonic()

    def step(self, step: int) -> None:
        """Show that `step` steps are done."""
        now = time.monotonic()
        if self.begun is None:
            self.begun = now, step
        elif self.terminal and now - self.drawn > _EVERY_S:
            self.drawn = now
            each = (now - self.begun[0]) / (step - self.begun[1])
            left = timedelta(seconds=round(each * (self.steps - step)))
            rate = f"{self.tokens / each:,.0f} tokens/s"
            self._show(f"{self.name}: step {step:,} of {self.steps:,}  {self.losses}  {rate}  {left} left")

    def report(self, step: int, count: int, losses: dict[str, list[float]]) -> None:
        """Log the losses [value, share right] over the last `count` steps."""
        now = time.monotonic()
        line: dict[str, Any] = {"step": step, "of": self.steps, "s_per_step": round((now - self.reported) / count, 4)}
        line |= losses
        self.reported = now
        with self.log.open("a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")
        self.losses = "  ".join(f"{name} {value:.3f} ({right:.0%})" for name, (value, right) in losses.items())
        if not self.terminal:
            print(json.dumps(line), file=sys.stderr, flush=True)

    def say(self, text: str) -> None:
        """A line that stays."""
        self._show(text)
        print(file=sys.stderr, flush=True)

    def _show(self, text: str) -> None:
        start, end = ("\r", "\033[K") if self.terminal else ("", "")
        print(f"{start}{text}{end}", end="", file=sys.stderr, flush=True)
