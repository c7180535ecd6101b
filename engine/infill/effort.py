"""How much is tried for one fill: a large model is asked for less."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.protocol import Source

SUFFIX_CHARACTERS = 40  # of the suffix, that the choice between candidates looks at


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """Bounds of one fill.

    Of each source so many `scored` candidates are compared (None: all); so many of the best, `scored_twice`, behind
    the prefix alone as well as behind the infilling prompt.
    """

    scored: Mapping[Source, int] | None = None
    scored_twice: int = 0


SMALL_MODEL = Effort()
LARGE_MODEL = Effort(scored={"denoised": 4, "causal": 8, "copied": 4}, scored_twice=6)
