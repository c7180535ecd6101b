"""Denoising and generation give, from the same seed, the very tokens that transformers 5.23 gives.

Random numbers are drawn in the reference's order, which the state of torch's generator afterwards proves. A token
could differ only where a random number falls within about 1e-6 of a border between two tokens.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor
from transformers import (
    DiffusionGemmaForBlockDiffusion,
    EntropyBoundSamplerConfig,
    LogitsProcessor,
    LogitsProcessorList,
)
from transformers.generation.streamers import BaseStreamer

from engine.diffusion.canvas import Canvas, Noise
from engine.diffusion.loop import denoise_canvas, generate
from engine.diffusion.sampler import DiffusionSettings
from engine.model.diffusion_gemma import DiffusionGemma
from engine.weights.checkpoint import load_network
from tests.engine.reference import CANVAS, VOCAB, WINDOW, build_checkpoint, load_reference, random_ids

SEEDS = (0, 1, 2)
NEVER = -1  # a stop id that no token has


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_checkpoint(tmp_path_factory.mktemp("tiny") / "checkpoint")


@pytest.fixture(scope="session")
def ours(checkpoint: Path) -> DiffusionGemma:
    return load_network(checkpoint)


@pytest.fixture(scope="session")
def theirs(checkpoint: Path) -> DiffusionGemmaForBlockDiffusion:
    return load_reference(checkpoint, attention="eager")


@pytest.fixture(scope="session")
def settings(checkpoint: Path) -> DiffusionSettings:
    return DiffusionSettings.from_dict(json.loads((checkpoint / "generation_config.json").read_text()))


class Drafts(BaseStreamer):
    """Keeps the reference's draft of every step."""

    def __init__(self) -> None:
        self.drafts: list[Tensor] = []

    def put(self, value: Tensor) -> None:
        pass

    def put_draft(self, value: Tensor) -> None:
        self.drafts.append(value[0])

    def end(self) -> None:
        pass


def expected_tokens(
    theirs: DiffusionGemmaForBlockDiffusion, prompt: Tensor, seed: int, **options: Any
) -> tuple[Tensor, Tensor]:
    """What the reference generates behind prompt [T], and the state of torch's generator afterwards."""
    torch.manual_seed(seed)
    generated: Any = theirs.generate(cast("torch.LongTensor", prompt[None]), **options)
    return generated.sequences[0, len(prompt) :], torch.get_rng_state()


def own_tokens(
    ours: DiffusionGemma, prompt: Tensor, seed: int, settings: DiffusionSettings, count: int
) -> tuple[Tensor, Tensor]:
    torch.manual_seed(seed)
    return generate(ours, prompt, settings, count), torch.get_rng_state()


def test_settings_are_read_from_the_checkpoint(settings: DiffusionSettings) -> None:
    assert settings == DiffusionSettings(max_steps=6)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("context", [WINDOW - 3, WINDOW + CANVAS])
def test_three_canvases(
    ours: DiffusionGemma,
    theirs: DiffusionGemmaForBlockDiffusion,
    settings: DiffusionSettings,
    context: int,
    seed: int,
) -> None:
    prompt = random_ids(context, seed=seed)
    expected, state = expected_tokens(theirs, prompt, seed, max_new_tokens=3 * CANVAS, eos_token_id=NEVER)
    settings = dataclasses.replace(settings, stop_ids=(NEVER,))
    tokens, own_state = own_tokens(ours, prompt, seed, settings, 3 * CANVAS)

    assert len(tokens) == 3 * CANVAS
    assert tokens.tolist() == expected.tolist()
    assert torch.equal(own_state, state)


@pytest.mark.parametrize("count", [1, CANVAS, CANVAS + 1, 2 * CANVAS + 5])
def test_whole_canvases_only(
    ours: DiffusionGemma, theirs: DiffusionGemmaForBlockDiffusion, settings: DiffusionSettings, count: int
) -> None:
    prompt = random_ids(20)
    expected, _ = expected_tokens(theirs, prompt, 0, max_new_tokens=count)

    assert own_tokens(ours, prompt, 0, settings, count)[0].tolist() == expected.tolist()


