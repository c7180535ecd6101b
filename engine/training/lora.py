"""Low-rank updates (Hu et al. 2021, arXiv:2106.09685) of a network whose own weights stay as they are.

Each chosen weight W is read as W + up @ down while training; `merge` makes the sum the weight. The network's own
code knows nothing of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from engine.model.diffusion_gemma import DiffusionGemma

_CHOSEN = re.compile(r"layers\.\d+\.(self_attn|mlp)\.\w+_proj")  # no router, no experts, no embeddings


class LowRank(nn.Module):
    """What is added to one weight [rows, columns]: nothing at first, since `up` starts at zero."""

    def __init__(self, weight: Tensor, rank: int) -> None:
        super().__init__()
        rows, columns = weight.shape
        rank = min(rank, rows, columns)
        self.down = nn.Parameter(torch.randn(rank, columns, device=weight.device) * columns**-0.5)
        self.up = nn.Parameter(torch.zeros(rows, rank, device=weight.device))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + (self.up @ self.down).to(weight.dtype)


def adapt(network: DiffusionGemma, rank: int) -> None:
    """Freeze the network, and put low-rank updates on the projections of attention and of the dense MLP."""
    network.requires_grad_(False)
    for module in list(_chosen(network)):
        parametrize.register_parametrization(module, "weight", LowRank(module.weight, rank))


def merge(network: DiffusionGemma) -> None:
    """Add the updates to the weights, one after the other, and forget them."""
    for module in list(_chosen(network)):
        if parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)


def _chosen(network: DiffusionGemma) -> Iterator[nn.Linear]:
    for name, module in network.named_modules():
        if _CHOSEN.fullmatch(name):
            assert isinstance(module, nn.Linear)
            yield module
