"""A GGUF file is read as the folder that it was made from; a damaged or foreign one gives one line."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType as Type
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM
from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

from engine.weights import gguf as gguf_module
from engine.weights.checkpoint import CheckpointError
from engine.weights.gguf import GGUFFile
from tests.engine.weights.gguf_files import HEADS, HIDDEN, INNER, KV_HEADS, gguf_tensors, network, write_gguf

READABLE = ("F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K")
DOWN = "blk.1.ffn_down.weight"
HEAD_DIM = HIDDEN // HEADS


@pytest.fixture(scope="module")
def tensors() -> dict[str, Tensor]:
    """The tensors of a small tied `qwen2` model, under GGUF's names."""
    return gguf_tensors(network())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.gguf"


def logits(model: Any) -> Tensor:
    with torch.no_grad():
        return model(torch.arange(5, 45)[None]).logits


def rebuilt(file: GGUFFile) -> Any:
    """Builds a transformers model from what we read, and nothing else."""
    config = file.config()
    kind, config_kind = (
        (Qwen2ForCausalLM, Qwen2Config) if config["model_type"] == "qwen2" else (LlamaForCausalLM, LlamaConfig)
    )
    model = kind(config_kind(**{key: value for key, value in config.items() if key != "attention_bias"}))
    left_out = model.load_state_dict(dict(file.tensors()), strict=False)
    assert left_out.unexpected_keys == []
    assert left_out.missing_keys == (["lm_head.weight"] if config["tie_word_embeddings"] else [])
    return model.eval()


def read_by_transformers(path: Path, architecture: str = "qwen2", tied: bool = True) -> Any:
    """Loads a file by transformers' conversion; `from_pretrained` does the same, but but asks for accelerate."""
    model = network(architecture, tied)
    for parameter in model.parameters():
        parameter.data.zero_()
    model.load_state_dict(load_gguf_checkpoint(path, return_tensors=True, model_to_load=model)["tensors"], strict=False)
    return model


@pytest.mark.parametrize("architecture", ["qwen2", "llama"])
@pytest.mark.parametrize("tied", [True, False])
def test_a_model_predicts_what_it_did_before_it_was_a_gguf_file(path: Path, architecture: str, tied: bool) -> None:
    original = network(architecture, tied)
    write_gguf(path, gguf_tensors(original, architecture), architecture)

    ours = rebuilt(GGUFFile(path))

    assert torch.equal(logits(ours), logits(original))
    assert torch.equal(logits(ours), logits(read_by_transformers(path, architecture, tied)))


def test_a_quantised_model_predicts_what_it_does_in_transformers(path: Path, tensors: dict[str, Tensor]) -> None:
    types = {name: Type.Q8_0 for name, tensor in tensors.items() if tensor.ndim == 2} | {DOWN: Type.Q6_K}
    write_gguf(path, tensors, types=types)

    assert torch.equal(logits(rebuilt(GGUFFile(path))), logits(read_by_transformers(path)))


def test_config_is_that_of_the_published_folder(path: Path, tensors: dict[str, Tensor]) -> None:
    config = GGUFFile(write_gguf(path, tensors)).config()

    vocabulary = tensors["token_embd.weight"].shape[0]
    assert config == {
        "model_type": "qwen2",
        "vocab_size": vocabulary,
        "hidden_size": HIDDEN,
        "intermediate_size": INNER,
        "num_hidden_layers": 2,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
        "head_dim": HEAD_DIM,
        "rms_norm_eps": 1e-6,
        "rope_theta": 1_000_000.0,
        "rope_scaling": None,
        "max_position_embeddings": 512,
        "hidden_act": "silu",
        "attention_bias": True,
        "tie_word_embeddings": True,
        "eos_token_id": [vocabulary - 6, vocabulary - 8],  # <|im_end|>, <|endoftext|>
        "bos_token_id": vocabulary - 8,
        "pad_token_id": vocabulary - 8,
    }


@pytest.mark.parametrize("name", READABLE)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_every_type_is_dequantised(
    path: Path, tensors: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch, name: str, dtype: torch.dtype
) -> None:
    monkeypatch.setattr(gguf_module, "_CHUNK", 3 * INNER)  # rows are read three at a time
    write_gguf(path, tensors, types={DOWN: Type[name]})
    stored = next(tensor for tensor in gguf.GGUFReader(path).tensors if tensor.name == DOWN)
    expected = torch.tensor(gguf.dequantize(stored.data, stored.tensor_type))

    read = dict(GGUFFile(path).tensors(dtype))["model.layers.1.mlp.down_proj.weight"]

    assert torch.equal(read, expected.to(dtype))
    if name not in ("Q4_K", "Q5_K", "Q6_K"):
        assert (read - tensors[DOWN]).abs().mean() < 0.01


