"""The Hugging Face config.json that the metadata of a GGUF file stands for."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.weights.checkpoint import CheckpointError
from engine.weights.gguf_header import Header

_ROPE_BASE = 10_000.0  # llama.cpp's, where a file has none
_LLAMA3_ROPE = {"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
_END_TOKENS = ("<|endoftext|>", "<|im_end|>", "<|end_of_text|>", "<|eot_id|>", "<|eom_id|>", "</s>")
_CONTROL = 3  # the token type of special tokens


def read_config(header: Header, rope_factors: npt.NDArray[np.float32] | None) -> dict[str, Any]:
    """Returns the config, all but `tie_word_embeddings` and `attention_bias`. Raises `CheckpointError`.

    `rope_factors` is the content of the tensor `rope_freqs.weight`, where the file has one.
    """
    architecture = header.text("general.architecture")
    hidden = header.integer(f"{architecture}.embedding_length")
    heads = header.integer(f"{architecture}.attention.head_count")
    config: dict[str, Any] = {
        "model_type": architecture,
        "vocab_size": len(header.tokens()[0]),
        "hidden_size": hidden,
        "intermediate_size": header.integer(f"{architecture}.feed_forward_length"),
        "num_hidden_layers": header.integer(f"{architecture}.block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": header.integer(f"{architecture}.attention.head_count_kv", heads),
        "head_dim": _head_dim(header, architecture, hidden, heads),
        "rms_norm_eps": header.number(f"{architecture}.attention.layer_norm_rms_epsilon"),
        "rope_theta": header.number(f"{architecture}.rope.freq_base", _ROPE_BASE),
        "max_position_embeddings": header.integer(f"{architecture}.context_length"),
        "hidden_act": "silu",
    }
    config["rope_scaling"] = _rope_scaling(header, architecture, config, rope_factors)
    return config | _token_ids(header)


def _head_dim(header: Header, architecture: str, hidden: int, heads: int) -> int:
    head_dim = header.integer(f"{architecture}.attention.key_length", hidden // heads)
    for key in ("attention.value_length", "rope.dimension_count"):
        other = header.integer(f"{architecture}.{key}", head_dim)
        if other != head_dim:
            raise CheckpointError(
                f"{header.path}: metadata {architecture}.{key} is {other}, the heads have {head_dim} dimensions; "
                "such models are not supported"
            )
    return head_dim


def _rope_scaling(
    header: Header, architecture: str, config: dict[str, Any], factors: npt.NDArray[np.float32] | None
) -> dict[str, Any] | None:
    if factors is not None:
        return _llama3_rope(header, config, factors)
    prefix = f"{architecture}.rope.scaling."
    kind = header.metadata.get(prefix + "type", "none")
    if kind == "none":
        return None
    scaling = {"rope_type": kind, "factor": header.number(prefix + "factor")}
    if prefix + "original_context_length" in header.metadata:
        scaling["original_max_position_embeddings"] = header.integer(prefix + "original_context_length")
    if prefix + "attn_factor" in header.metadata:
        scaling["attention_factor"] = header.number(prefix + "attn_factor")
    return scaling


def _llama3_rope(header: Header, config: dict[str, Any], factors: npt.NDArray[np.float32]) -> dict[str, Any]:
    """Returns the parameters of Llama 3's scaling, of which the file holds only the result, frequency by frequency."""
    scaling = {"rope_type": "llama3", "factor": round(float(factors.max()), 4), **_LLAMA3_ROPE}
    exponents = np.arange(0, config["head_dim"], 2) / config["head_dim"]
    waves = 2 * math.pi * config["rope_theta"] ** exponents
    low, high = _LLAMA3_ROPE["low_freq_factor"], _LLAMA3_ROPE["high_freq_factor"]
    smooth = (_LLAMA3_ROPE["original_max_position_embeddings"] / waves - low) / (high - low)
    smooth = smooth.clip(0, 1)
    expected = 1 / ((1 - smooth) / scaling["factor"] + smooth)
    if factors.shape != expected.shape or not np.allclose(factors, expected, rtol=1e-3):
        raise CheckpointError(
            f"{header.path}: tensor rope_freqs.weight is not Llama 3's scaling of positions; "
            "such models are not supported"
        )
    return scaling


def _token_ids(header: Header) -> dict[str, Any]:
    """Returns the ids of the tokens that begin, end and pad a text; those that end it as a list, the main one first."""
    ids = {name: header.metadata.get(f"tokenizer.ggml.{name}_token_id") for name in ("eos", "eot", "eom", "bos")}
    padding = header.metadata.get("tokenizer.ggml.padding_token_id")
    tokens, types = header.tokens()
    control = {token: index for index, (token, kind) in enumerate(zip(tokens, types, strict=True)) if kind == _CONTROL}
    ends = [ids["eos"], ids["eot"], ids["eom"], *(control.get(token) for token in _END_TOKENS)]
    for key, token in {**ids, "padding": padding}.items():
        if token is not None and token not in range(len(tokens)):
            raise CheckpointError(f"{header.path}: metadata tokenizer.ggml.{key}_token_id is {token}, not a token's id")
    eos = list(dict.fromkeys(token for token in ends if token is not None))
    return {"eos_token_id": eos, "bos_token_id": ids["bos"], "pad_token_id": padding}
