"""Fills a decoder-only network from tensors under their published names, joining and quantising as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from engine.model.decoder_config import DecoderConfig
from engine.model.decoder_only import AnyLinear, DecoderLayer, DecoderOnly
from engine.model.linear import Int8Linear, Linear, quantize_rows
from engine.weights.checkpoint import CheckpointError

WeightFormat = Literal["plain", "int8"]

_ROWS_AT_ONCE = 16_384  # rows quantised at a time: bounds the float32 copy

# Our matrix, and the published ones whose rows it joins, in order.
_JOINED = {
    "qkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "out": ("self_attn.o_proj",),
    "gate_up": ("mlp.gate_proj", "mlp.up_proj"),
    "down": ("mlp.down_proj",),
}
_NORMS = {"attention_norm": "input_layernorm.weight", "mlp_norm": "post_attention_layernorm.weight"}


@dataclass
class _Builder:
    """A network under construction, and the published tensors that still wait for their companions."""

    network: DecoderOnly
    device: torch.device
    dtype: torch.dtype
    format: WeightFormat
    waiting: dict[str, Tensor] = field(default_factory=dict)

    def matrix(self, weights: list[Tensor], biases: list[Tensor]) -> AnyLinear:
        """Joins published matrices [N, K] by their rows and puts them into the wanted format."""
        bias = torch.cat(biases) if biases else None
        if self.format == "plain":
            joined = torch.cat([w.to(self.device, self.dtype) for w in weights])
            return Linear(joined, None if bias is None else bias.to(self.device, self.dtype))
        parts = [quantize_rows(part) for w in weights for part in w.to(self.device).split(_ROWS_AT_ONCE)]
        rows, scales = (torch.cat(same) for same in zip(*parts, strict=True))
        return Int8Linear(rows, scales, None if bias is None else bias.to(self.device, torch.float32))


def build(
    config: DecoderConfig,
    tensors: Iterable[tuple[str, Tensor]],
    where: str,
    *,
    device: torch.device,
    dtype: torch.dtype,
    weights: WeightFormat = "plain",
    progress: Callable[[float], None] | None = None,
) -> DecoderOnly:
    """Build a network, ready for inference, from (published name, tensor) pairs in any order.

    `where` names the checkpoint in messages. `progress` is called with the share of tensors read, in [0, 1].
    Raises `CheckpointError` naming a tensor that is missing, unexpected or of the wrong shape.
    """
    builder = _Builder(DecoderOnly(config), device, dtype, weights)
    expected = published_shapes(config)
    total = len(expected)
    for name, tensor in tensors:
        if name == "lm_head.weight" and config.tied:
            continue
        shape = expected.pop(name, None)
        if shape is None:
            raise CheckpointError(f"{where}: unexpected tensor {name} (is this checkpoint of another model?)")
        if tuple(tensor.shape) != shape:
            raise CheckpointError(
                f"{where}: tensor {name} has shape {list(tensor.shape)}, config.json says {list(shape)}"
            )
        if not tensor.dtype.is_floating_point:
            raise CheckpointError(f"{where}: tensor {name} is {tensor.dtype}; this quantisation is not supported")
        _place(builder, name, tensor)
        if progress:
            progress(1 - len(expected) / total)
    if expected:
        names = sorted(expected)
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        raise CheckpointError(f"{where}: missing tensors {', '.join(names[:3])}{more}; download the model again")
    if config.tied:
        builder.network.head = builder.network.embedding
    return builder.network.eval().requires_grad_(False)


def pack(network: DecoderOnly) -> None:
    """Make int8 matrices ready for use; from then on the network cannot be saved."""
    for module in network.modules():
        if isinstance(module, Int8Linear):
            module.pack(keep_rows=module is network.embedding)


def from_state(
    config: DecoderConfig, state: dict[str, Tensor], device: torch.device, dtype: torch.dtype
) -> DecoderOnly:
    """Rebuild an int8 network from its `state_dict`, as it was written; not packed yet."""
    network = DecoderOnly(config)

    def matrix(name: str) -> Int8Linear:
        parts = (state.get(f"{name}.{part}") for part in ("weight", "scale", "bias"))
        weight, scale, bias = (None if part is None else part.to(device) for part in parts)
        assert weight is not None
        assert scale is not None
        return Int8Linear(weight, scale, bias)

    network.embedding = matrix("embedding")
    network.head = network.embedding if config.tied else matrix("head")
    network.register_buffer("final_norm", state["final_norm"].to(device, dtype))
    for index, (layer, _) in enumerate(network.stack):
        for own in _NORMS:
            layer.register_buffer(own, state[f"layers.{index}.{own}"].to(device, dtype))
        for own in _JOINED:
            setattr(layer, own, matrix(f"layers.{index}.{own}"))
    return network.eval().requires_grad_(False)


def published_shapes(config: DecoderConfig) -> dict[str, tuple[int, ...]]:
    """The name and shape of every tensor of a checkpoint."""
    d, f, heads = config.hidden_size, config.intermediate_size, config.num_heads * config.head_dim
    kv = config.kv_heads * config.head_dim
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (config.vocab_size, d),
        "model.norm.weight": (d,),
    }
    if not config.tied:
        shapes["lm_head.weight"] = (config.vocab_size, d)
    for index in range(config.num_layers):
        layer = {
            "input_layernorm.weight": (d,),
            "post_attention_layernorm.weight": (d,),
            "self_attn.q_proj.weight": (heads, d),
            "self_attn.k_proj.weight": (kv, d),
            "self_attn.v_proj.weight": (kv, d),
            "self_attn.o_proj.weight": (d, heads),
            "mlp.gate_proj.weight": (f, d),
            "mlp.up_proj.weight": (f, d),
            "mlp.down_proj.weight": (d, f),
        }
        if config.qkv_bias:
            layer |= {f"self_attn.{p}_proj.bias": (n,) for p, n in (("q", heads), ("k", kv), ("v", kv))}
        if config.out_bias:
            layer["self_attn.o_proj.bias"] = (d,)
        shapes |= {f"model.layers.{index}.{name}": shape for name, shape in layer.items()}
    return shapes


def _place(builder: _Builder, name: str, tensor: Tensor) -> None:
    """Put a published tensor where it belongs; parts of a joined matrix wait until all are there."""
    network = builder.network
    match name.split(".", 3):
        case ["model", "norm", _]:
            network.register_buffer("final_norm", tensor.to(builder.device, builder.dtype))
        case ["model", "embed_tokens", _]:
            network.embedding = builder.matrix([tensor], [])
        case ["lm_head", _]:
            network.head = builder.matrix([tensor], [])
        case ["model", "layers", index, rest]:
            _place_in_layer(builder, network.stack[int(index)][0], f"model.layers.{index}.", rest, tensor)


def _place_in_layer(builder: _Builder, layer: DecoderLayer, prefix: str, name: str, tensor: Tensor) -> None:
    for own, published in _NORMS.items():
        if name == published:
            layer.register_buffer(own, tensor.to(builder.device, builder.dtype))
            return
    builder.waiting[prefix + name] = tensor
    own, parts = next((own, parts) for own, parts in _JOINED.items() if name.rpartition(".")[0] in parts)
    config = builder.network.config
    biased = (own == "qkv" and config.qkv_bias) or (own == "out" and config.out_bias)
    names = [prefix + part + ".weight" for part in parts]
    bias_names = [prefix + part + ".bias" for part in parts] if biased else []
    if all(n in builder.waiting for n in (*names, *bias_names)):
        weights, biases = ([builder.waiting.pop(n) for n in group] for group in (names, bias_names))
        setattr(layer, own, builder.matrix(weights, biases))
