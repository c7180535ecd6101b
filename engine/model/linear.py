"""Matrix products with weights in the network's own dtype, or in int8 for CPUs.

int8 weights have one scale per output row; activations get one scale per token when they are used (as in LLM.int8(),
https://arxiv.org/abs/2208.07339, without its outlier split). A token's scale depends on that token alone, so an answer
never depends on what else is in the batch. The products are oneDNN's, which wants unsigned activations (an offset is
added) and weights in a layout of its own.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_TINY = 1e-8  # the least scale: a row of zeros stays zero


class Int8Linear(nn.Module):
    """x @ weight.T + bias with an int8 weight [N, K] and float32 scales [N]; CPU only.

    Before `pack` it can be saved, after it be used.
    """

    weight: Tensor | None
    scale: Tensor
    bias: Tensor | None

    def __init__(self, weight: Tensor, scale: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("scale", scale)
        self.register_buffer("bias", bias)

    def pack(self, keep_rows: bool = False) -> None:
        """Bring the weight into the product's layout, and forget it in its own unless it also serves `rows`."""
        assert self.weight is not None
        self.levels = _activation_levels()
        self._offset = self.levels + 1  # added to signed activations
        self._packed = torch.ops.onednn.qlinear_prepack(self.weight, None)
        self._zeros = torch.zeros(len(self.scale), dtype=torch.long)
        self._minus_offset = self.weight.sum(dim=1).float() * self.scale * -self._offset
        self.weight = self.weight.clone() if keep_rows else None  # a clone: it may be a view of a whole file

    def forward(self, x: Tensor) -> Tensor:
        """x [..., K] -> [..., N], in x's dtype."""
        return self.multiply(x).to(x.dtype)

    def multiply(self, x: Tensor) -> Tensor:
        """x [..., K] -> float32 [..., N]."""
        rows = x.reshape(-1, x.shape[-1]).float()
        scales = _row_scales(rows, self.levels)
        unsigned = (rows / scales).add_(self._offset + 0.5).to(torch.uint8)  # truncation rounds, since all are positive
        product: Tensor = torch.ops.onednn.qlinear_pointwise(
            unsigned, 1.0, 0, self._packed, self.scale, self._zeros, self._minus_offset, 1.0, 0, torch.float32,
            "none", [], "",
        )  # fmt: skip
        product.mul_(scales)
        if self.bias is not None:
            product.add_(self.bias)
        return product.view(*x.shape[:-1], -1)

    def rows(self, ids: Tensor) -> Tensor:
        """The float32 rows [..., K] of the weight at ids [...]: an embedding."""
        assert self.weight is not None
        rows: Tensor = self.weight[ids] * self.scale[ids][..., None]
        return rows


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
    """Returns int8 [N, K] and float32 scales [N] with x [N, K] close to their product."""
    wide = x.float()
    scales = _row_scales(wide, 127)
    return (wide / scales).round_().to(torch.int8), scales[:, 0]


def _row_scales(x: Tensor, levels: int) -> Tensor:
    """What x [N, K] is divided by, [N, 1], so that no value lies further from zero than `levels`."""
    scales: Tensor = x.abs().amax(dim=-1, keepdim=True)  # two passes, yet ten times faster than one infinity norm
    return torch.clamp(scales.mul_(1 / levels), min=_TINY)


@lru_cache(maxsize=1)
def _activation_levels() -> int:
    """How far activations may lie from zero: 127, or 63 on a CPU whose products of 8 bits saturate.

    Without VNNI oneDNN adds two products in 16 bits, which holds 127 * 127 twice but not 255 * 127: unsigned
    activations must not be above 127 there.
    """
    size = 64
    weight = torch.full((size, size), 127, dtype=torch.int8)
    packed = torch.ops.onednn.qlinear_prepack(weight, None)
    ones, zeros = torch.ones(size), torch.zeros(size, dtype=torch.long)
    product = torch.ops.onednn.qlinear_pointwise(
        torch.full((1, size), 255, dtype=torch.uint8), 1.0, 0, packed, ones, zeros, None, 1.0, 0, torch.float32,
        "none", [], "",
    )  # fmt: skip
    return 127 if float(product[0, 0]) == 255 * 127 * size else 63
