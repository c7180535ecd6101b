"""Last lines of which the model was not sure."""

from __future__ import annotations

from engine.protocol import Candidate

LEAST = 0.8
"""Mean probability of a line's tokens. See docs/evaluation.md for how often lines above and below it are right."""


def unsure_lines(candidate: Candidate) -> str:
    """The middle up to its last line that is sure enough; the first line stays, for it is the best there is."""
    lines, sure = candidate.middle.split("\n"), candidate.line_confidence
    kept = min(len(lines), len(sure)) or len(lines)
    while 1 < kept <= len(sure) and sure[kept - 1] < LEAST:
        kept -= 1
    return "\n".join(lines[:kept])
