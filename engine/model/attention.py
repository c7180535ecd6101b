"""Grouped-query attention with normed queries, keys and values; scale 1."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.model.config import LayerShape, ModelConfig
from engine.model.kv_cache import Past
from engine.model.norm import RMSNorm, rms
from engine.model.rope import rotate


class Attention(nn.Module):
    """One layer's attention. Full layers have no v_proj: their values are the raw key projection, normed."""

    def __init__(self, config: ModelConfig, shape: LayerShape) -> None:
        super().__init__()
        self.shape, self.eps = shape, config.rms_eps
        d, hd = config.hidden_size, shape.head_dim
        self.q_proj = nn.Linear(d, config.num_heads * hd, bias=False)
        self.k_proj = nn.Linear(d, shape.kv_heads * hd, bias=False)
        self.v_proj = nn.Linear(d, shape.kv_heads * hd, bias=False) if shape.kind == "sliding" else None
        self.o_proj = nn.Linear(config.num_heads * hd, d, bias=False)
        self.q_norm = RMSNorm(hd, config.rms_eps)
        self.k_norm = RMSNorm(hd, config.rms_eps)

    def keys_values(self, x: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of x [B, T, D], as they are cached: each [B, kv heads, T, head_dim]."""
        raw = self.k_proj(x).unflatten(-1, (-1, self.shape.head_dim))
        raw_values = raw if self.v_proj is None else self.v_proj(x).unflatten(-1, (-1, self.shape.head_dim))
        keys = rotate(self.k_norm(raw), cos, sin)
        return keys.transpose(1, 2), rms(raw_values, self.eps).transpose(1, 2)

    def forward(
        self,
        x: Tensor,
        cos: Tensor,
        sin: Tensor,
        past: Past | None,
        mask: Tensor | None,
        causal: bool,
        rows: Tensor | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Attend from x [B, T, D], or only the wanted `rows` [R] of it, to `past` and x itself.

        `mask` is boolean, broadcastable to [B, heads, T, past + T], True where a query may look; without
        one every query sees everything, or what is before it if `causal` (then `past` must be None).
        Returns the output [B, T or R, D] and the new keys and values of all of x.
        """
        new_keys, new_values = self.keys_values(x, cos, sin)
        if rows is not None:
            x, cos, sin = x[:, rows], cos[rows], sin[rows]
        queries = rotate(self.q_norm(self.q_proj(x).unflatten(-1, (-1, self.shape.head_dim))), cos, sin)
        keys, values = past.joined(new_keys, new_values) if past else (new_keys, new_values)
        out = F.scaled_dot_product_attention(
            queries.transpose(1, 2), keys, values, attn_mask=mask, is_causal=causal, scale=1.0, enable_gqa=True
        )
        return self.o_proj(out.transpose(1, 2).flatten(2)), new_keys, new_values


def causal_mask(queries: int, keys: int, window: int | None, device: torch.device) -> Tensor:
    """Boolean [queries, keys] for queries that are the last of the keys; a query sees itself and what is
    before it, at most `window` tokens in all."""
    distance = torch.arange(keys - queries, keys, device=device)[:, None] - torch.arange(keys, device=device)
    mask = distance >= 0
    return mask if window is None else mask & (distance < window)
