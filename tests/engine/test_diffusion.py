"""Denoising on a small random network: pins, noise, stop, cancel, seeds."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
import torch

from engine.diffusion.canvas import Canvas, Noise
from engine.diffusion.loop import denoise_canvas, generate
from engine.diffusion.sampler import DiffusionSettings, accept, entropy
from engine.diffusion.stopping import StopRule
from engine.model.config import ModelConfig
from engine.model.diffusion_gemma import DiffusionGemma

VOCABULARY, MASK, PADDING = 64, 4, 3
NEVER = DiffusionSettings(max_steps=6, confidence=1e-9)


@pytest.fixture(scope="module")
def network() -> DiffusionGemma:
    torch.manual_seed(0)
    text = {
        "vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 16, "moe_intermediate_size": 16,
        "num_experts": 4, "top_k_experts": 2, "num_hidden_layers": 2, "num_attention_heads": 2,
        "num_key_value_heads": 1, "head_dim": 16, "global_head_dim": 16, "sliding_window": 8,
        "max_position_embeddings": 256,
    }  # fmt: skip
    config = {"model_type": "diffusion_gemma", "canvas_length": 8, "text_config": text}
    network = DiffusionGemma(ModelConfig.from_dict(config)).eval().requires_grad_(False)
    for parameter in network.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    return network


def canvas(kind: str = "uniform") -> Canvas:
    """[5, 6, gap of 6, 7, 8]"""
    noise = Noise(kind, VOCABULARY, MASK)
    ids = torch.tensor([5, 6, *noise.draw(6, torch.device("cpu"), torch.Generator().manual_seed(1)).tolist(), 7, 8])
    pinned = torch.tensor([True] * 2 + [False] * 6 + [True] * 2)
    return Canvas(ids, pinned, noise)


def seen_canvases(network, cache, canvas, settings, monkeypatch):
    """The ids that the network was shown, step by step."""
    seen, denoise = [], network.denoise
    with monkeypatch.context() as patch:
        patch.setattr(network, "denoise", lambda ids, *rest: (seen.append(ids[0].clone()), denoise(ids, *rest))[1])
        list(denoise_canvas(network, cache, canvas, settings, torch.Generator().manual_seed(0)))
    return seen


@pytest.fixture(scope="module")
def cache(network):
    return network.encode(torch.tensor([[2, 10, 11, 12]]))


@pytest.mark.parametrize("kind", ["uniform", "mask"])
def test_pinned_tokens_never_change(network, cache, kind, monkeypatch):
    seen = seen_canvases(network, cache, canvas(kind), NEVER, monkeypatch)
    assert len(seen) == 6
    assert all(ids[:2].tolist() == [5, 6] and ids[-2:].tolist() == [7, 8] for ids in seen)
    assert len({tuple(ids.tolist()) for ids in seen}) > 1  # the gap did change


def test_unaccepted_slots_of_a_mask_canvas_are_masked_again(network, cache, monkeypatch):
    first, second, *_ = seen_canvases(network, cache, canvas("mask"), NEVER, monkeypatch)
    assert first[2:8].tolist() == [MASK] * 6
    steps = denoise_canvas(network, cache, canvas("mask"), NEVER, torch.Generator().manual_seed(0))
    accepted = next(steps).accepted
    assert accepted.any()
    assert (second[2:8][~accepted] == MASK).all()


def test_pins_cost_no_entropy_budget(network, cache):
    """With and without computing the pinned rows, the same slots are accepted."""
    only_gap = next(denoise_canvas(network, cache, canvas("mask"), NEVER, torch.Generator().manual_seed(0)))
    all_rows = next(
        denoise_canvas(network, cache, canvas("mask"), NEVER, torch.Generator().manual_seed(0), all_rows=True)
    )
    assert torch.equal(only_gap.accepted, all_rows.accepted)
    torch.testing.assert_close(only_gap.entropies, all_rows.entropies)


def test_everything_behind_an_accepted_padding_token_is_padding(network, cache, monkeypatch):
    sure_of_padding = torch.zeros(1, 6, VOCABULARY)
    sure_of_padding[0, 2, PADDING] = 50.0
    seen = []
    monkeypatch.setattr(
        network, "denoise", lambda ids, *rest: (seen.append(ids[0].clone()), sure_of_padding.clone())[1]
    )
    plain = canvas("mask")
    padded = Canvas(plain.ids, plain.pinned, plain.noise, padding_id=PADDING)
    list(itertools.islice(denoise_canvas(network, cache, padded, NEVER, torch.Generator().manual_seed(0)), 2))
    assert seen[1][4:8].tolist() == [PADDING] * 4
    assert PADDING not in seen[1][2:4]


@pytest.mark.parametrize("all_rows", [False, True])
@pytest.mark.parametrize("slots", [(), (6,)], ids=["every slot", "each slot"])
def test_banned_tokens_are_never_predicted(network, cache, slots, all_rows):
    plain = canvas()
    ban = (torch.arange(VOCABULARY) < 32).expand(*slots, VOCABULARY)
    banned = Canvas(plain.ids, plain.pinned, plain.noise, banned=ban)
    drafts = [step.draft for step in denoise_canvas(network, cache, banned, NEVER, all_rows=all_rows)]
    assert torch.cat(drafts).min() >= 32


def test_nothing_is_drawn_after_the_last_step(network, cache):
    generator = torch.Generator().manual_seed(7)
    one_step = dataclasses.replace(NEVER, max_steps=1)
    list(denoise_canvas(network, cache, canvas("mask"), one_step, generator))
    assert torch.equal(generator.get_state(), torch.Generator().manual_seed(7).get_state())


def test_same_seed_same_result(network, cache):
    runs = [
        list(denoise_canvas(network, cache, canvas(), NEVER, torch.Generator().manual_seed(7)))[-1].draft.tolist()
        for _ in range(2)
    ]
    assert runs[0] == runs[1]


def test_stopping_the_iteration_stops_the_work(network, cache, monkeypatch):
    calls, denoise = [], network.denoise
    monkeypatch.setattr(network, "denoise", lambda *rest: (calls.append(1), denoise(*rest))[1])
    for step in denoise_canvas(network, cache, canvas(), NEVER):
        if step.number == 2:
            break
    assert len(calls) == 2


def test_generate_continues_over_canvases(network):
    new = generate(network, torch.tensor([2, 10, 11]), DiffusionSettings(max_steps=3, stop_ids=()), max_new_tokens=20)
    assert len(new) == 24  # whole canvases of 8


def test_stop_rule_wants_a_stable_and_sure_draft():
    rule = StopRule(stability=1, confidence=0.1)
    same, other, sure, unsure = torch.tensor([1, 2]), torch.tensor([1, 3]), torch.zeros(2), torch.ones(2)
    assert not rule.done(same, sure)  # nothing to compare with yet
    assert rule.done(same, sure)
    assert not rule.done(other, sure)
    assert not rule.done(other, unsure)


def test_accept_takes_the_surest_slots_within_the_bound_and_at_least_one():
    assert accept(torch.tensor([0.5, 0.04, 0.05, 0.3]), 0.1).tolist() == [False, True, True, True]
    assert accept(torch.tensor([3.0, 2.0, 4.0]), 0.1).tolist() == [False, True, False]


def test_entropy_of_ruled_out_tokens_is_no_nan():
    logits = torch.tensor([[0.0, -torch.inf, -torch.inf], [0.0, 0.0, -torch.inf]])
    torch.testing.assert_close(entropy(logits, logits.softmax(-1)), torch.tensor([0.0, 2.0]).log().clamp(min=0))


def test_temperature_falls_linearly():
    settings = DiffusionSettings(max_steps=4, t_min=0.4, t_max=0.8)
    assert [round(settings.temperature(n), 3) for n in (4, 3, 2, 1)] == [0.8, 0.7, 0.6, 0.5]


def test_settings_come_from_the_published_generation_config():
    config = {
        "max_denoising_steps": 16, "t_min": 0.3, "t_max": 0.9, "stability_threshold": 2, "confidence_threshold": 0.01,
        "sampler_config": {"_cls_name": "EntropyBoundSamplerConfig", "entropy_bound": 0.2},
        "eos_token_id": [1, 106], "pad_token_id": 0,
    }  # fmt: skip
    assert DiffusionSettings.from_dict(config) == DiffusionSettings(
        max_steps=16, t_min=0.3, t_max=0.9, stability=2, confidence=0.01, entropy_bound=0.2, stop_ids=(1, 106)
    )
    with pytest.raises(ValueError, match="generation_config"):
        DiffusionSettings.from_dict({"max_denoising_steps": -1})
