"""How sure the engine is of an answer: a confidence that means the share of such answers that are right."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
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
        _check_kinds("calibration", bias=self.bias, threshold=self.threshold)

    def confidence(self, features: Features) -> float:
        """In [0, 1]."""
        weights = (self.posterior, self.likelihood, self.agreement, self.length, self.lines)
        z = self.bias[features.kind] + sum(w * x for w, x in zip(weights, features.values, strict=True))
        return _rounded(z)

    def shows(self, features: Features) -> bool:
        """Whether an answer is sure enough for an automatic request."""
        threshold = self.threshold[features.kind]
        return threshold is not None and self.confidence(features) >= threshold


@dataclass(frozen=True, slots=True)
class Sureness:
    """What makes a confidence of the chance that a middle begins so; fitted by `engine.training.sureness`.

    A model's own chances are nearly right by themselves: without a fit they are taken as they are. `threshold` is the
    least confidence of what is shown unasked.
    """

    bias: dict[Kind, float] = field(default_factory=lambda: dict.fromkeys(KINDS, 0.0))
    slope: float = 1.0
    threshold: float = 0.5

    def __post_init__(self) -> None:
        _check_kinds("sureness", bias=self.bias)
        if self.slope <= 0:
            raise TypeError("sureness.slope must be above 0")

    def confidence(self, chance: float, kind: Kind) -> float:
        """In [0, 1]; grows with the chance, in [0, 1]."""
        return _rounded(self.bias[kind] + self.slope * log_odds(chance))

    def least_chance(self, kind: Kind) -> float:
        """The chance from which on a beginning may be shown."""
        return 1 / (1 + math.exp(-(log_odds(self.threshold) - self.bias[kind]) / self.slope))


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
        return (
            log_odds(self.share),
            math.log(max(self.mean, 1e-9)),
            float(self.sources - 1),
            math.log(max(len(self.text), 1)),
            math.log1p(self.text.count("\n")),
        )


def log_odds(chance: float) -> float:
    """The logit of a chance in [0, 1]; finite."""
    chance = min(max(chance, 1e-9), 1 - 1e-6)
    return math.log(chance / (1 - chance))


def _rounded(z: float) -> float:
    """The chance of a logit, to four digits."""
    return round(1 / (1 + math.exp(-max(-_FARTHEST, min(_FARTHEST, z)))), 4)


def _check_kinds(name: str, **values: object) -> None:
    for key, value in values.items():
        if not isinstance(value, dict) or value.keys() != set(KINDS):
            raise TypeError(f"{name}.{key} needs the keys {', '.join(KINDS)}")
