"""The engines that the benchmark compares, each able to do the same work: this one, and transformers."""

from __future__ import annotations

import copy
import importlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from engine.diffusion.canvas import Canvas, Noise
from engine.diffusion.loop import denoise_canvas
from engine.diffusion.sampler import DiffusionSettings
from engine.infill.loading import DEFAULT_MODEL, load
from engine.model.kv_cache import KVCache

PROMPT, HEAD, GAP, STEPS = 512, 16, 32, 8
CANVAS = HEAD + GAP + HEAD
T_MIN, T_MAX, ENTROPY_BOUND = 0.4, 0.8, 0.1
_SPECIAL = 16  # the default model's first ids are special
_TINY_VISION = {  # transformers cannot build the model without a vision tower
    "model_type": "gemma4_vision",
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "position_embedding_size": 16,
}


@dataclass(frozen=True, slots=True)
class Work:
    """The same for every row: a prompt of 512 ids [T], a canvas [C] with head and suffix pinned."""

    seed: int
    prompt: Tensor
    canvas: Tensor
    pinned: Tensor

    @classmethod
    def seeded(cls, seed: int, vocab_size: int) -> Work:
        generator = torch.Generator().manual_seed(seed)
        ids = torch.randint(_SPECIAL, vocab_size, (PROMPT + CANVAS,), generator=generator)
        pinned = torch.ones(CANVAS, dtype=torch.bool)
        pinned[HEAD : HEAD + GAP] = False
        return cls(seed, ids[:PROMPT], ids[PROMPT:], pinned)


class Engine(Protocol):
    """What every row can do."""

    work: Work

    def logits(self, previous: Tensor | None) -> Tensor:
        """One step's logits [C, V] on the initial canvas, conditioned on shaped logits [C, V] of an earlier one."""

    def fill(self, stamp: Callable[[], None]) -> None:
        """One whole fill; calls `stamp` once the prompt is encoded and after every denoising step."""


class Ours:
    """dg-engine. `kept`: the prefix cache holds all of the prompt but its last token."""

    def __init__(self, seed: int, kept: bool) -> None:
        self.model, self.kept = load(device="cpu", dtype="float32"), kept
        vocab_size = self.model.denoiser.config.vocab_size
        self.work = Work.seeded(seed, vocab_size)
        self.canvas = Canvas(self.work.canvas, self.work.pinned, Noise("uniform", vocab_size))
        # stability: no canvas can be stable for that long, so that none stops early
        self.settings = DiffusionSettings(
            max_steps=STEPS, t_min=T_MIN, t_max=T_MAX, entropy_bound=ENTROPY_BOUND, stability=STEPS
        )

    def _encode(self) -> KVCache:
        if self.kept:
            return self.model.whole(self.model.encode(self.work.prompt.tolist()))
        return self.model.prefill(self.work.prompt)

    def logits(self, previous: Tensor | None) -> Tensor:
        return self.model.denoise(self.work.canvas, self._encode(), previous)

    def fill(self, stamp: Callable[[], None]) -> None:
        generator = torch.Generator().manual_seed(self.work.seed)
        cache = self._encode()
        stamp()
        for _ in denoise_canvas(self.model.denoiser, cache, self.canvas, self.settings, generator):
            stamp()


class Reference:
    """transformers, driven through its public hooks. `kept`: a prefix cache kept by hand, copied for every fill."""

    def __init__(self, seed: int, kept: bool, attention: str) -> None:
        transformers = self.transformers = _transformers()
        own = json.loads((DEFAULT_MODEL / "config.json").read_text("utf-8"))
        images = {"image_token_id": _SPECIAL - 1, "boi_token_id": _SPECIAL - 2, "eoi_token_id": _SPECIAL - 3}
        config = transformers.DiffusionGemmaConfig(
            text_config=own["text_config"], vision_config=_TINY_VISION, canvas_length=CANVAS, **images
        )
        self.model = transformers.DiffusionGemmaForBlockDiffusion.from_pretrained(
            DEFAULT_MODEL, config=config, dtype=torch.float32, attn_implementation=attention
        ).eval()
        self.settings = transformers.DiffusionGemmaGenerationConfig(
            max_new_tokens=CANVAS,
            max_denoising_steps=STEPS,
            t_min=T_MIN,
            t_max=T_MAX,
            sampler_config=transformers.EntropyBoundSamplerConfig(entropy_bound=ENTROPY_BOUND),
            stability_threshold=STEPS,
            confidence_threshold=0.005,
        )
        self.work = Work.seeded(seed, own["text_config"]["vocab_size"])
        self.prefix = self._encode(self.work.prompt[:-1], None) if kept else None

    @torch.no_grad()
    def _encode(self, ids: Tensor, cache: Any) -> Any:
        if cache is None:
            cache = self.transformers.DynamicCache(config=self.model.config.get_text_config())
        self.model.model.encoder(input_ids=ids[None], past_key_values=cache)
        return cache

    def _start(self) -> tuple[Tensor, Any]:
        """The ids that are still to be encoded, and a cache of those before them."""
        if self.prefix is None:
            return self.work.prompt, None
        return self.work.prompt[-1:], copy.deepcopy(self.prefix)  # encoding changes a cache in place

    @torch.no_grad()
    def logits(self, previous: Tensor | None) -> Tensor:
        shaped = None if previous is None else previous[None]
        answer = self.model(
            decoder_input_ids=self.work.canvas[None],
            past_key_values=self._encode(*self._start()),
            self_conditioning_logits=shaped,
        )
        logits: Tensor = answer.logits[0]
        return logits

    def fill(self, stamp: Callable[[], None]) -> None:
        torch.manual_seed(self.work.seed)
        hook = self.model.model.encoder.register_forward_hook(lambda *_: stamp())
        ids, cache = self._start()
        self.model.generate(
            ids[None],
            past_key_values=cache,
            decoder_input_ids=self.work.canvas[None],
            generation_config=self.settings,
            logits_processor=self.transformers.LogitsProcessorList([_Pins(self.work)]),
            streamer=_Stamps(stamp),
        )
        hook.remove()


def _transformers() -> Any:
    """The library, untyped (its own types are partial) and quiet about the vision tensors that we have not."""
    library = importlib.import_module("transformers")
    library.logging.set_verbosity_error()
    library.logging.disable_progress_bar()
    return library


class _Pins:
    """A logits processor that makes the pinned rows one-hot. A class, since transformers inspects `__call__`."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def __call__(self, _: Tensor, scores: Tensor) -> Tensor:
        pinned = self._work.pinned
        scores[0, pinned] = torch.full_like(scores[0, pinned], -torch.inf).scatter(
            1, self._work.canvas[pinned, None], 0.0
        )
        return scores


class _Stamps:
    """A streamer that only notes when a step is done."""

    def __init__(self, stamp: Callable[[], None]) -> None:
        self._stamp = stamp

    def put(self, value: Tensor) -> None:
        pass

    def put_draft(self, value: Tensor) -> None:
        self._stamp()

    def end(self) -> None:
        pass


ROWS: dict[str, Callable[[int], Engine]] = {
    "transformers, eager attention": lambda seed: Reference(seed, kept=False, attention="eager"),
    "transformers, SDPA attention": lambda seed: Reference(seed, kept=False, attention="sdpa"),
    "transformers, SDPA, prefix kept": lambda seed: Reference(seed, kept=True, attention="sdpa"),
    "dg-engine": lambda seed: Ours(seed, kept=False),
    "dg-engine, prefix kept": lambda seed: Ours(seed, kept=True),
}
