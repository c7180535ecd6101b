"""Layers put together for inference compute what the plain ones do."""

from __future__ import annotations

import pytest
import torch

from engine.infill.loading import DEFAULT_MODEL
from engine.model.config import ModelConfig
from engine.model.dense import make_dense
from engine.model.diffusion_gemma import DiffusionGemma
from engine.weights.checkpoint import load_network, read_json

VOCABULARY = 8192


def random_network(**changes: int) -> DiffusionGemma:
    """The shipped model's shape but for `changes`, with random weights, norms and scales too."""
    config = read_json(DEFAULT_MODEL, "config.json")
    config["text_config"] |= changes
    network = DiffusionGemma(ModelConfig.from_dict(config)).eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    for tensor in network.state_dict().values():
        if tensor.dim() > 1:
            tensor.normal_(std=tensor.shape[-1] ** -0.5, generator=generator)
        else:
            tensor.uniform_(0.5, 1.5, generator=generator)
    return network


def outputs(network: DiffusionGemma) -> list[torch.Tensor]:
    """What both sides answer, with and without a context, with and without chosen rows."""
    generator = torch.Generator().manual_seed(1)
    context, canvas = (torch.randint(16, VOCABULARY, (1, length), generator=generator) for length in (70, 24))
    cache = network.encode(context)
    hidden, longer = network.encode_hidden(canvas, cache)
    return [
        network.encode_hidden(context)[0],
        hidden,
        longer.layers[-1].keys,
        longer.layers[-1].values,
        network.denoise(canvas, cache, rows=torch.arange(3, 9)),
        network.denoise(canvas, cache),
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"moe_intermediate_size": 96},  # expert and dense half of unequal width
        {"num_key_value_heads": 1, "num_global_key_value_heads": 4, "global_head_dim": 32},
        {"sliding_window": 32},
    ],
    ids=str,
)
@torch.inference_mode()
def test_a_dense_layer_computes_what_the_plain_one_does(changes):
    plain, dense = random_network(**changes), random_network(**changes)
    make_dense(dense)
    for one, other in zip(outputs(plain), outputs(dense), strict=True):
        torch.testing.assert_close(one, other, atol=2e-4, rtol=2e-4)


@torch.inference_mode()
def test_the_shipped_model_says_the_same():
    plain, dense = load_network(DEFAULT_MODEL), load_network(DEFAULT_MODEL)
    make_dense(dense)
    for one, other in zip(outputs(plain), outputs(dense), strict=True):
        torch.testing.assert_close(one, other, atol=2e-4, rtol=2e-4)


def test_a_choice_of_experts_is_left_as_it_is():
    network = random_network(num_experts=4, top_k_experts=2)
    before = list(network.layers)
    make_dense(network)
    assert list(network.layers) == before
