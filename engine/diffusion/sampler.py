"""The reference's sampler: linear temperature, entropy-bound acceptance (arXiv:2505.24857)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffusionSettings:
    """How a canvas is denoised; the defaults are the reference's (generation_config.json).

    `entropy_bound` and `confidence` are in nats, `stability` in steps.
    """

    max_steps: int = 48
    t_min: float = 0.4
    t_max: float = 0.8
    entropy_bound: float = 0.1
    stability: int = 1
    confidence: float = 0.005
    stop_ids: tuple[int, ...] = (1, 106, 50)
    pad_id: int = 0

    def __post_init__(self) -> None:
        if self.max_steps < 1 or self.stability < 0 or self.entropy_bound <= 0 or not 0 <= self.t_min <= self.t_max:
            raise ValueError(f"generation_config.json: unusable denoising settings {self}")

    @classmethod
    def from_dict(cls, config: dict[str, Any]) -> DiffusionSettings:
        """Read a generation_config.json; what it leaves out keeps the reference's defaults."""
        names = {
            "max_denoising_steps": "max_steps",
            "t_min": "t_min",
            "t_max": "t_max",
            "stability_threshold": "stability",
            "confidence_threshold": "confidence",
            "pad_token_id": "pad_id",
        }
        values = {own: config[name] for name, own in names.items() if config.get(name) is not None}
        if bound := (config.get("sampler_config") or {}).get("entropy_bound"):
            values["entropy_bound"] = bound
        if (stop := config.get("eos_token_id")) is not None:
            values["stop_ids"] = (stop,) if isinstance(stop, int) else tuple(stop)
        return cls(**values)

    def temperature(self, remaining: int) -> float:
        """The temperature with `remaining` steps to go, of `max_steps` at the first to 1 at the last."""
        return self.t_min + (self.t_max - self.t_min) * (remaining / self.max_steps)


def entropy(logits: Tensor, probabilities: Tensor) -> Tensor:
    """Entropy in nats of the distributions [..., V], given both ways."""
    # a ruled-out token has -inf here: clamped, so that it adds 0 and not nan
    logs = logits.log_softmax(dim=-1).clamp_(min=torch.finfo(logits.dtype).min)
    return -logs.mul_(probabilities).sum(dim=-1)


def accept(entropies: Tensor, bound: float) -> Tensor:
    """Which of the slots [R] to accept: those of lowest entropy, as long as what precedes them sums to <= bound.

    The single surest slot is always accepted.
    """
    ordered, order = entropies.sort(dim=-1)
    chosen = ordered.cumsum(dim=-1) - ordered <= bound
    return torch.zeros_like(chosen).scatter(-1, order, chosen)
