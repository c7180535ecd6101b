"""What the commands of `dg-engine` share: exit codes, complaints, how threads wait."""

from __future__ import annotations

import os
import sys

DONE, BAD_INPUT, UNAVAILABLE, INTERRUPTED = 0, 2, 3, 130


def complain(message: str, code: int) -> int:
    """Print one line on stderr; returns the exit code."""
    print(f"dg-engine: {message}", file=sys.stderr)
    return code


def wait_passively() -> None:
    """OpenMP's threads spin while they wait: on two busy cores that made denoising steps 10 to 20 times slower.

    A short spin stays, for waking a thread costs more than most operations of one token.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "20000")
