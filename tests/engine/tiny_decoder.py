"""A random checkpoint of a tiny Qwen2 network in the published layout, with a tokenizer of bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from engine.model.decoder_config import DecoderConfig
from engine.model.decoder_only import DecoderOnly
from engine.weights.checkpoint import read_json, read_tensors
from engine.weights.decoder_loader import build, published_shapes

SPECIAL_TOKENS = ["<|endoftext|>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>"]
CONFIG: dict[str, Any] = {
    "model_type": "qwen2",
    "vocab_size": 256 + len(SPECIAL_TOKENS),
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1e6,
    "tie_word_embeddings": False,
}


def write(folder: Path) -> Path:
    """Write the checkpoint into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(3)
    tensors = {
        name: torch.randn(shape, generator=generator) * 0.15 + (1.0 if name.endswith("norm.weight") else 0.0)
        for name, shape in published_shapes(DecoderConfig.from_dict(CONFIG)).items()
    }
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(CONFIG))
    tokenizer().save(str(folder / "tokenizer.json"))
    return folder


def tokenizer() -> Tokenizer:
    """One token for each byte, then the special ones."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    result = Tokenizer(models.BPE({letter: index for index, letter in enumerate(alphabet)}, []))
    result.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # type: ignore[assignment]
    result.decoder = decoders.ByteLevel()  # type: ignore[assignment]
    result.add_special_tokens(SPECIAL_TOKENS)
    return result


def load(folder: Path, dtype: torch.dtype = torch.float32) -> DecoderOnly:
    """The network of a checkpoint."""
    config = DecoderConfig.from_dict(read_json(folder, "config.json"))
    return build(config, read_tensors(folder), str(folder), device=torch.device("cpu"), dtype=dtype)
