"""Muon for matrices, AdamW for embeddings and vectors, warm-up–stable–decay for both.

Muon: Jordan et al. 2024, https://kellerjordan.github.io/posts/muon. torch's own orthogonalises in bfloat16
whatever the processor, which is unusably slow on CPUs without bfloat16 units; hence these lines.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor
from torch.optim import AdamW, Optimizer

from engine.model.diffusion_gemma import DiffusionGemma

_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


class Muon(Optimizer):
    """Momentum whose update is orthogonalised; for weights of two or three (stacked) dimensions."""

    def __init__(
        self, parameters: Iterable[Tensor], lr: float, momentum: float, weight_decay: float, dtype: torch.dtype
    ):
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self.dtype = dtype

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    by_shape[parameter.shape[-2:]].append(parameter)
            for parameters in by_shape.values():
                self._step_shape(parameters, group)

    def _step_shape(self, parameters: list[Tensor], group: dict[str, float]) -> None:
        """One step for weights of the same shape, orthogonalised as one batch."""
        updates = []
        for parameter in parameters:
            state = self.state[parameter]
            if "momentum" not in state:
                state["momentum"] = torch.zeros_like(parameter)
            assert parameter.grad is not None
            state["momentum"].lerp_(parameter.grad, 1 - group["momentum"])
            nesterov = parameter.grad.lerp(state["momentum"], group["momentum"])
            updates.append(nesterov.view(-1, *parameter.shape[-2:]))
        orthogonal = orthogonalise(torch.cat(updates).to(self.dtype)).float()
        scale = max(1.0, orthogonal.shape[-2] / orthogonal.shape[-1]) ** 0.5
        for parameter, update in zip(parameters, orthogonal.split([len(u) for u in updates]), strict=True):
            parameter.mul_(1 - group["lr"] * group["weight_decay"])
            parameter.add_(update.view_as(parameter), alpha=-group["lr"] * scale)


def orthogonalise(matrices: Tensor, steps: int = 5) -> Tensor:
    """The nearest semi-orthogonal matrices of [N, rows, columns], by Newton–Schulz iteration."""
    a, b, c = _NEWTON_SCHULZ
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    result: Tensor = x.mT if tall else x
    return result


def optimizers(network: DiffusionGemma, lr: float, dtype: torch.dtype) -> list[Optimizer]:
    """Muon at `lr` for the layers' matrices; AdamW for embeddings, router and norms."""
    matrices: list[Tensor] = []
    rest: list[Tensor] = []
    for name, parameter in network.named_parameters():
        is_matrix = parameter.dim() >= 2 and not name.startswith("embed_tokens") and "router" not in name
        (matrices if is_matrix else rest).append(parameter)
    return [
        Muon(matrices, lr=lr, momentum=0.95, weight_decay=0.01, dtype=dtype),
        AdamW(rest, lr=lr * 0.2, betas=(0.9, 0.95), weight_decay=0.0, fused=network.device.type == "cuda"),
    ]


def schedule(step: int, steps: int, warmup: int, decay_share: float) -> float:
    """The share of the peak rate at `step`: up over `warmup`, flat, then linearly to 2 % over the last share."""
    decay_from = steps * (1 - decay_share)
    if step < warmup:
        return (step + 1) / warmup
    if step < decay_from:
        return 1.0
    return 0.02 + 0.98 * (steps - step) / max(steps - decay_from, 1)
