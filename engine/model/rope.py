"""Rotary position embedding, plain and proportional (Gemma 4's full-attention layers)."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.model.config import RopeShape


def inverse_frequencies(head_dim: int, shape: RopeShape) -> Tensor:
    """Inverse frequencies, float32 [head_dim / 2].

    Proportional RoPE rotates the first `rotated` share of the pairs with exponents over the whole
    head size; the other pairs get frequency 0 and do not rotate.
    """
    pairs = int(shape.rotated * head_dim / 2)
    rotating = 1.0 / (shape.theta ** (torch.arange(0, 2 * pairs, 2, dtype=torch.float32) / head_dim))
    return torch.cat([rotating, torch.zeros(head_dim // 2 - pairs)])


def rotation(positions: Tensor, frequencies: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Cosine and sine for positions [T] or [B, T], computed in float32: each [..., T, 1, head_dim].

    The first half of the sine is negated, as `rotate` wants it.
    """
    angles = (positions[..., None].float() * frequencies)[..., None, :]  # [..., T, 1, head_dim / 2]
    cos, sin = angles.cos(), angles.sin()
    return torch.cat([cos, cos], dim=-1).to(dtype), torch.cat([-sin, sin], dim=-1).to(dtype)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate the pairs (t, t + head_dim / 2) of x [B, T, heads, head_dim]."""
    return x * cos + x.roll(x.shape[-1] // 2, dims=-1) * sin
