"""One transformer layer: attention, then a dense MLP and the experts side by side."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engine.model.attention import Attention
from engine.model.config import LayerShape, ModelConfig
from engine.model.kv_cache import Past
from engine.model.moe import Experts, GatedMLP, Router
from engine.model.norm import RMSNorm


class Layer(nn.Module):
    """Shared by encoder and decoder, which differ in the mask and in the final scalar only."""

    layer_scalar: Tensor  # the decoder's
    encoder_layer_scalar: Tensor

    def __init__(self, config: ModelConfig, shape: LayerShape) -> None:
        super().__init__()
        d, eps = config.hidden_size, config.rms_eps
        self.self_attn = Attention(config, shape)
        self.mlp = GatedMLP(d, config.intermediate_size)
        self.router = Router(config)
        self.experts = Experts(config)
        self.input_layernorm = RMSNorm(d, eps)
        self.post_attention_layernorm = RMSNorm(d, eps)
        self.pre_feedforward_layernorm = RMSNorm(d, eps)
        self.post_feedforward_layernorm = RMSNorm(d, eps)
        self.post_feedforward_layernorm_1 = RMSNorm(d, eps)
        self.post_feedforward_layernorm_2 = RMSNorm(d, eps)
        self.pre_feedforward_layernorm_2 = RMSNorm(d, eps)
        self.register_buffer("layer_scalar", torch.ones(1))
        self.register_buffer("encoder_layer_scalar", torch.ones(1))

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
        """x [B, T, D], or only its `rows`, through the layer; also its new keys and values (see `Attention`)."""
        attended, keys, values = self.self_attn(self.input_layernorm(x), *rotation, past, mask, causal, rows)
        x = (x if rows is None else x[:, rows]) + self.post_attention_layernorm(attended)
        dense = self.post_feedforward_layernorm_1(self.mlp(self.pre_feedforward_layernorm(x)))
        flat = x.flatten(0, -2)  # [B * T, D]; the router sees the raw residual
        mixed = self.experts(self.pre_feedforward_layernorm_2(flat), *self.router(flat)).view_as(x)
        x = x + self.post_feedforward_layernorm(dense + self.post_feedforward_layernorm_2(mixed))
        return x * (self.encoder_layer_scalar if encoder else self.layer_scalar), keys, values

    def keys_values(self, x: Tensor, rotation: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Only what the cache needs of x [B, T, D]."""
        return self.self_attn.keys_values(self.input_layernorm(x), *rotation)