@pytest.mark.parametrize(
    ("embedding", "output", "kept"),
    [(Type.Q5_0, Type.Q8_0, "output"), (Type.Q8_0, Type.Q4_0, "embedding"), (Type.F16, Type.BF16, "embedding")],
)
def test_two_copies_of_one_matrix_are_tied_and_the_finer_is_kept(
    path: Path, tensors: dict[str, Tensor], embedding: Type, output: Type, kept: str
) -> None:
    matrix = tensors["token_embd.weight"]
    write_gguf(
        path,
        tensors | {"output.weight": matrix},
        types={"token_embd.weight": embedding, "output.weight": output},
    )

    file = GGUFFile(path)

    read = dict(file.tensors())
    finer = output if kept == "output" else embedding
    assert file.config()["tie_word_embeddings"] is True
    assert "lm_head.weight" not in read
    rounded = gguf.dequantize(gguf.quantize(matrix.numpy(), finer), finer)
    assert torch.equal(read["model.embed_tokens.weight"], torch.tensor(rounded))


@pytest.mark.parametrize("kind", [Type.F32, Type.Q8_0, Type.Q4_0])
def test_two_matrices_are_not_tied(path: Path, tensors: dict[str, Tensor], kind: Type) -> None:
    embedding = tensors["token_embd.weight"]
    other = embedding + 0.5 * embedding.std() * torch.randn_like(embedding)  # as if trained apart from one start
    write_gguf(path, tensors | {"output.weight": other}, types={"token_embd.weight": kind, "output.weight": kind})

    file = GGUFFile(path)

    assert file.config()["tie_word_embeddings"] is False
    assert (dict(file.tensors())["lm_head.weight"] - other).abs().mean() < 0.01


def llama3_factors(factor: float) -> Tensor:
    """Returns the factors of each frequency, as llama.cpp's converter computes them."""
    factors = []
    for i in range(0, HEAD_DIM, 2):
        wave = 2 * torch.pi * 1_000_000.0 ** (i / HEAD_DIM)
        smooth = (8192 / wave - 1) / (4 - 1)
        if wave < 8192 / 4:
            factors.append(1.0)
        elif wave > 8192:
            factors.append(factor)
        else:
            factors.append(1 / ((1 - smooth) / factor + smooth))
    return torch.tensor(factors)


def test_scaling_of_positions_as_in_llama_3_is_recognised(path: Path) -> None:
    tensors = gguf_tensors(network("llama"), "llama") | {"rope_freqs.weight": llama3_factors(32.0)}

    config = GGUFFile(write_gguf(path, tensors, "llama")).config()

    assert config["rope_scaling"] == {
        "rope_type": "llama3",
        "factor": 32.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }


def test_scaling_of_positions_in_the_metadata_is_passed_on(path: Path, tensors: dict[str, Tensor]) -> None:
    scaling = {"type": "yarn", "factor": 4.0, "original_context_length": 32768}
    write_gguf(path, tensors, values={f"qwen2.rope.scaling.{key}": value for key, value in scaling.items()})

    assert GGUFFile(path).config()["rope_scaling"] == {
        "rope_type": "yarn",
        "factor": 4.0,
        "original_max_position_embeddings": 32768,
    }


def refusal(path: Path) -> str:
    """Returns the one line that a file is refused with."""
    with pytest.raises(CheckpointError) as caught:
        GGUFFile(path).tokenizer()
    line = str(caught.value)
    assert "\n" not in line
    assert line.startswith(str(path))
    return line


def test_a_file_of_another_format_is_refused(path: Path) -> None:
    path.write_bytes(b"PK\x03\x04 something else")
    assert "is not a GGUF file" in refusal(path)
    path.write_bytes(b"")
    assert "is not a GGUF file" in refusal(path)


def test_a_missing_file_is_refused(path: Path) -> None:
    assert "cannot be read: No such file" in refusal(path)


def test_a_file_cut_anywhere_is_refused(path: Path, tensors: dict[str, Tensor]) -> None:
    whole = write_gguf(path, tensors).read_bytes()
    for length in (4, 10, 30, 100, 2000, 20_000, len(whole) // 2, len(whole) - 40):
        path.write_bytes(whole[:length])
        assert "is truncated" in refusal(path)


def test_absurd_lengths_are_refused(path: Path) -> None:
    for count in (2**63, 2**40):
        path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 1, 1) + struct.pack("<Q", count) + b"key")
        assert "is truncated" in refusal(path)
        array = struct.pack("<Q3sI", 3, b"key", 9) + struct.pack("<IQ", 4, count)
        path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 1, 1) + array)
        assert "is truncated" in refusal(path)


