"""The shape of a DiffusionGemma checkpoint, read from its published `config.json`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

LayerKind = Literal["sliding", "full"]

_SLIDING_TO_FULL = 6  # every sixth layer is full when `layer_types` is absent (Gemma 3 and 4)
_ROPE_DEFAULTS: dict[str, dict[str, Any]] = {
    "sliding_attention": {"rope_type": "default", "rope_theta": 10_000.0},
    "full_attention": {"rope_type": "proportional", "rope_theta": 1_000_000.0, "partial_rotary_factor": 0.25},
}


class ConfigError(ValueError):
    """A config.json that does not describe a network of ours; the text names the key."""


@dataclass(frozen=True, slots=True)
class LayerShape:
    """One layer's attention: its kind, head size and number of key/value heads."""

    kind: LayerKind
    head_dim: int
    kv_heads: int


@dataclass(frozen=True, slots=True)
class RopeShape:
    """Rotary embedding of one layer kind: base, and the share of pairs that rotate (the rest stand still)."""

    theta: float
    rotated: float


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """DiffusionGemma's text stack."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_heads: int
    num_experts: int
    top_k_experts: int
    expert_size: int
    sliding_window: int
    max_positions: int
    rms_eps: float
    softcap: float
    canvas_length: int
    layers: tuple[LayerShape, ...]
    rope: dict[LayerKind, RopeShape]

    @classmethod
    def from_dict(cls, config: dict[str, Any]) -> ModelConfig:
        """Read both published forms of the per-layer attention shape.

        The released file carries `global_head_dim` and `num_global_key_value_heads`; transformers'
        `save_pretrained` writes `per_layer_config` instead. Raises `ConfigError`.
        """
        if config.get("model_type") != "diffusion_gemma":
            raise ConfigError(f"config.json: model_type is {config.get('model_type')!r}, not 'diffusion_gemma'")
        text = config.get("text_config")
        if not isinstance(text, dict):
            raise ConfigError("config.json: text_config is missing")
        try:
            return cls._from_text(config, text)
        except ConfigError:
            raise
        except (TypeError, ValueError, AttributeError) as error:
            raise ConfigError(f"config.json: text_config is malformed: {error}") from None

    @classmethod
    def _from_text(cls, config: dict[str, Any], text: dict[str, Any]) -> ModelConfig:
        _check_supported(text)
        return cls(
            vocab_size=positive(text, "vocab_size"),
            hidden_size=positive(text, "hidden_size"),
            intermediate_size=positive(text, "intermediate_size"),
            num_heads=positive(text, "num_attention_heads"),
            num_experts=positive(text, "num_experts"),
            top_k_experts=positive(text, "top_k_experts"),
            expert_size=positive(text, "moe_intermediate_size"),
            sliding_window=positive(text, "sliding_window"),
            max_positions=positive(text, "max_position_embeddings"),
            rms_eps=float(text.get("rms_norm_eps", 1e-6)),
            softcap=float(text.get("final_logit_softcapping") or 30.0),
            canvas_length=positive({"canvas_length": 256, **config}, "canvas_length"),
            layers=_layer_shapes(text),
            rope=_rope_shapes(text),
        )


def positive(text: dict[str, Any], key: str) -> int:
    """Returns the positive integer under a key. Raises `ConfigError`."""
    value = text.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigError(f"config.json: {key} must be a positive integer, not {value!r}")
    return value


def _check_supported(text: dict[str, Any]) -> None:
    for key, supported in (
        ("hidden_activation", "gelu_pytorch_tanh"),
        ("attention_bias", False),
        ("tie_word_embeddings", True),
    ):
        if text.get(key, supported) != supported:
            raise ConfigError(f"config.json: text_config.{key} is {text[key]!r}; only {supported!r} is supported")
    if text.get("use_bidirectional_attention") == "all":
        raise ConfigError("config.json: text_config.use_bidirectional_attention 'all' is not supported")


def _layer_shapes(text: dict[str, Any]) -> tuple[LayerShape, ...]:
    count = positive(text, "num_hidden_layers")
    kinds = text.get("layer_types") or [
        "full_attention" if (i + 1) % _SLIDING_TO_FULL == 0 else "sliding_attention" for i in range(count)
    ]
    kinds = [*kinds[:-1], "full_attention"]  # the reference forces the last layer to full attention
    if len(kinds) != count or not set(kinds) <= set(_ROPE_DEFAULTS):
        raise ConfigError(f"config.json: text_config.layer_types must name {count} sliding_attention or full_attention")
    overrides = text.get("per_layer_config") or {}
    shapes = []
    for index, kind in enumerate(kinds):
        head_dim, kv_heads = positive(text, "head_dim"), positive(text, "num_key_value_heads")
        if kind == "full_attention":
            full = {
                "head_dim": text.get("global_head_dim") or (head_dim if overrides else 512),
                "num_key_value_heads": text.get("num_global_key_value_heads") or kv_heads,
                **overrides.get(str(index), {}),
            }
            head_dim, kv_heads = positive(full, "head_dim"), positive(full, "num_key_value_heads")
        if text["num_attention_heads"] % kv_heads:
            raise ConfigError(
                f"config.json: layer {index} has {kv_heads} key/value heads, which do not divide the heads"
            )
        shapes.append(LayerShape("full" if kind == "full_attention" else "sliding", head_dim, kv_heads))
    return tuple(shapes)


def _rope_shapes(text: dict[str, Any]) -> dict[LayerKind, RopeShape]:
    parameters = text.get("rope_parameters") or _ROPE_DEFAULTS
    shapes: dict[LayerKind, RopeShape] = {}
    kinds: tuple[tuple[str, LayerKind], ...] = (("sliding_attention", "sliding"), ("full_attention", "full"))
    for name, kind in kinds:
        own = {**_ROPE_DEFAULTS[name], **(parameters.get(name) or {})}
        if own["rope_type"] != _ROPE_DEFAULTS[name]["rope_type"]:
            raise ConfigError(f"config.json: rope_type {own['rope_type']!r} of {name} is not supported")
        shapes[kind] = RopeShape(float(own["rope_theta"]), float(own.get("partial_rotary_factor", 1.0)))
    return shapes
