"""How sure the engine is of an answer: a confidence that means the share of such answers that are right."""

from __future__ import annotations

import math
from dataclasses import dataclass

_FARTHEST = 12.0  # of a logit from zero


@dataclass(frozen=True, slots=True)
class Calibration:
    """A logistic regression, fitted by `engine.training.calibrate` for one checkpoint and kept in its config.json.

    `threshold` is the least confidence of an answer to an automatic request.
    """

    bias: float
    posterior: float
    likelihood: float
    agreement: float
    length: float
    line_end: float
    lines: float
    threshold: float

    def confidence(self, features: Features) -> float:
        """In [0, 1]."""
        weights = (self.posterior, self.likelihood, self.agreement, self.length, self.line_end, self.lines)
        z = self.bias + sum(w * x for w, x in zip(weights, features.values, strict=True))
        return 1 / (1 + math.exp(-max(-_FARTHEST, min(_FARTHEST, z))))


@dataclass(frozen=True, slots=True)
class Features:
    """What tells right answers from wrong ones.

    `share` is the answer's part of the probability of all candidates, `mean` its probability per token together with
    the start of the suffix, `sources` how many kinds of drafts came to it, `line_end` whether nothing stands behind the
    gap on its line: then the answer has to find its end by itself.
    """

    share: float
    mean: float
    sources: int
    text: str
    line_end: bool

    @property
    def values(self) -> tuple[float, ...]:
        share = min(max(self.share, 1e-9), 1 - 1e-6)
        return (
            math.log(share / (1 - share)),
            math.log(max(self.mean, 1e-9)),
            float(self.sources - 1),
            math.log(max(len(self.text), 1)),
            float(self.line_end),
            math.log1p(self.text.count("\n")),
        )
