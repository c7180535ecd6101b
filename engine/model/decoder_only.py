"""Dense decoder-only networks, Qwen2 and Llama: read causally into a cache, or over a canvas with a mask of one's own.

Follows transformers 5.23 `models/qwen2` and `models/llama` (default rotary embedding). Matrices that read the same
vector are stored joined (`qkv`, `gate_up`); the loader fills them in place.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.model.attention import causal_mask
from engine.model.config import LayerKind, LayerShape, RopeShape
from engine.model.decoder_config import DecoderConfig
from engine.model.kv_cache import KVCache, LayerCache, Past
from engine.model.linear import Int8Linear, Linear
from engine.model.rope import inverse_frequencies, rotate, rotation

AnyLinear = Linear | Int8Linear

_FEW_QUERIES = 32


def attend(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, causal: bool) -> Tensor:
    """Grouped-query attention of queries [B, H, T, hd] over keys and values [B, KV, N, hd], answered as [B, H, T, hd].

    `mask` is broadcastable to [T, N]. Few queries are laid out as rows of their group: the fused kernel then reads each
    group's keys once.
    """
    batch, heads, count, size = queries.shape
    groups = keys.shape[1]
    if causal or count > _FEW_QUERIES or (mask is not None and mask.dim() > 2):
        return F.scaled_dot_product_attention(
            queries, keys, values, attn_mask=mask, is_causal=causal and count > 1, enable_gqa=True
        )
    rows = queries.reshape(batch, groups, heads // groups * count, size)
    if mask is not None:
        mask = mask.expand(count, -1).repeat(heads // groups, 1)
    return F.scaled_dot_product_attention(rows, keys, values, attn_mask=mask).reshape(queries.shape)


class DecoderLayer(nn.Module):
    """Attention, then a gated MLP, each behind a norm and added to the residual."""

    attention_norm: Tensor
    mlp_norm: Tensor
    qkv: AnyLinear
    out: AnyLinear
    gate_up: AnyLinear
    down: AnyLinear

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.eps, self.heads, self.kv_heads = config.rms_eps, config.num_heads, config.kv_heads
        self.head_dim = config.head_dim

    def forward(
        self,
        x: Tensor,
        rotation: tuple[Tensor, Tensor],
        *,
        encoder: bool = True,
        past: Past | None = None,
        mask: Tensor | None = None,
        causal: bool = False,
        rows: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """x [B, T, D], or only its `rows` [R], through the layer; also the new keys and values of all of x.

        `mask` is boolean or added to the scores, broadcastable to [B, heads, T or R, past + T]. Without one every query
        sees everything, or what is before it if `causal` (then `past` must be None). `encoder` changes nothing here.
        """
        heads = self.qkv(self._norm(x, self.attention_norm)).unflatten(-1, (-1, self.head_dim))  # [B, T, H + 2 KV, hd]
        turning, values = heads.split([self.heads + self.kv_heads, self.kv_heads], dim=2)
        queries, keys = rotate(turning, *rotation).transpose(1, 2).split([self.heads, self.kv_heads], dim=1)
        values = values.transpose(1, 2)
        all_keys, all_values = past.joined(keys, values) if past else (keys, values)
        if rows is not None:
            x, queries = x[:, rows], queries[:, :, rows]
        attended = attend(queries, all_keys, all_values, mask, causal)
        x = x + self.out(attended.transpose(1, 2).flatten(2))
        gate, up = self.gate_up(self._norm(x, self.mlp_norm)).chunk(2, dim=-1)
        return x + self.down(F.silu(gate).mul_(up)), keys, values

    def keys_values(self, x: Tensor, rotation: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Returns only what the cache needs of x [B, T, D]."""
        heads = self.qkv(self._norm(x, self.attention_norm)).unflatten(-1, (-1, self.head_dim))
        keys, values = heads[:, :, self.heads :].split(self.kv_heads, dim=2)
        return rotate(keys, *rotation).transpose(1, 2), values.transpose(1, 2)

    def _norm(self, x: Tensor, weight: Tensor) -> Tensor:
        return F.rms_norm(x, (x.shape[-1],), weight, self.eps)


