"""Qwen2 and Llama compute what transformers 5.23 computes, on tiny random checkpoints in the published layout.

Tolerances: both sides use the same attention kernel; joined matrices and the fused norm add up in another order, which
cost 2e-6 in float32 logits of size 3, and a few roundings of 2^-8 in bfloat16. A forgotten bias or a wrong rotation
costs more than 0.1.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, Qwen2Config

from engine.model.config import ConfigError
from engine.model.decoder_config import DecoderConfig
from engine.model.decoder_only import DecoderOnly
from engine.model.token_tree import ROOT, TokenTree
from engine.weights.checkpoint import CheckpointError, read_json, read_tensors
from engine.weights.decoder_loader import build, pack

CPU = torch.device("cpu")
SHAPE: dict[str, Any] = {
    "vocab_size": 300,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
}
FAMILIES = {
    "qwen2": Qwen2Config(**SHAPE, rope_theta=1e6, tie_word_embeddings=True),
    "qwen2-untied": Qwen2Config(**SHAPE, tie_word_embeddings=False),
    "llama": LlamaConfig(**SHAPE, tie_word_embeddings=False),
    "llama-bias": LlamaConfig(**{**SHAPE, "head_dim": 32}, attention_bias=True, tie_word_embeddings=True),
}


@pytest.fixture(scope="module", params=FAMILIES)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(3)
    model = AutoModelForCausalLM.from_config(FAMILIES[request.param])
    for parameter in model.parameters():  # library initialisation leaves norms at 1 and biases at 0
        parameter.data = torch.randn_like(parameter) * 0.15 + (1.0 if parameter.dim() == 1 else 0.0)
    path: Path = tmp_path_factory.mktemp("tiny") / request.param
    model.save_pretrained(path)
    return path


def ours(folder: Path, dtype: torch.dtype = torch.float32, **options: Any) -> DecoderOnly:
    config = DecoderConfig.from_dict(read_json(folder, "config.json"))
    network = build(config, read_tensors(folder), str(folder), device=CPU, dtype=dtype, **options)
    pack(network)
    return network


def ids(length: int) -> torch.Tensor:
    return torch.randint(0, 300, (1, length), generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 2e-5), (torch.bfloat16, 0.2)])
def test_logits_are_those_of_transformers(folder: Path, dtype: torch.dtype, bound: float) -> None:
    theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
    network = ours(folder, dtype)
    with torch.inference_mode():
        hidden, _ = network.encode_hidden(ids(40))
        assert (network.causal_logits(hidden) - theirs(ids(40)).logits.float()).abs().max() < bound


@pytest.mark.parametrize("chunks", [(1, 39), (39, 1), (7, 20, 13)])
def test_chunks_give_the_same_cache(folder: Path, chunks: tuple[int, ...]) -> None:
    network, cache, whole = ours(folder), None, ids(40)
    with torch.inference_mode():
        for chunk in whole.split(chunks, dim=1):
            hidden, cache = network.encode_hidden(chunk, cache)
        at_once, expected = network.encode_hidden(whole)
        assert (hidden[:, -1] - at_once[:, -1]).abs().max() < 2e-5
        assert cache is not None
        for mine, other in zip(cache.layers, network.encode(whole).layers, strict=True):
            assert (mine.keys - other.keys).abs().max() < 2e-5
        assert cache.length == expected.length == 40


def test_a_shorter_cache_is_a_beginning_of_a_longer_one(folder: Path) -> None:
    network = ours(folder)
    with torch.inference_mode():
        cut, short = network.encode(ids(40)).first(25), network.encode(ids(40)[:, :25])
        for mine, other in zip(cut.layers, short.layers, strict=True):
            assert (mine.keys - other.keys).abs().max() < 2e-5
            assert (mine.values - other.values).abs().max() < 2e-5


def test_a_canvas_sees_what_its_mask_says(folder: Path) -> None:
    """With a causal mask a canvas pass is an encoding pass; without one every row sees the whole canvas."""
    network, text = ours(folder), ids(30)
    context, canvas = text[:, :20], text[:, 20:]
    causal = torch.ones(10, 30, dtype=torch.bool).tril(20)
    theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.inference_mode():
        cache = network.encode(context)
        logits = network.denoise(canvas, cache, mask=causal)
        assert (logits - theirs(text).logits[:, 20:]).abs().max() < 2e-5
        everything = torch.zeros(1, 1, 30, 30)
        everything[..., :20, 20:] = -torch.inf  # the context stays causal
        everything[..., :20, :20] = torch.full((20, 20), -torch.inf).triu(1)
        assert (
            network.denoise(canvas, cache) - theirs(text, attention_mask=everything).logits[:, 20:]
        ).abs().max() < 2e-5
        some = torch.tensor([1, 4, 7])
        assert (network.denoise(canvas, cache, some, causal) - logits[:, some]).abs().max() < 2e-5


def test_a_token_tree_reads_each_branch_as_if_alone(folder: Path) -> None:
    network, text = ours(folder), ids(16)[0].tolist()
    with torch.inference_mode():
        cache = network.encode(torch.tensor([text[:10]]))
        tree = TokenTree(network, cache)
        hidden = tree.grow([text[10], text[11], 7, 8], [ROOT, 0, 0, 2])
        alone, _ = network.encode_hidden(torch.tensor([[text[10], 7, 8]]), cache)
        assert (hidden[3] - alone[0, 2]).abs().max() < 2e-5


def test_int8_weights_stay_close_and_do_not_depend_on_company(folder: Path) -> None:
    plain, small = ours(folder), ours(folder, weights="int8")
    with torch.inference_mode():
        expected = plain.causal_logits(plain.encode_hidden(ids(40))[0]).log_softmax(-1)
        hidden, _ = small.encode_hidden(ids(40))
        logits = small.causal_logits(hidden).log_softmax(-1)
        assert (expected.exp() * (expected - logits)).sum(-1).mean() < 0.02
        assert torch.equal(small.layers[0].qkv(hidden)[:, :3], small.layers[0].qkv(hidden[:, :3]))


def test_what_does_not_fit_is_named(folder: Path) -> None:
    config = read_json(folder, "config.json")
    tensors = dict(read_tensors(folder))

    def complaint(changed: dict[str, Any]) -> str:
        with pytest.raises(CheckpointError) as error:
            build(DecoderConfig.from_dict(config), changed.items(), "tiny", device=CPU, dtype=torch.float32)
        return str(error.value)

    name = "model.layers.1.mlp.up_proj.weight"
    assert complaint({n: t for n, t in tensors.items() if n != name}).startswith(f"tiny: missing tensors {name}")
    assert name in complaint({**tensors, name: torch.zeros(3, 3)})
    assert "unexpected tensor model.what" in complaint({**tensors, "model.what": torch.zeros(1)})
    for key, value in (("hidden_act", "relu"), ("rope_scaling", {"rope_type": "yarn"}), ("hidden_size", 0)):
        with pytest.raises(ConfigError, match=str(value if key != "rope_scaling" else "yarn")):
            DecoderConfig.from_dict({**config, key: value})