@pytest.mark.parametrize("position", [0, 5, CANVAS - 1, CANVAS, CANVAS + 3])
def test_stop_id(
    ours: DiffusionGemma, theirs: DiffusionGemmaForBlockDiffusion, settings: DiffusionSettings, position: int
) -> None:
    """Generation ends with the canvas that holds a stop id, and behind it stands padding."""
    prompt = random_ids(20)
    free_running, _ = expected_tokens(theirs, prompt, 0, max_new_tokens=3 * CANVAS, eos_token_id=NEVER)
    stop_ids = (NEVER, int(free_running[position]))
    first = free_running.tolist().index(stop_ids[1])
    expected, state = expected_tokens(theirs, prompt, 0, max_new_tokens=3 * CANVAS, eos_token_id=list(stop_ids))
    tokens, own_state = own_tokens(ours, prompt, 0, dataclasses.replace(settings, stop_ids=stop_ids), 3 * CANVAS)

    assert tokens.tolist() == expected.tolist()
    assert len(tokens) == (first // CANVAS + 1) * CANVAS
    assert set(tokens[first + 1 :].tolist()) <= {settings.pad_id}
    assert torch.equal(own_state, state)


@pytest.mark.parametrize(("stability", "confidence"), [(0, 0.1), (1, 0.01), (1, 0.05), (2, 1.0), (3, 0.02)])
@pytest.mark.parametrize("seed", SEEDS)
def test_adaptive_stop(
    ours: DiffusionGemma,
    theirs: DiffusionGemmaForBlockDiffusion,
    settings: DiffusionSettings,
    seed: int,
    stability: int,
    confidence: float,
) -> None:
    """A canvas that settles early stops early, at the same step as the reference's."""
    max_steps = 48
    settings = dataclasses.replace(settings, max_steps=max_steps, confidence=confidence, stability=stability)
    prompt, streamer = random_ids(20, seed=seed), Drafts()
    expected, state = expected_tokens(
        theirs,
        prompt,
        seed,
        max_new_tokens=CANVAS,
        max_denoising_steps=max_steps,
        confidence_threshold=confidence,
        stability_threshold=stability,
        streamer=streamer,
    )
    tokens, own_state = own_tokens(ours, prompt, seed, settings, CANVAS)

    assert len(streamer.drafts) < max_steps
    assert tokens.tolist() == expected.tolist()
    assert torch.equal(own_state, state)


@pytest.mark.parametrize("length", [1, 5, 8, 40])
def test_other_canvas_lengths(
    ours: DiffusionGemma,
    theirs: DiffusionGemmaForBlockDiffusion,
    settings: DiffusionSettings,
    length: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(theirs.config, "canvas_length", length)
    monkeypatch.setattr(ours, "config", dataclasses.replace(ours.config, canvas_length=length))
    prompt = random_ids(20)
    expected, state = expected_tokens(theirs, prompt, 0, max_new_tokens=2 * length)
    tokens, own_state = own_tokens(ours, prompt, 0, settings, 2 * length)

    assert tokens.tolist() == expected.tolist()
    assert torch.equal(own_state, state)


def test_own_generator(ours: DiffusionGemma, settings: DiffusionSettings) -> None:
    """A seeded generator gives what the same seed gives globally, and leaves the global one alone."""
    prompt = random_ids(20)
    expected, _ = own_tokens(ours, prompt, 7, settings, CANVAS)
    before = torch.get_rng_state()
    tokens = generate(ours, prompt, settings, CANVAS, torch.Generator().manual_seed(7))

    assert tokens.tolist() == expected.tolist()
    assert torch.equal(torch.get_rng_state(), before)


class Pins(LogitsProcessor):
    """The reference's public hook for pinned tokens: their rows predict them and nothing else."""

    def __init__(self, canvas: Canvas) -> None:
        self.canvas = canvas

    def __call__(self, input_ids: Tensor, scores: Tensor, cur_step: Tensor) -> Tensor:
        known = torch.full_like(scores[0], -torch.inf).scatter(1, self.canvas.ids[:, None], 0.0)
        return torch.where(self.canvas.pinned[:, None], known, scores)


def partly_pinned(slots: Iterable[int], seed: int) -> Canvas:
    """A canvas with these slots pinned; the noise in the others is the seed's first draw.

    The reference draws that noise too, and throws it away for the canvas it is given.
    """
    pinned = torch.zeros(CANVAS, dtype=torch.bool)
    pinned[list(slots)] = True
    noise = Noise("uniform", VOCAB)
    torch.manual_seed(seed)
    free = noise.draw(CANVAS, pinned.device, None)
    return Canvas(torch.where(pinned, random_ids(CANVAS, seed=99), free), pinned, noise)


def expected_drafts(
    theirs: DiffusionGemmaForBlockDiffusion, prompt: Tensor, seed: int, canvas: Canvas, settings: DiffusionSettings
) -> tuple[list[list[int]], Tensor]:
    """The reference's draft of the gap after each step, and the state of torch's generator afterwards."""
    streamer = Drafts()
    _, state = expected_tokens(
        theirs,
        prompt,
        seed,
        max_new_tokens=CANVAS,
        max_denoising_steps=settings.max_steps,
        t_min=settings.t_min,
        t_max=settings.t_max,
        sampler_config=EntropyBoundSamplerConfig(entropy_bound=settings.entropy_bound),
        confidence_threshold=settings.confidence,
        decoder_input_ids=canvas.ids[None],
        logits_processor=LogitsProcessorList([Pins(canvas)]),
        streamer=streamer,
    )
    return [draft[~canvas.pinned].tolist() for draft in streamer.drafts], state


PINNED_SLOTS = {"suffix": range(10, 16), "both ends": (0, 1, 2, 13, 14, 15), "scattered": (1, 4, 5, 9), "one": (7,)}


@pytest.mark.parametrize("confidence", [0.005, 0.1])
@pytest.mark.parametrize("context", [5, WINDOW + CANVAS])
@pytest.mark.parametrize("slots", PINNED_SLOTS.values(), ids=PINNED_SLOTS)
@pytest.mark.parametrize("seed", SEEDS)
def test_pinned_infill(
    ours: DiffusionGemma,
    theirs: DiffusionGemmaForBlockDiffusion,
    settings: DiffusionSettings,
    seed: int,
    slots: Iterable[int],
    context: int,
    confidence: float,
) -> None:
    """Step by step the same drafts as the reference with its hooks.

    The reference averages the entropy over the whole canvas, pinned zeros included, for its stop rule; we
    average over the gap: the same rule once the threshold is scaled by canvas / gap.
    """
    prompt, canvas = random_ids(context, seed=seed), partly_pinned(slots, seed)
    settings = dataclasses.replace(settings, max_steps=12, confidence=confidence)
    gap_settings = dataclasses.replace(settings, confidence=confidence * CANVAS / int((~canvas.pinned).sum()))
    steps = list(denoise_canvas(ours, ours.encode(prompt[None]), canvas, gap_settings, all_rows=True))
    own_state = torch.get_rng_state()

    drafts, state = expected_drafts(theirs, prompt, seed, canvas, settings)
    assert [step.draft.tolist() for step in steps] == drafts
    assert torch.equal(own_state, state)


@pytest.mark.parametrize("slots", PINNED_SLOTS.values(), ids=PINNED_SLOTS)
@pytest.mark.parametrize("seed", SEEDS)
def test_pinned_infill_of_free_rows_only(
    ours: DiffusionGemma,
    theirs: DiffusionGemmaForBlockDiffusion,
    settings: DiffusionSettings,
    seed: int,
    slots: Iterable[int],
) -> None:
    """What the engine does in earnest draws fewer random numbers; where chance has no say it must agree too.

    Next to temperature 0 the sample is the argmax, and a boundless entropy bound accepts it everywhere.
    """
    prompt, canvas = random_ids(20, seed=seed), partly_pinned(slots, seed)
    settings = dataclasses.replace(settings, t_min=1e-5, t_max=1e-4, entropy_bound=1e9)
    steps = list(denoise_canvas(ours, ours.encode(prompt[None]), canvas, settings))

    drafts, _ = expected_drafts(theirs, prompt, seed, canvas, settings)
    assert [step.draft.tolist() for step in steps] == drafts
    assert len(steps) > 1