class DecoderOnly(nn.Module):
    """The network. Inputs are token ids; nothing here knows text or sampling."""

    final_norm: Tensor
    head: AnyLinear  # the output matrix, [V, D]
    embedding: AnyLinear  # the same object as `head` where the two are tied

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.num_layers))
        self._frequencies: dict[torch.device, Tensor] = {}

    @property
    def device(self) -> torch.device:
        return self.final_norm.device

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of activations and cache."""
        return self.final_norm.dtype

    @property
    def stack(self) -> list[tuple[DecoderLayer, LayerShape]]:
        """The layers with their shapes, in order."""
        return list(zip(cast("list[DecoderLayer]", self.layers), self.config.layers, strict=True))

    def encode(self, ids: Tensor, cache: KVCache | None = None) -> KVCache:
        """Read ids [B, T] causally behind `cache`. Returns a new cache; the given one stays as it was."""
        return self._encode(ids, cache, last=False)[1]

    def encode_hidden(self, ids: Tensor, cache: KVCache | None = None) -> tuple[Tensor, KVCache]:
        """Like `encode`; also the hidden states [B, T, D] behind the final norm (see `causal_logits`)."""
        hidden, cache = self._encode(ids, cache, last=True)
        return self.norm(hidden), cache

    def denoise(self, canvas: Tensor, cache: KVCache, rows: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """One pass over canvas ids [B, C] behind the cached context: float32 logits [B, rows, V].

        `mask` [C, context + C] says what each canvas row may see; without one it sees all of the context and canvas.
        `rows` are the canvas rows whose logits are wanted.
        """
        positions = torch.arange(cache.length, cache.length + canvas.shape[1], device=canvas.device)
        x = self.embed(canvas)
        rotations = self.rotations(positions, x.dtype)
        for index, ((layer, shape), past) in enumerate(zip(self.stack, cache.layers, strict=True), 1):
            wanted = rows if index == len(self.layers) else None  # of the last layer, nothing else is looked at
            seen = mask if mask is None or wanted is None else mask[wanted]
            x, _, _ = layer(x, rotations[shape.kind], past=past, mask=seen, rows=wanted)
        return self.causal_logits(self.norm(x))

    def causal_logits(self, hidden: Tensor) -> Tensor:
        """Float32 logits [..., V] of normed hidden states [..., D]."""
        return self.head.multiply(hidden)

    def norm(self, x: Tensor) -> Tensor:
        """The final norm of x [..., D]."""
        return F.rms_norm(x, (x.shape[-1],), self.final_norm, self.config.rms_eps)

    def embed(self, ids: Tensor) -> Tensor:
        """Embeddings [..., D] of ids [...]."""
        return self.embedding.rows(ids).to(self.dtype)

    def rotations(self, positions: Tensor, dtype: torch.dtype) -> dict[LayerKind, tuple[Tensor, Tensor]]:
        """RoPE's cosine and sine for positions [T] or [B, T]."""
        if positions.device not in self._frequencies:
            frequencies = inverse_frequencies(self.config.head_dim, RopeShape(self.config.rope_theta, 1.0))
            self._frequencies[positions.device] = frequencies.to(positions.device)
        return {"full": rotation(positions, self._frequencies[positions.device], dtype)}

    def _encode(self, ids: Tensor, cache: KVCache | None, last: bool) -> tuple[Tensor, KVCache]:
        """The layers' output [B, T, D] and the new cache; without `last`, the last layer only fills the cache."""
        start, length = (cache.length if cache else 0), ids.shape[1]
        x = self.embed(ids)
        turned = self.rotations(torch.arange(start, start + length, device=ids.device), x.dtype)["full"]
        mask = causal_mask(length, start + length, None, ids.device) if cache and length > 1 else None
        layers = []
        for index, (layer, _) in enumerate(self.stack):
            past = cache.layers[index] if cache else None
            if not last and index == len(self.layers) - 1:
                keys, values = layer.keys_values(x, turned)
            else:
                x, keys, values = layer(x, turned, past=past, mask=mask, causal=cache is None)
            if past:
                keys, values = past.joined(keys, values)
            layers.append(LayerCache(keys, values))
        return x, KVCache(tuple(layers), start + length)
