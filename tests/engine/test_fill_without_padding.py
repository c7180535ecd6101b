"""A checkpoint like DiffusionGemma's own: uniform noise, no token for an empty slot, a chat turn to write in.

Its weights are random and its tokenizer is the shipped one with Gemma's turn tokens added: the real ones are
52 GB. So this is about the path, not about what is filled.
"""

from __future__ import annotations

import json

import pytest
import torch
from tokenizers import AddedToken

from engine import LoadedModel, load
from engine.infill import run
from engine.model.config import ModelConfig
from engine.model.diffusion_gemma import DiffusionGemma
from engine.protocol import FillRequest
from engine.training.tokenizer import load as load_tokenizer
from engine.weights.checkpoint import save_network

CONFIG = {
    "model_type": "diffusion_gemma",
    "canvas_length": 256,
    "text_config": {
        "vocab_size": 8200, "hidden_size": 32, "intermediate_size": 16, "moe_intermediate_size": 8,
        "num_experts": 8, "top_k_experts": 2, "num_hidden_layers": 2, "num_attention_heads": 2,
        "num_key_value_heads": 1, "head_dim": 16, "global_head_dim": 32, "sliding_window": 32,
        "max_position_embeddings": 4096,
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> LoadedModel:
    folder = tmp_path_factory.mktemp("gemma")
    torch.manual_seed(0)
    network = DiffusionGemma(ModelConfig.from_dict(CONFIG))
    for parameter in network.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=parameter.shape[-1] ** -0.5)
    save_network(network, folder, CONFIG, torch.bfloat16)
    tokenizer = load_tokenizer()
    tokenizer.add_special_tokens([AddedToken("<|turn>", special=True), AddedToken("<turn|>", special=True)])
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "generation_config.json").write_text(json.dumps({"max_denoising_steps": 4, "eos_token_id": [1, 8193]}))
    return load(folder, device="cpu", dtype="bfloat16")


def test_several_gap_lengths_are_denoised_and_the_causal_score_chooses(model):
    drafts = []
    request = FillRequest(
        prefix="def f(x):\n    return ", suffix="\n\nprint(f(1))\n", max_tokens=24, candidates=99, language="python"
    )
    result = run(model, request, on_draft=drafts.append)
    assert sorted({len(draft.slots) for draft in drafts}) == [6, 12, 24]
    assert {draft.pinned for draft in drafts} == {"\n\nprint(f(1))\n"}
    assert result.steps == len(drafts)
    assert "denoised" in {candidate.source for candidate in result.candidates}


def test_a_deadline_ends_the_trying_of_lengths(model):
    result = run(model, FillRequest(prefix="x = ", deadline_ms=0))
    assert (result.steps, result.finish_reason) == (1, "deadline")
