"""Small GGUF files, written as llama.cpp's converter writes them."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Type
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel, Qwen2Config, Qwen2ForCausalLM

HIDDEN, INNER, HEADS, KV_HEADS, LAYERS = 256, 512, 4, 2, 2
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>")
PLAIN = ("<tool_call>", "</tool_call>")  # kept whole, though not special
SPLIT = (  # Llama 3 takes up to three digits together, Qwen each alone
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
DIGITS = {"qwen2": "", "llama-bpe": "{1,3}"}
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, BYTE = 1, 2, 3, 4, 6
NAMES = {  # ours by GGUF's
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
} | {
    f"blk.{i}.{own}.{leaf}": f"model.layers.{i}.{name}.{leaf}"
    for i in range(LAYERS)
    for leaf in ("weight", "bias")
    for own, name in {
        "attn_norm": "input_layernorm",
        "attn_q": "self_attn.q_proj",
        "attn_k": "self_attn.k_proj",
        "attn_v": "self_attn.v_proj",
        "attn_output": "self_attn.o_proj",
        "ffn_norm": "post_attention_layernorm",
        "ffn_gate": "mlp.gate_proj",
        "ffn_up": "mlp.up_proj",
        "ffn_down": "mlp.down_proj",
    }.items()
}


@functools.cache
def byte_level_vocabulary(pre: str) -> tuple[list[str], list[str]]:
    """Returns the tokens and the merges of a byte-level tokenizer trained on this project's tests and some numbers."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(SPLIT % DIGITS[pre]), "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)]
    )
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=800, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([*_sources(), " 12 34 100 123 255 404 512 999 2024 65536" * 100], trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return sorted(model["vocab"], key=model["vocab"].__getitem__), [" ".join(merge) for merge in model["merges"]]


@functools.cache
def sentencepiece_vocabulary() -> list[str]:
    """Returns the tokens of a tokenizer over characters: special ones, bytes, then pieces of text."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(split=True)
    tokenizer.train_from_iterator(_sources(), trainers.BpeTrainer(vocab_size=500, show_progress=False))
    vocabulary = tokenizer.get_vocab()
    pieces = sorted(vocabulary, key=lambda token: (len(token) == 1, vocabulary[token]))
    return ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *pieces]


def _sources() -> list[str]:
    return [path.read_text("utf-8") for path in sorted(Path(__file__).parent.parent.glob("test_c*.py"))]


def byte_level_metadata(pre: str = "qwen2") -> dict[str, Any]:
    """Returns the metadata of a byte-level tokenizer."""
    tokens, merges = byte_level_vocabulary(pre)
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": pre,
        "tokenizer.ggml.tokens": [*tokens, *SPECIAL, *PLAIN],
        "tokenizer.ggml.token_type": [NORMAL] * len(tokens) + [CONTROL] * len(SPECIAL) + [USER_DEFINED] * len(PLAIN),
        "tokenizer.ggml.merges": merges,
        "tokenizer.ggml.bos_token_id": len(tokens),
        "tokenizer.ggml.eos_token_id": len(tokens) + 2,
        "tokenizer.ggml.padding_token_id": len(tokens),
        "tokenizer.ggml.add_bos_token": False,
    }


def sentencepiece_metadata() -> dict[str, Any]:
    """Returns the metadata of a tokenizer as Llama 2 has it."""
    tokens = sentencepiece_vocabulary()
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": [0.0] * 259 + [-float(index) for index in range(len(tokens) - 259)],
        "tokenizer.ggml.token_type": [UNKNOWN, CONTROL, CONTROL] + [BYTE] * 256 + [NORMAL] * (len(tokens) - 259),
        "tokenizer.ggml.unknown_token_id": 0,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.add_bos_token": True,
    }


def metadata(architecture: str = "qwen2") -> dict[str, Any]:
    """Returns the metadata of a small model."""
    return {
        f"{architecture}.block_count": LAYERS,
        f"{architecture}.context_length": 512,
        f"{architecture}.embedding_length": HIDDEN,
        f"{architecture}.feed_forward_length": INNER,
        f"{architecture}.attention.head_count": HEADS,
        f"{architecture}.attention.head_count_kv": KV_HEADS,
        f"{architecture}.attention.layer_norm_rms_epsilon": 1e-6,
        f"{architecture}.rope.freq_base": 1_000_000.0,
        f"{architecture}.rope.dimension_count": HIDDEN // HEADS,
        **byte_level_metadata("qwen2" if architecture == "qwen2" else "llama-bpe"),
    }


def network(architecture: str = "qwen2", tied: bool = True) -> PreTrainedModel:
    """Builds a small network with random weights, the biases and norms among them."""
    torch.manual_seed(0)
    kind, config_kind = (Qwen2ForCausalLM, Qwen2Config) if architecture == "qwen2" else (LlamaForCausalLM, LlamaConfig)
    config = config_kind(
        vocab_size=len(byte_level_metadata()["tokenizer.ggml.tokens"]),
        hidden_size=HIDDEN,
        intermediate_size=INNER,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=KV_HEADS,
        max_position_embeddings=512,
        rms_norm_eps=1e-6,
        rope_parameters={"rope_type": "default", "rope_theta": 1_000_000.0},
        tie_word_embeddings=tied,
    )
    model = kind(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model


def gguf_tensors(model: PreTrainedModel, architecture: str = "qwen2") -> dict[str, Tensor]:
    """Returns a network's tensors as llama.cpp's converter stores them, with pairs of rotated rows interleaved."""
    state, tensors = model.state_dict(), {}
    for own, name in NAMES.items():
        if name not in state or (name == "lm_head.weight" and model.config.tie_word_embeddings):
            continue
        tensor = state[name]
        if architecture == "llama" and (".attn_q." in own or ".attn_k." in own):
            halves = tensor.view(-1, 2, HIDDEN // HEADS // 2, *tensor.shape[1:])
            tensor = halves.transpose(1, 2).reshape(tensor.shape)
        tensors[own] = tensor
    return tensors


def write_gguf(
    path: Path,
    tensors: dict[str, Tensor],
    architecture: str = "qwen2",
    values: dict[str, Any] | None = None,
    types: dict[str, Type] | None = None,
) -> Path:
    """Writes a file. `values` replaces metadata (None leaves it out); `types` says how tensors are quantised."""
    writer = gguf.GGUFWriter(path, architecture)
    for key, value in (metadata(architecture) | (values or {})).items():
        _add(writer, key, value)
    for name, tensor in tensors.items():
        kind = (types or {}).get(name, Type.F32)
        stored = quantized(tensor.numpy(), kind)
        writer.add_tensor(name, stored, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add(writer: gguf.GGUFWriter, key: str, value: Any) -> None:
    if value is None:
        return
    kinds = {bool: writer.add_bool, int: writer.add_uint32, float: writer.add_float32, str: writer.add_string}
    kinds.get(type(value), writer.add_array)(key, value)


def quantized(values: np.ndarray, kind: Type) -> np.ndarray:
    """Quantises; of kinds that the package cannot write, returns random blocks with scales of a sane size."""
    if kind.name not in ("Q4_K", "Q5_K", "Q6_K"):
        return gguf.quantize(values, kind)
    block, size = gguf.GGML_QUANT_SIZES[kind]
    raw = np.random.default_rng(0).integers(0, 256, (values.shape[0], values.shape[1] // block, size), dtype=np.uint8)
    scales = slice(size - 2, size) if kind == Type.Q6_K else slice(0, 4)
    raw[..., scales] = np.full(2, 1e-3, np.float16).view(np.uint8)[: scales.stop - scales.start]
    return raw.reshape(values.shape[0], -1)
