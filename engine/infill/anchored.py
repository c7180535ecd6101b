"""Filling a gap between pinned tokens: the denoised candidates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from engine.diffusion.canvas import Canvas, Noise
from engine.diffusion.loop import denoise_canvas
from engine.diffusion.sampler import DiffusionSettings
from engine.infill.checkpoint_options import InfillShape
from engine.infill.layout import Layout
from engine.infill.tokens import Tokens
from engine.model.diffusion_gemma import DiffusionGemma
from engine.model.kv_cache import KVCache
from engine.protocol import Draft


@dataclass(frozen=True, slots=True)
class Denoised:
    """A denoised middle, the steps it took, and whether the canvas settled and the gap sufficed."""

    text: str
    steps: int
    settled: bool
    fits: bool


def denoise_gap(
    network: DiffusionGemma,
    cache: KVCache,
    layout: Layout,
    gap: int,
    tokens: Tokens,
    shape: InfillShape,
    settings: DiffusionSettings,
    generator: torch.Generator,
    on_step: Callable[[Draft], bool],
) -> Denoised:
    """Denoise a gap of `gap` slots. `on_step` gets each step's draft and answers whether to go on."""
    canvas, pinned = _canvas(network, layout, gap, tokens, shape, generator)
    suffix_head = tokens.decode(pinned)
    for step in denoise_canvas(network, cache, canvas, settings, generator):
        ids = step.draft.tolist()
        draft = Draft(
            text=_middle(ids, tokens, shape),
            step=step.number,
            steps=step.of,
            slots=tuple(tokens.decode([i]) for i in ids),
            settled=tuple(step.accepted.tolist()),
            pinned=suffix_head,
        )
        if not on_step(draft):
            break
    fits = shape.end_of_gap_token_id is None or shape.end_of_gap_token_id in ids
    return Denoised(draft.text, step.number, step.done, fits)


def _canvas(
    network: DiffusionGemma,
    layout: Layout,
    gap: int,
    tokens: Tokens,
    shape: InfillShape,
    generator: torch.Generator,
) -> tuple[Canvas, list[int]]:
    """[head, pinned][gap][suffix head, pinned]; also the pinned ids of the suffix."""
    device, vocab = network.device, network.config.vocab_size
    suffix = layout.suffix[: max(0, shape.canvas_tokens - len(layout.head) - gap)]
    noise = Noise(shape.noise, vocab, shape.mask_token_id)
    free = noise.draw(gap, device, generator)
    ids = torch.cat(
        [
            torch.tensor(layout.head, dtype=torch.long, device=device),
            free,
            torch.tensor(suffix, dtype=torch.long, device=device),
        ]
    )
    pinned = torch.ones(len(ids), dtype=torch.bool, device=device)
    pinned[len(layout.head) : len(layout.head) + gap] = False
    banned = None
    if shape.end_of_gap_token_id is not None:
        banned = torch.zeros(gap, vocab, dtype=torch.bool, device=device)
        banned[:, tokens.special_ids] = True
        banned[1:, shape.end_of_gap_token_id] = False  # not the first slot's: an empty middle is nothing to offer
    return Canvas(ids, pinned, noise, shape.end_of_gap_token_id, banned), suffix


def _middle(ids: list[int], tokens: Tokens, shape: InfillShape) -> str:
    """The text of a draft's ids up to the first end-of-gap token."""
    if shape.end_of_gap_token_id in ids:
        ids = ids[: ids.index(shape.end_of_gap_token_id)]
    return tokens.decode(ids)
