"""The denoising loop, and generation of many canvases in a row.

Token-exact with transformers 5.23 `generate` (batch 1, dynamic cache, same seed): random numbers are drawn in
its order. A gap needs fewer of them, so that a pinned canvas matches the reference with `all_rows` only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.diffusion.canvas import Canvas, Noise
from engine.diffusion.sampler import DiffusionSettings, accept, entropy
from engine.diffusion.stopping import StopRule
from engine.model.diffusion_gemma import DiffusionGemma
from engine.model.kv_cache import KVCache


@dataclass(frozen=True, slots=True)
class Step:
    """The state after one denoising step; tensors are over the free slots [R], in order."""

    number: int  # from 1
    of: int
    draft: Tensor  # argmax, the best reading so far; the last one is the result
    accepted: Tensor
    entropies: Tensor  # nats, of the temperature-shaped distributions
    done: bool  # settled


@torch.inference_mode()
def denoise_canvas(
    network: DiffusionGemma,
    cache: KVCache,
    canvas: Canvas,
    settings: DiffusionSettings,
    generator: torch.Generator | None = None,
    *,
    all_rows: bool = False,
) -> Iterator[Step]:
    """Denoise one canvas behind the cached context, a `Step` at a time.

    To cancel, or to take the draft of the moment at a deadline, stop iterating. Logits are computed for free
    slots only, and tokens drawn for accepted ones; with `all_rows` for all (for the reference's random numbers).
    """
    x, free = canvas.ids.clone(), (~canvas.pinned).nonzero()[:, 0]
    rows = torch.arange(len(x), device=x.device) if all_rows else free
    pinned = canvas.pinned[rows]
    of_free = ~pinned
    banned = canvas.banned
    if banned is not None and all_rows:
        banned = torch.zeros(len(x), banned.shape[-1], dtype=torch.bool, device=x.device).index_put((free,), banned)
    stop, soft = StopRule(settings.stability, settings.confidence), None
    for remaining in range(settings.max_steps, 0, -1):
        logits = network.denoise(x[None], cache, soft, rows)[0]  # [R, V]
        if banned is not None:
            logits.masked_fill_(banned, -torch.inf)
        if all_rows:
            logits[pinned] = F.one_hot(canvas.ids[canvas.pinned], logits.shape[1]).float().log()  # 0 or -inf
        logits /= settings.temperature(remaining)
        probabilities = logits.softmax(dim=-1)
        draft, entropies = logits.argmax(dim=-1), entropy(logits, probabilities)
        accepted = accept(entropies, settings.entropy_bound)
        done = stop.done(draft[of_free], entropies[of_free])
        number = settings.max_steps - remaining + 1
        yield Step(number, settings.max_steps, draft[of_free], accepted[of_free], entropies[of_free], done)
        if (done or remaining == 1) and not all_rows:  # there is no next step; the reference draws even so
            return
        drawn = accepted.new_ones(len(rows)) if all_rows else accepted  # a draw costs as much as a layer
        samples = torch.multinomial(probabilities[drawn], 1, generator=generator)[:, 0]
        slots = canvas.noise.draw(len(rows), x.device, generator)
        slots[accepted] = samples[accepted[drawn]]
        x[rows] = slots
        x[canvas.pinned] = canvas.ids[canvas.pinned]
        _broadcast_padding(x, free, canvas.padding_id)
        soft = network.embed(canvas.ids)[None]  # pinned slots condition on themselves
        soft[0, rows] = network.soft_embedding(logits)
        if done:
            return


def _broadcast_padding(x: Tensor, free: Tensor, padding_id: int | None) -> None:
    """From the first free slot that holds the padding token on, every free slot does (in place)."""
    if padding_id is not None:
        slots = x[free]
        x[free] = torch.where((slots == padding_id).cumsum(0) > 0, padding_id, slots)


@torch.inference_mode()
def generate(
    network: DiffusionGemma,
    prompt: Tensor,
    settings: DiffusionSettings,
    max_new_tokens: int,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Continue prompt ids [T] by whole canvases of the config's length until a stop id or `max_new_tokens`.

    Returns the new ids; behind the first stop id stands `pad_id`. The finished canvas (argmax) is committed
    by encoding it causally.
    """
    length = network.config.canvas_length
    noise = Noise("uniform", network.config.vocab_size)
    stop_ids = torch.tensor(settings.stop_ids, device=prompt.device)
    cache, ids = None, prompt
    canvases = []
    for _ in range(-(-max_new_tokens // length)):
        cache = network.encode(ids[None], cache)
        canvas = Canvas.free(length, noise, prompt.device, generator)
        *_, last = denoise_canvas(network, cache, canvas, settings, generator, all_rows=True)
        ids = last.draft
        stops = torch.isin(ids, stop_ids)
        if stops.any():
            behind = stops.cumsum(0) - stops.long() > 0
            canvases.append(torch.where(behind, settings.pad_id, ids))
            break
        canvases.append(ids)
    return torch.cat(canvases)
