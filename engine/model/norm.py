"""RMS norm in float32 with a plain weight (not 1 + weight)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def rms(x: Tensor, eps: float) -> Tensor:
    """x / rms(x) over the last dimension, computed in float32, in x's dtype."""
    wide = x.float()
    return (wide * torch.pow(wide.pow(2).mean(-1, keepdim=True) + eps, -0.5)).type_as(x)


class RMSNorm(nn.Module):
    """`rms` times a learned weight [size]; the product is rounded once."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x: Tensor) -> Tensor:
        wide = x.float()
        wide = wide * torch.pow(wide.pow(2).mean(-1, keepdim=True) + self.eps, -0.5)
        return (wide * self.weight.float()).type_as(x)