def test_another_version_is_refused(path: Path) -> None:
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 1, 0, 0))
    assert "is GGUF version 1" in refusal(path)


def test_another_architecture_is_named(path: Path, tensors: dict[str, Tensor]) -> None:
    types = {DOWN: Type.TQ1_0}  # the type alone would be refused too
    assert "a model of architecture gemma3" in refusal(write_gguf(path, tensors, "gemma3", types=types))


@pytest.mark.parametrize("kind", [Type.Q2_K, Type.IQ4_NL])
def test_a_type_that_is_not_read_is_named_with_its_tensor(path: Path, tensors: dict[str, Tensor], kind: Type) -> None:
    block, size = gguf.GGML_QUANT_SIZES[kind]
    writer = gguf.GGUFWriter(path, "qwen2")
    writer.add_tensor(DOWN, np.zeros((HIDDEN, INNER // block * size), np.uint8), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()

    assert f"tensor {DOWN} has type {kind.name}, which is not read" in refusal(path)


@pytest.mark.parametrize(
    "key",
    [
        "qwen2.block_count",
        "qwen2.embedding_length",
        "qwen2.feed_forward_length",
        "qwen2.attention.head_count",
        "qwen2.attention.layer_norm_rms_epsilon",
        "qwen2.context_length",
        "tokenizer.ggml.model",
        "tokenizer.ggml.pre",
        "tokenizer.ggml.tokens",
        "tokenizer.ggml.token_type",
        "tokenizer.ggml.merges",
    ],
)
def test_missing_metadata_is_named(path: Path, tensors: dict[str, Tensor], key: str) -> None:
    assert f"the metadata has no {key}" in refusal(write_gguf(path, tensors, values={key: None}))


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"qwen2.block_count": 0}, "qwen2.block_count is 0, not a positive integer"),
        ({"qwen2.attention.head_count": [4, 4]}, "head_count is [4, 4], not a positive integer"),
        ({"qwen2.rope.freq_base": -1.0}, "freq_base is -1.0, not a positive number"),
        ({"qwen2.rope.dimension_count": 32}, "rope.dimension_count is 32, the heads have 64 dimensions"),
        ({"qwen2.feed_forward_length": 1024}, "ffn_gate.weight has shape [512, 256], the metadata says [1024, 256]"),
        ({"tokenizer.ggml.model": 3}, "tokenizer.ggml.model is 3, not a text"),
        ({"tokenizer.ggml.model": "bert"}, "a tokenizer of kind bert"),
        ({"tokenizer.ggml.pre": "falcon"}, "splits text as falcon"),
        ({"tokenizer.ggml.merges": ["no such"]}, "a tokenizer that cannot be built"),
        ({"tokenizer.ggml.merges": ["alone"]}, "merge 'alone' is not a pair"),
        ({"tokenizer.ggml.token_type": [1, 1]}, "2 types of"),
        ({"tokenizer.ggml.eos_token_id": 10**6}, "eos_token_id is 1000000, not a token's id"),
    ],
)
def test_wrong_metadata_is_named(
    path: Path, tensors: dict[str, Tensor], values: dict[str, Any], complaint: str
) -> None:
    assert complaint in refusal(write_gguf(path, tensors, values=values))


def without(tensors: dict[str, Tensor], *names: str) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in tensors.items() if name not in names}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda all: without(all, DOWN), f"missing tensors {DOWN}; download"),
        (lambda all: without(all, "blk.1.attn_k.bias"), "missing tensors blk.1.attn_k.bias; download"),
        (lambda all: {"output_norm.weight": all["output_norm.weight"]}, "blk.0.attn_q.weight and 16 more"),
        (lambda all: all | {"blk.0.ffn_gate_exps.weight": all[DOWN]}, "unexpected tensor blk.0.ffn_gate_exps.weight"),
        (lambda all: all | {"rope_freqs.weight": torch.ones(32) * 2}, "rope_freqs.weight is not Llama 3's"),
        (lambda all: all | {"token_embd.weight": all["token_embd.weight"][:-1]}, "the tokenizer has"),
    ],
)
def test_missing_and_foreign_tensors_are_named(
    path: Path,
    tensors: dict[str, Tensor],
    change: Callable[[dict[str, Tensor]], dict[str, Tensor]],
    complaint: str,
) -> None:
    assert complaint in refusal(write_gguf(path, change(tensors)))
