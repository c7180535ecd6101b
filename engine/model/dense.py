"""A layer with one expert, put together for inference: the same mathematics in a third of the operations.

A small network spends its time on starting operations, not on arithmetic. So matrices that read the same vector are
joined, and the weights of the norms before them are multiplied into them. Rounding differs from `Layer`, nothing else.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.model.diffusion_gemma import DiffusionGemma
from engine.model.kv_cache import Past
from engine.model.layer import Layer
from engine.model.moe import gelu
from engine.model.rope import rotate


def make_dense(network: DiffusionGemma) -> None:
    """Replace the layers of a network without a choice of experts, in place. It cannot be trained or saved after."""
    if network.config.num_experts == 1:
        network.layers = nn.ModuleList(DenseLayer(layer) for layer, _ in network.stack)


class DenseLayer(nn.Module):
    """Stands in for a `Layer`, with its `forward` and `keys_values`."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        attention, mlp, experts = layer.self_attn, layer.mlp, layer.experts
        self.eps, self.head_dim, self.kv_heads = attention.eps, attention.shape.head_dim, attention.shape.kv_heads
        heads = attention.q_proj.out_features // self.head_dim
        projections = (attention.q_proj, attention.k_proj, attention.v_proj or attention.k_proj)
        self.qkv = torch.cat([p.weight for p in projections]) * layer.input_layernorm.weight
        self.turning = heads + self.kv_heads  # queries and keys; values do not rotate
        norms = (*[attention.q_norm.weight] * heads, *[attention.k_norm.weight] * self.kv_heads)
        self.qk_norm = torch.stack(norms)
        self.out, self.post_attention = attention.o_proj.weight, layer.post_attention_layernorm.weight
        dense, expert = layer.pre_feedforward_layernorm.weight, layer.pre_feedforward_layernorm_2.weight
        gate, up = experts.gate_up_proj[0].chunk(2)
        self.gate_up = torch.cat([mlp.gate_proj.weight * dense, gate * expert, mlp.up_proj.weight * dense, up * expert])
        self.down, self.down_expert = mlp.down_proj.weight, experts.down_proj[0] * layer.router.per_expert_scale
        self.post_dense = layer.post_feedforward_layernorm_1.weight
        self.post_expert = layer.post_feedforward_layernorm_2.weight
        self.post = layer.post_feedforward_layernorm.weight
        self.layer_scalar, self.encoder_layer_scalar = layer.layer_scalar, layer.encoder_layer_scalar

    def forward(
        self,
        x: Tensor,
        rotation: tuple[Tensor, Tensor],
        *,
        encoder: bool,
        past: Past | None = None,
        mask: Tensor | None = None,
        causal: bool = False,
        rows: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """As `Layer.forward`; a mask is [T or R, past + T]."""
        queries, new_keys, new_values = self._heads(x, rotation)
        keys, values = past.joined(new_keys, new_values) if past else (new_keys, new_values)
        if rows is not None:
            x, queries = x[:, rows], queries[:, :, rows]
        x = x + self._norm(F.linear(self._attended(queries, keys, values, mask, causal), self.out), self.post_attention)
        gate, up = F.linear(self._norm(x), self.gate_up).chunk(2, dim=-1)
        widths = [self.down.shape[1], self.down_expert.shape[1]]
        dense, expert = (gelu(gate) * up).split(widths, dim=-1)
        both = self._norm(F.linear(dense, self.down), self.post_dense)
        both = both + self._norm(F.linear(expert, self.down_expert), self.post_expert)
        x = x + self._norm(both, self.post)
        return x * (self.encoder_layer_scalar if encoder else self.layer_scalar), new_keys, new_values

    def keys_values(self, x: Tensor, rotation: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Only what the cache needs of x [B, T, D]."""
        return self._heads(x, rotation)[1:]

    def _heads(self, x: Tensor, rotation: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, each [B, heads, T, head_dim]."""
        normed = self._norm(F.linear(self._norm(x), self.qkv).unflatten(-1, (-1, self.head_dim)))
        turned = rotate(normed[:, :, : self.turning] * self.qk_norm, *rotation).transpose(1, 2)
        queries, keys = turned.split([self.turning - self.kv_heads, self.kv_heads], dim=1)
        return queries, keys, normed[:, :, self.turning :].transpose(1, 2)

    def _attended(self, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, causal: bool) -> Tensor:
        """[B, T, heads * head_dim]. The queries of a group that shares its keys are laid end to end: one long group
        costs less than several short ones."""
        if causal:
            out = F.scaled_dot_product_attention(queries, keys, values, is_causal=True, scale=1.0, enable_gqa=True)
            return out.transpose(1, 2).flatten(2)
        group, length = queries.shape[1] // self.kv_heads, queries.shape[2]
        stacked = queries.reshape(len(queries), self.kv_heads, group * length, self.head_dim)
        repeated = None if mask is None else mask.repeat(group, 1)
        out = F.scaled_dot_product_attention(stacked, keys, values, attn_mask=repeated, scale=1.0)
        return out.view(len(queries), -1, length, self.head_dim).transpose(1, 2).flatten(2)

    def _norm(self, x: Tensor, weight: Tensor | None = None) -> Tensor:
        return F.rms_norm(x, x.shape[-1:], weight, self.eps)
