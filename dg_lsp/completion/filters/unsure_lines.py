"""Lines of which the model was not sure."""

from __future__ import annotations

from itertools import zip_longest

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


def sure_start(candidate: Candidate, most: int) -> str:
    """The middle up to its first line that is not sure enough, and at most so many lines with code.

    The first line with code stays: of that one the confidence of the whole answer tells.
    """
    lines, kept, with_code = candidate.middle.split("\n"), 0, 0
    for line, sure in zip_longest(lines, candidate.line_confidence[: len(lines)], fillvalue=1.0):
        if with_code == most or (with_code and sure < LEAST):
            break
        kept, with_code = kept + 1, with_code + bool(str(line).strip())
    return "\n".join(lines[:kept])
