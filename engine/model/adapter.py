"""A denoising adapter for a frozen decoder-only network: low-rank updates (Hu et al. 2021, arXiv:2106.09685) that act
on mask rows alone, an embedding for the mask, and one for a row's place in its block.

Every other row is computed by the network's own weights, so what the network reads causally stays as published, bit
for bit. A mask row at position p predicts the token of position p + 1: the one of p itself is the causal row's before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.model.decoder_config import DecoderConfig
from engine.model.decoder_only import DecoderLayer, DecoderOnly
from engine.model.kv_cache import KVCache, LayerCache
from engine.model.rope import rotate

Rotation = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Canvas:
    """R rows behind a cached context of T tokens: masks, and tokens that are known."""

    ids: Tensor  # [R]; the id of a mask row is not looked at
    is_mask: Tensor  # bool [R]
    offsets: Tensor  # [R]: a row's place in its block, from 0
    positions: Tensor  # [R]: in the text
    visible: Tensor  # bool [R, T + R]: which context tokens and rows a row sees


class LowRank(nn.Module):
    """What is added to one product, x [..., columns] -> [..., rows]: nothing at first, since `b` starts at zero."""

    def __init__(self, columns: int, rows: int, rank: int) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.randn(rank, columns) * columns**-0.5)
        self.b = nn.Parameter(torch.zeros(rows, rank))


class LayerAdapter(nn.Module):
    """The updates of one layer's seven matrices."""

    def __init__(self, config: DecoderConfig, rank: int) -> None:
        super().__init__()
        hidden, inner = config.hidden_size, config.intermediate_size
        heads, kv = config.num_heads * config.head_dim, config.kv_heads * config.head_dim
        self.q, self.k, self.v = (LowRank(hidden, rows, rank) for rows in (heads, kv, kv))
        self.o = LowRank(heads, hidden, rank)
        self.gate, self.up = LowRank(hidden, inner, rank), LowRank(hidden, inner, rank)
        self.down = LowRank(inner, hidden, rank)


class Adapter(nn.Module):
    """The adapter's weights, and the canvas pass that uses them."""

    def __init__(self, config: DecoderConfig, rank: int, block: int) -> None:
        super().__init__()
        self.rank, self.block = rank, block
        self.layers = nn.ModuleList(LayerAdapter(config, rank) for _ in range(config.num_layers))
        self.mask = nn.Parameter(torch.zeros(config.hidden_size))
        self.offsets = nn.Parameter(torch.zeros(block, config.hidden_size))

    def hidden(self, network: DecoderOnly, canvas: Canvas, cache: KVCache) -> Tensor:
        """One pass over the canvas behind the cached context: hidden states [R, D] behind the final norm."""
        gate = canvas.is_mask[:, None].to(network.dtype)
        masks = (self.mask + self.offsets[canvas.offsets]).to(network.dtype)
        x = torch.where(canvas.is_mask[:, None], masks, network.embed(canvas.ids))
        rotation = network.rotations(canvas.positions, x.dtype)["full"]
        for (layer, _), own, past in zip(network.stack, self.layers, cache.layers, strict=True):
            x = _layer(layer, cast(LayerAdapter, own), x, gate, rotation, past, canvas.visible)
        return network.norm(x)


def _layer(
    layer: DecoderLayer,
    adapter: LayerAdapter,
    x: Tensor,
    gate: Tensor,
    rotation: Rotation,
    past: LayerCache,
    visible: Tensor,
) -> Tensor:
    """x [R, D] through one layer, as `DecoderLayer.forward`, with the adapter's updates where `gate` [R, 1] is 1."""
    normed = _norm(layer, x, layer.attention_norm)
    joined = layer.qkv(normed) + gate * _updates(normed, adapter.q, adapter.k, adapter.v)
    heads = joined.unflatten(-1, (-1, layer.head_dim))[None]  # [1, R, H + 2 KV, hd]
    turning, values = heads.split([layer.heads + layer.kv_heads, layer.kv_heads], dim=2)
    queries, keys = rotate(turning, *rotation).transpose(1, 2).split([layer.heads, layer.kv_heads], dim=1)
    keys, values = past.joined(keys, values.transpose(1, 2))
    attended = F.scaled_dot_product_attention(queries, keys, values, attn_mask=visible, enable_gqa=True)
    flat = attended.transpose(1, 2).flatten(2)[0]
    x = x + layer.out(flat) + gate * _updates(flat, adapter.o)
    normed = _norm(layer, x, layer.mlp_norm)
    gates, ups = (layer.gate_up(normed) + gate * _updates(normed, adapter.gate, adapter.up)).chunk(2, dim=-1)
    inner = F.silu(gates) * ups
    down: Tensor = layer.down(inner)
    return x + down + gate * _updates(inner, adapter.down)


def _norm(layer: DecoderLayer, x: Tensor, weight: Tensor) -> Tensor:
    return F.rms_norm(x, (x.shape[-1],), weight, layer.eps)


def _updates(x: Tensor, *parts: LowRank) -> Tensor:
    """The updates of matrices that read the same x [R, columns], side by side: [R, sum of rows]."""
    small = F.linear(x, torch.cat([part.a for part in parts]).to(x.dtype))
    pieces = small.chunk(len(parts), dim=-1)
    return torch.cat([F.linear(p, part.b.to(x.dtype)) for p, part in zip(pieces, parts, strict=True)], dim=-1)
