"""GGUF checkpoints (llama.cpp's format) of the architectures `qwen2` and `llama`.

The file is presented as a Hugging Face folder would be: the same config.json, the same tensors, the same
tokenizer. Tensors are dequantised one at a time from the mapped file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from gguf.quants import dequantize
from tokenizers import Tokenizer
from torch import Tensor

from engine.weights.checkpoint import CheckpointError
from engine.weights.gguf_config import read_config
from engine.weights.gguf_header import TensorInfo, read_header
from engine.weights.gguf_tokenizer import build_tokenizer

_EMBEDDING, _OUTPUT, _ROPE_FACTORS = "token_embd.weight", "output.weight", "rope_freqs.weight"
_CHUNK = 2**20  # values dequantised at a time: little memory beside the result, and it stays in the cache
_BITS = {"F32": 24, "F16": 11, "BF16": 8, "Q8_0": 8, "Q6_K": 6, "Q5_K": 5, "Q5_1": 5, "Q5_0": 5}  # the others: 4
_SAMPLED_ROWS = 256


class GGUFFile:
    """An opened GGUF file, checked to be complete. Raises `CheckpointError` (one line) when it is not."""

    def __init__(self, path: Path) -> None:
        self._header = read_header(path)
        factors = self._header.tensors.get(_ROPE_FACTORS)
        self._config = read_config(self._header, None if factors is None else self._rows(factors)[0])
        self._config["attention_bias"] = "blk.0.attn_q.bias" in self._header.tensors
        self._sources = self._find_tensors()
        self._tie_embedding()

    def config(self) -> dict[str, Any]:
        """Returns the equivalent Hugging Face config.json."""
        return dict(self._config)

    def tokenizer(self) -> Tokenizer:
        """Builds the tokenizer. Raises `CheckpointError` for a kind that is not supported."""
        return build_tokenizer(self._header)

    def tensors(self, dtype: torch.dtype = torch.float32) -> Iterator[tuple[str, Tensor]]:
        """Yields every tensor in `dtype` under its Hugging Face name, one at a time.

        A tied embedding comes once, as `model.embed_tokens.weight`.
        """
        for name, info in self._sources.items():
            yield name, self._in_half_split_order(name, self._read(info, dtype))

    def _find_tensors(self) -> dict[str, TensorInfo]:
        """Returns the file's tensors by their Hugging Face names; complains of missing, unknown and misshapen ones."""
        present, path = self._header.tensors, self._header.path
        expected = self._expected()
        missing = [name for name in expected if name not in present and name != _OUTPUT]
        if missing:
            more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
            raise CheckpointError(f"{path}: missing tensors {', '.join(missing[:3])}{more}; download the model again")
        tokens, rows = self._config["vocab_size"], present[_EMBEDDING].shape[0]
        if tokens != rows:
            raise CheckpointError(f"{path}: the tokenizer has {tokens} tokens, the model {rows}; download it again")
        for name, info in present.items():
            if name == _ROPE_FACTORS:
                continue
            if name not in expected:
                raise CheckpointError(f"{path}: unexpected tensor {name}; such models are not supported")
            if info.shape != expected[name][1]:
                raise CheckpointError(
                    f"{path}: tensor {name} has shape {list(info.shape)}, the metadata says {list(expected[name][1])}"
                )
        return {published: present[name] for name, (published, _) in expected.items() if name in present}

    def _expected(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        """Returns the Hugging Face name and the shape of every tensor that a file of this config has."""
        config = self._config
        hidden, inner, vocabulary = config["hidden_size"], config["intermediate_size"], config["vocab_size"]
        q = config["num_attention_heads"] * config["head_dim"]
        kv = config["num_key_value_heads"] * config["head_dim"]
        layer: dict[str, tuple[str, tuple[int, ...]]] = {
            "attn_norm.weight": ("input_layernorm.weight", (hidden,)),
            "attn_q.weight": ("self_attn.q_proj.weight", (q, hidden)),
            "attn_k.weight": ("self_attn.k_proj.weight", (kv, hidden)),
            "attn_v.weight": ("self_attn.v_proj.weight", (kv, hidden)),
            "attn_output.weight": ("self_attn.o_proj.weight", (hidden, q)),
            "ffn_norm.weight": ("post_attention_layernorm.weight", (hidden,)),
            "ffn_gate.weight": ("mlp.gate_proj.weight", (inner, hidden)),
            "ffn_up.weight": ("mlp.up_proj.weight", (inner, hidden)),
            "ffn_down.weight": ("mlp.down_proj.weight", (hidden, inner)),
        }
        if config["attention_bias"]:
            layer["attn_q.bias"] = ("self_attn.q_proj.bias", (q,))
            layer["attn_k.bias"] = ("self_attn.k_proj.bias", (kv,))
            layer["attn_v.bias"] = ("self_attn.v_proj.bias", (kv,))
            if "blk.0.attn_output.bias" in self._header.tensors:
                layer["attn_output.bias"] = ("self_attn.o_proj.bias", (hidden,))
        expected: dict[str, tuple[str, tuple[int, ...]]] = {
            _EMBEDDING: ("model.embed_tokens.weight", (vocabulary, hidden))
        }
        for i in range(config["num_hidden_layers"]):
            expected |= {f"blk.{i}.{own}": (f"model.layers.{i}.{name}", shape) for own, (name, shape) in layer.items()}
        expected["output_norm.weight"] = ("model.norm.weight", (hidden,))
        expected[_OUTPUT] = ("lm_head.weight", (vocabulary, hidden))
        return expected

    def _tie_embedding(self) -> None:
        """Sets `tie_word_embeddings`; of two copies of one matrix, quantised differently, keeps the finer one."""
        embedding, output = self._sources["model.embed_tokens.weight"], self._sources.get("lm_head.weight")
        tied = output is None or self._are_copies(embedding, output)
        self._config["tie_word_embeddings"] = tied
        if tied and output is not None:
            self._sources["model.embed_tokens.weight"] = max(embedding, output, key=_bits)
            del self._sources["lm_head.weight"]

    def _are_copies(self, first: TensorInfo, second: TensorInfo) -> bool:
        """True when a sample of rows differs by less than the rounding of the coarser tensor."""
        coarse, fine = sorted((first, second), key=_bits)
        count = first.shape[0]
        rows = np.linspace(0, count - 1, min(count, _SAMPLED_ROWS)).astype(int)
        a, b = (dequantize(self._bytes(info)[rows], info.type) for info in (coarse, fine))
        blocks = a.reshape(-1, 32) if a.shape[1] % 32 == 0 else a
        step = float(np.ptp(blocks, axis=1).mean()) / 2 ** _bits(coarse)
        return bool(np.abs(a - b).mean() <= step)

    def _in_half_split_order(self, name: str, tensor: Tensor) -> Tensor:
        """Undoes the interleaving of each head's rotated pairs, which `llama` files have in queries and keys."""
        if self._config["model_type"] != "llama" or not (".q_proj." in name or ".k_proj." in name):
            return tensor
        pairs = tensor.view(-1, self._config["head_dim"] // 2, 2, *tensor.shape[1:])
        return pairs.transpose(1, 2).reshape(tensor.shape)

    def _read(self, info: TensorInfo, dtype: torch.dtype) -> Tensor:
        tensor = torch.empty(info.shape, dtype=dtype)
        rows = tensor.view(-1, info.shape[-1])
        step = max(1, _CHUNK // info.shape[-1])
        for start in range(0, len(rows), step):
            rows[start : start + step] = torch.tensor(self._rows(info, slice(start, start + step)))
        return tensor

    def _rows(self, info: TensorInfo, rows: slice = slice(None)) -> npt.NDArray[np.float32]:
        """Dequantises rows of a tensor."""
        return dequantize(self._bytes(info)[rows], info.type)

    def _bytes(self, info: TensorInfo) -> npt.NDArray[np.uint8]:
        """Returns the tensor's bytes in the file, row by row."""
        stored = np.frombuffer(self._header.data, np.uint8, info.n_bytes, info.start)
        return stored.reshape(max(1, np.prod(info.shape[:-1], dtype=int)), -1)


def _bits(info: TensorInfo) -> int:
    return _BITS.get(info.type.name, 4)
