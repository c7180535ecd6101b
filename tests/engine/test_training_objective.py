"""The losses, against plain torch and against the engine's own inference."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
import torch
from torch.nn import functional as F

from engine.model.diffusion_gemma import DiffusionGemma
from engine.training import objective
from engine.training.bpe import SUFFIX
from engine.training.data import CANVAS, CanvasBatch, Holes, infill_batch
from engine.training.objective import causal_loss, gap_logits, infill_loss
from engine.training.optimizer import orthogonalise, schedule
from engine.training.quality import quality
from engine.training.shape import SHAPES, new_network
from engine.training.shards import Shards

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def network() -> DiffusionGemma:
    return new_network(SHAPES["tiny"], seed=1)


@pytest.fixture(scope="module")
def shards(corpus: Path) -> Shards:
    return Shards(corpus, "held_out")


def batch(shards: Shards, holes: Holes) -> tuple[torch.Tensor, CanvasBatch]:
    return infill_batch(shards, Random(3), torch.Generator().manual_seed(3), 2, holes)


def test_the_chunked_loss_has_the_value_and_gradient_of_a_plain_one(
    network: DiffusionGemma, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(objective._CHUNK, "cpu", 7)
    ids = torch.randint(16, 8192, (2, 20), generator=torch.Generator().manual_seed(0))
    ids[0, 5] = SUFFIX  # where a hole is cannot be known: no loss there
    loss = causal_loss(network, ids, torch.float32)
    loss.value.backward()
    ours = {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}
    network.zero_grad(set_to_none=True)
    hidden, _ = network.encode_hidden(ids)
    logits = F.linear(hidden[:, :-1], network.embed_tokens.weight)
    logits = network.config.softcap * torch.tanh(logits / network.config.softcap)
    targets = torch.where(ids[:, 1:] == SUFFIX, -100, ids[:, 1:])
    plain = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
    plain.backward()
    torch.testing.assert_close(loss.value, plain)
    for name, parameter in network.named_parameters():
        if parameter.grad is not None:
            torch.testing.assert_close(ours[name], parameter.grad, rtol=1e-3, atol=1e-5)
    network.zero_grad(set_to_none=True)


@pytest.mark.parametrize("holes", [Holes(per_row=3), Holes(per_row=1, noise="uniform", suffix_first=True)])
def test_a_canvas_is_trained_as_it_is_denoised(network: DiffusionGemma, shards: Shards, holes: Holes) -> None:
    ids, canvases = batch(shards, holes)
    trained = gap_logits(network, ids, canvases)
    done = 0
    with torch.inference_mode():
        for row, (noisy, real, starts) in enumerate(zip(canvases.noisy, canvases.real, canvases.starts, strict=True)):
            for index, (canvas, mask, start) in enumerate(zip(noisy, real, starts, strict=True)):
                first = (row * holes.per_row + index) * CANVAS
                slots = [int(s) - first for s in canvases.slots if first <= s < first + CANVAS]
                cache = network.encode(ids[row : row + 1, :start])
                expected = network.denoise(canvas[mask][None], cache)[0, slots]
                torch.testing.assert_close(trained[done : done + len(slots)], expected, rtol=1e-3, atol=1e-3)
                done += len(slots)
    assert done == len(trained)


def test_a_conditioned_step_trains_the_part_that_takes_the_prediction(network: DiffusionGemma, shards: Shards) -> None:
    ids, canvases = batch(shards, Holes(per_row=2))
    for conditioned in (False, True):
        denoise, causal = infill_loss(network, ids, canvases, conditioned, torch.float32)
        (denoise.value + causal.value).backward()
        gradient = network.self_conditioning.gate_proj.weight.grad
        assert (gradient is not None and bool(gradient.abs().sum() > 0)) == conditioned
        network.zero_grad(set_to_none=True)


def test_an_untrained_network_knows_nothing(network: DiffusionGemma, shards: Shards) -> None:
    found = quality(network, shards, "mask", suffix_first=False, holes=10)
    assert 8.5 < found["LM loss"] < 11
    assert 8.5 < found["denoise at 1"] < 13
    assert set(found) == {
        *("LM loss", "LM right", "denoise at 1", "denoise at 0.5", "denoise at 0.15"),
        *("first token at 1", "whole gap at 1", "end at 1"),
    }
    assert found["whole gap at 1"] <= found["end at 1"] <= 1


def test_orthogonalised_matrices_are_about_orthogonal() -> None:
    wide = orthogonalise(torch.randn(2, 8, 32, generator=torch.Generator().manual_seed(0)))
    singular = torch.linalg.svdvals(wide)
    assert 0.6 < singular.min() <= singular.max() < 1.3
    tall = orthogonalise(torch.randn(1, 32, 8, generator=torch.Generator().manual_seed(0)))
    assert tall.shape == (1, 32, 8)


def test_the_rate_rises_stays_and_falls() -> None:
    rates = [schedule(step, steps=100, warmup=10, decay_share=0.3) for step in range(100)]
    assert rates[0] == 0.1
    assert rates[10:70] == [1.0] * 60
    assert rates[70] > rates[85] > rates[99] > 0
