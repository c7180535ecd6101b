"""DiffusionGemma's text stack: one set of layers, run as a causal encoder and as a bidirectional decoder.

Follows transformers 5.23 `models/diffusion_gemma` with the dynamic cache (its static cache is wrong once
a sliding layer is full). There is no time input: the decoder infers the noise from the canvas.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.model.attention import causal_mask
from engine.model.config import LayerKind, LayerShape, ModelConfig
from engine.model.kv_cache import KVCache, LayerCache
from engine.model.layer import Layer
from engine.model.moe import GatedMLP
from engine.model.norm import RMSNorm, rms
from engine.model.rope import inverse_frequencies, rotation

Rotations = dict[LayerKind, tuple[Tensor, Tensor]]


class SelfConditioning(GatedMLP):
    """Adds the last step's prediction to the canvas embeddings, and norms them even without one."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config.hidden_size, config.intermediate_size)
        self.eps = config.rms_eps
        self.pre_norm = RMSNorm(config.hidden_size, config.rms_eps)

    def condition(self, embedded: Tensor, soft: Tensor | None) -> Tensor:
        """embedded, soft: [B, C, D]; None is the reference's zero signal (the MLP of zero is zero)."""
        return rms(embedded if soft is None else embedded + self(self.pre_norm(soft)), self.eps)


class DiffusionGemma(nn.Module):
    """The network. Inputs are token ids; nothing here knows text or sampling."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Layer(config, shape) for shape in config.layers)
        self.norm = RMSNorm(config.hidden_size, config.rms_eps)
        self.self_conditioning = SelfConditioning(config)
        self._frequencies: dict[tuple[LayerKind, torch.device], Tensor] = {}

    @property
    def device(self) -> torch.device:
        return self.embed_tokens.weight.device

    @property
    def stack(self) -> list[tuple[Layer, LayerShape]]:
        """The layers with their shapes, in order."""
        return list(zip(cast("list[Layer]", self.layers), self.config.layers, strict=True))

    def encode(self, ids: Tensor, cache: KVCache | None = None) -> KVCache:
        """Read ids [B, T] causally behind `cache`: prefill, or commit of a finished canvas.

        Returns a new cache; the given one stays as it was. A long text may be encoded in chunks of any
        length with the same result.
        """
        return self._encode(ids, cache, last=False)[1]

    def encode_hidden(self, ids: Tensor, cache: KVCache | None = None) -> tuple[Tensor, KVCache]:
        """Like `encode`; also the hidden states [B, T, D] behind the final norm (see `causal_logits`)."""
        hidden, cache = self._encode(ids, cache, last=True)
        return self.norm(hidden), cache

    def denoise(self, canvas: Tensor, cache: KVCache, soft: Tensor | None = None, rows: Tensor | None = None) -> Tensor:
        """One denoising step: the decoder's logits for canvas ids [B, C] behind the cached context.

        `soft` [B, C, D] is the last step's `soft_embedding` (None on a canvas's first step). `rows` are the
        canvas rows whose logits are wanted. Returns float32 [B, rows, V] after the softcap.
        """
        positions = torch.arange(cache.length, cache.length + canvas.shape[1], device=canvas.device)
        x = self.self_conditioning.condition(self.embed(canvas), soft)
        rotations = self.rotations(positions, x.dtype)
        for index, ((layer, shape), past) in enumerate(zip(self.stack, cache.layers, strict=True), 1):
            wanted = rows if index == len(self.layers) else None  # of the last layer, nothing else is looked at
            x, _, _ = layer(x, rotations[shape.kind], encoder=False, past=past, rows=wanted)
        return self.causal_logits(self.norm(x))

    def causal_logits(self, hidden: Tensor) -> Tensor:
        """Float32 logits [..., V] of normed hidden states [..., D], after the softcap.

        cap * tanh(x / cap) is 2 cap * sigmoid(2 x / cap) - cap, which the CPU computes six times faster.
        """
        cap = self.config.softcap
        logits = F.linear(hidden, self.embed_tokens.weight).float()
        return (logits * (2 / cap)).sigmoid_().mul(2 * cap).sub_(cap)

    def soft_embedding(self, shaped_logits: Tensor) -> Tensor:
        """The expected embedding [..., D] under temperature-shaped logits [..., V].

        The logits are first rounded to the weights' dtype and the probabilities likewise, as in the reference.
        """
        weight = self.embed_tokens.weight
        probabilities = F.softmax(shaped_logits.to(weight.dtype), dim=-1, dtype=torch.float32).to(weight.dtype)
        return probabilities @ weight * self._embedding_scale()

    def embed(self, ids: Tensor) -> Tensor:
        """Scaled embeddings [..., D] of ids [...]."""
        return F.embedding(ids, self.embed_tokens.weight) * self._embedding_scale()

    def _embedding_scale(self) -> Tensor:
        return torch.tensor(self.config.hidden_size**0.5, dtype=self.embed_tokens.weight.dtype)

    def rotations(self, positions: Tensor, dtype: torch.dtype) -> Rotations:
        """RoPE's cosine and sine per layer kind for positions [T] or [B, T]."""
        shapes = {shape.kind: shape for shape in self.config.layers}
        result: Rotations = {}
        for kind, shape in shapes.items():
            key = (kind, positions.device)
            if key not in self._frequencies:
                frequencies = inverse_frequencies(shape.head_dim, self.config.rope[kind])
                self._frequencies[key] = frequencies.to(positions.device)  # stays float32 in a bf16 model
            result[kind] = rotation(positions, self._frequencies[key], dtype)
        return result

    def _encode(self, ids: Tensor, cache: KVCache | None, last: bool) -> tuple[Tensor, KVCache]:
        """The layers' output [B, T, D] and the new cache; without `last`, the last layer only fills the cache."""
        start, length = (cache.length if cache else 0), ids.shape[1]
        x = self.embed(ids)
        rotations = self.rotations(torch.arange(start, start + length, device=ids.device), x.dtype)
        masks: dict[LayerKind, Tensor | None] = {}
        layers = []
        for index, (layer, shape) in enumerate(self.stack):
            past = cache.layers[index] if cache else None
            if not last and index == len(self.layers) - 1:
                keys, values = layer.keys_values(x, rotations[shape.kind])
            else:
                if shape.kind not in masks:
                    masks[shape.kind] = self._encoder_mask(shape.kind, length, past, ids.device)
                mask = masks[shape.kind]
                x, keys, values = layer(
                    x, rotations[shape.kind], encoder=True, past=past, mask=mask, causal=mask is None
                )
            if past:
                keys, values = past.joined(keys, values)
            if shape.kind == "sliding":
                keep = self.config.sliding_window - 1
                keys, values = keys[:, :, -keep:].clone(), values[:, :, -keep:].clone()  # a view would keep all
            layers.append(LayerCache(keys, values))
        return x, KVCache(tuple(layers), start + length)

    def _encoder_mask(
        self, kind: LayerKind, length: int, past: LayerCache | None, device: torch.device
    ) -> Tensor | None:
        """The causal mask of one layer kind; None where plain causal attention does the same, faster."""
        window = self.config.sliding_window if kind == "sliding" else None
        if past is None and (window is None or length <= window):
            return None
        return causal_mask(length, length + (len(past) if past else 0), window, device)
