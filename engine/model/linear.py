"""Matrix products with weights in the network's own dtype, or in int8 for CPUs.

int8 weights have one scale per output row; activations get one scale per token when they are used (as in LLM.int8(),
https://arxiv.org/abs/2208.07339, without its outlier split). A token's scale depends on that token alone, so an answer
never depends on what else is in the batch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_TINY = 1e-8  # the least scale: a row of zeros stays zero


class Int8Linear(nn.Module):
    """x @ weight.T + bias with an int8 weight [N, K] and float32 scales [N]."""

    weight: Tensor
    scale: Tensor
    bias: Tensor | None

    def __init__(self, weight: Tensor, scale: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("scale", scale)
        self.register_buffer("bias", bias)

    def forward(self, x: Tensor) -> Tensor:
        """x [..., K] -> [..., N], in x's dtype."""
        return self.multiply(x).to(x.dtype)

    def multiply(self, x: Tensor) -> Tensor:
        """x [..., K] -> float32 [..., N]."""
        rows, scales = quantize_rows(x.reshape(-1, x.shape[-1]))
        product = torch._int_mm(rows, self.weight.t()).float()  # exact in int32
        product.mul_(scales).mul_(self.scale)
        if self.bias is not None:
            product.add_(self.bias)
        return product.view(*x.shape[:-1], -1)

    def rows(self, ids: Tensor) -> Tensor:
        """The float32 rows [..., K] of the weight at ids [...]: an embedding."""
        return self.weight[ids] * self.scale[ids][..., None]


class Linear(nn.Module):
    """x @ weight.T + bias with weight [N, K] in the network's dtype."""

    weight: Tensor
    bias: Tensor | None

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)

    def forward(self, x: Tensor) -> Tensor:
        """x [..., K] -> [..., N], in x's dtype."""
        y: Tensor = F.linear(x, self.weight, self.bias)
        return y

    def multiply(self, x: Tensor) -> Tensor:
        """x [..., K] -> float32 [..., N]."""
        y: Tensor = self(x)
        return y.float()

    def rows(self, ids: Tensor) -> Tensor:
        """The rows [..., K] of the weight at ids [...]: an embedding."""
        return F.embedding(ids, self.weight)


def quantize_rows(x: Tensor) -> tuple[Tensor, Tensor]:
    """Returns int8 [N, K] and float32 scales [N, 1] with x [N, K] close to their product."""
    wide = x.float()
    scales = wide.abs().amax(dim=-1, keepdim=True).mul_(1 / 127).clamp_(min=_TINY)
    return (wide / scales).round_().to(torch.int8), scales
