"""The shape of a dense decoder-only checkpoint (Qwen2, Llama), read from its published `config.json`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from engine.model.config import ConfigError, LayerShape, positive

FAMILIES = ("qwen2", "llama")


@dataclass(frozen=True)
class DecoderConfig:
    """A stack of equal layers: grouped-query attention, then a gated MLP."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_layers: int
    num_heads: int
    kv_heads: int
    head_dim: int
    max_positions: int
    rms_eps: float
    rope_theta: float
    qkv_bias: bool
    out_bias: bool
    tied: bool  # the embedding is also the output matrix

    @classmethod
    def from_dict(cls, config: dict[str, Any]) -> DecoderConfig:
        """Read a config.json of transformers' Qwen2 or Llama. Raises `ConfigError` naming the key."""
        family = config.get("model_type")
        if family not in FAMILIES:
            raise ConfigError(f"config.json: model_type is {family!r}; this engine reads {' and '.join(FAMILIES)}")
        _check_supported(config)
        heads = positive(config, "num_attention_heads")
        hidden = positive(config, "hidden_size")
        kv_heads = positive({"num_key_value_heads": heads, **config}, "num_key_value_heads")
        if heads % kv_heads:
            raise ConfigError(f"config.json: {kv_heads} key/value heads do not divide {heads} heads")
        rope = config.get("rope_parameters") or {}
        try:
            theta = float(rope.get("rope_theta") or config.get("rope_theta") or 10_000.0)
            eps = float(config.get("rms_norm_eps", 1e-6))
        except (TypeError, ValueError) as error:
            raise ConfigError(f"config.json: {error}") from None
        return cls(
            vocab_size=positive(config, "vocab_size"),
            hidden_size=hidden,
            intermediate_size=positive(config, "intermediate_size"),
            num_layers=positive(config, "num_hidden_layers"),
            num_heads=heads,
            kv_heads=kv_heads,
            head_dim=positive({"head_dim": hidden // heads, **_without_none(config)}, "head_dim"),
            max_positions=positive(config, "max_position_embeddings"),
            rms_eps=eps,
            rope_theta=theta,
            out_bias=family == "llama" and bool(config.get("attention_bias")),
            qkv_bias=family == "qwen2" or bool(config.get("attention_bias")),
            tied=bool(config.get("tie_word_embeddings", False)),
        )

    @cached_property
    def layers(self) -> tuple[LayerShape, ...]:
        """The attention shape of each layer; all are full."""
        return (LayerShape("full", self.head_dim, self.kv_heads),) * self.num_layers


def _without_none(config: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if value is not None}


def _check_supported(config: dict[str, Any]) -> None:
    if config.get("hidden_act", "silu") != "silu":
        raise ConfigError(f"config.json: hidden_act is {config['hidden_act']!r}; only 'silu' is supported")
    if config.get("use_sliding_window"):
        raise ConfigError("config.json: use_sliding_window is not supported")
    if config.get("mlp_bias"):
        raise ConfigError("config.json: mlp_bias is not supported")
    scaling = config.get("rope_scaling") or config.get("rope_parameters") or {}
    kind = scaling.get("rope_type", scaling.get("type", "default"))
    if kind != "default":
        raise ConfigError(f"config.json: rope_type {kind!r} is not supported")
