"""How sure the engine is of an answer: a confidence that means the share of such answers that are right."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Kind = Literal["inside", "arguments", "tail", "block"]
KINDS: tuple[Kind, ...] = ("inside", "arguments", "tail", "block")

_FARTHEST = 12.0  # of a logit from zero


def kind_of(single_line: bool, prefix: str, suffix: str) -> Kind:
    """What is asked for: whole lines, or what stands in parentheses, what is missing in a line, or its end."""
    if not single_line:
        return "block"
    if prefix.endswith("(") and suffix.startswith(")"):
        return "arguments"
    return "inside" if suffix.split("\n", 1)[0].strip() else "tail"


@dataclass(frozen=True, slots=True)
class Calibration:
    """A logistic regression, fitted by `engine.training.calibrate` for one checkpoint and kept in its config.json.

    `threshold` is the least confidence of an answer to an automatic request of a kind; None: it gets no answer.
    """

    bias: dict[Kind, float]
    posterior: float
    likelihood: float
    agreement: float
    length: float
    lines: float
    threshold: dict[Kind, float | None]

    def __post_init__(self) -> None:
        for name, values in (("bias", self.bias), ("threshold", self.threshold)):
            if not isinstance(values, dict) or values.keys() != set(KINDS):
                raise TypeError(f"calibration.{name} needs the keys {', '.join(KINDS)}")

    def confidence(self, features: Features) -> float:
        """In [0, 1]."""
        weights = (self.posterior, self.likelihood, self.agreement, self.length, self.lines)
        z = self.bias[features.kind] + sum(w * x for w, x in zip(weights, features.values, strict=True))
        return round(1 / (1 + math.exp(-max(-_FARTHEST, min(_FARTHEST, z)))), 4)

    def shows(self, features: Features) -> bool:
        """Whether an answer is sure enough for an automatic request."""
        threshold = self.threshold[features.kind]
        return threshold is not None and self.confidence(features) >= threshold


@dataclass(frozen=True, slots=True)
class Features:
    """What tells right answers from wrong ones.

    `share` is the answer's part of the probability of all candidates, `mean` its probability per token together with
    the start of the suffix, `sources` how many kinds of drafts came to it.
    """

    share: float
    mean: float
    sources: int
    text: str
    kind: Kind

    @property
    def values(self) -> tuple[float, ...]:
        share = min(max(self.share, 1e-9), 1 - 1e-6)
        return (
            math.log(share / (1 - share)),
            math.log(max(self.mean, 1e-9)),
            float(self.sources - 1),
            math.log(max(len(self.text), 1)),
            math.log1p(self.text.count("\n")),
        )
