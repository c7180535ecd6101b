"""The reference, transformers 5.23, on tiny random checkpoints of the published layout.

Library initialisation leaves every norm and scalar at 1, so that a forgotten multiplication would pass: here all
of them are random, and the encoder's layer scalars differ from the decoder's. Norms behind attention and the
feed-forward are damped, else self-conditioning on random weights is chaotic and amplifies rounding.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    Cache,
    DiffusionGemmaConfig,
    DiffusionGemmaForBlockDiffusion,
    DiffusionGemmaGenerationConfig,
    DynamicCache,
    EntropyBoundSamplerConfig,
)

from engine.model.kv_cache import KVCache

torch.set_num_threads(1)  # at this size threads only wait for each other, the longer the busier the machine

VOCAB = 512
WINDOW = 12
CANVAS = 16

GLOBAL_HEADS = {"global_head_dim": 32, "num_global_key_value_heads": 1}
TEXT_CONFIG = {
    "vocab_size": VOCAB,
    "hidden_size": 64,
    "intermediate_size": 48,
    "num_hidden_layers": 4,
    "layer_types": ["sliding_attention", "full_attention", "sliding_attention", "full_attention"],
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "sliding_window": WINDOW,
    "num_experts": 8,
    "top_k_experts": 2,
    "moe_intermediate_size": 24,
    "max_position_embeddings": 4096,
    "use_bidirectional_attention": "vision",
}
VISION_CONFIG = {  # the reference cannot be built without a tower; the engine skips it
    "model_type": "gemma4_vision",
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "patch_size": 4,
    "pooling_kernel_size": 2,
    "position_embedding_size": 16,
    "standardize": True,
}


def build_checkpoint(folder: Path, **text_config: Any) -> Path:
    """Write a tiny random float32 checkpoint as `save_pretrained` does (config form `per_layer_config`)."""
    config = DiffusionGemmaConfig(
        text_config={**TEXT_CONFIG, **GLOBAL_HEADS, **text_config},
        vision_config=dict(VISION_CONFIG),
        boi_token_id=500,
        eoi_token_id=501,
        image_token_id=502,
        canvas_length=CANVAS,
    )
    model = DiffusionGemmaForBlockDiffusion(config)
    _randomise(model)
    model.generation_config = DiffusionGemmaGenerationConfig(  # type: ignore[no-untyped-call]
        max_new_tokens=2 * CANVAS,
        max_denoising_steps=6,
        sampler_config=EntropyBoundSamplerConfig(entropy_bound=0.1),
        t_min=0.4,
        t_max=0.8,
        stability_threshold=1,
        confidence_threshold=0.005,
        eos_token_id=[1, 106, 50],
        pad_token_id=0,
        bos_token_id=2,
    )
    model.save_pretrained(folder)
    return folder


def in_released_form(checkpoint: Path, folder: Path) -> Path:
    """A copy whose config has the released file's form: `global_head_dim`, `num_global_key_value_heads`."""
    shutil.copytree(checkpoint, folder)
    config = json.loads((folder / "config.json").read_text())
    del config["text_config"]["per_layer_config"]
    config["text_config"] |= GLOBAL_HEADS
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@torch.no_grad()
def _randomise(model: nn.Module, seed: int = 0) -> None:
    """Fill every parameter and layer scalar so that each of them matters."""
    generator = torch.Generator().manual_seed(seed)

    def draw(tensor: Tensor) -> Tensor:
        return torch.randn(tensor.shape, generator=generator)

    for name, parameter in model.named_parameters():
        if name.endswith(("post_attention_layernorm.weight", "post_feedforward_layernorm.weight")):
            parameter.copy_(0.3 * (1 + 0.2 * draw(parameter)))
        elif parameter.dim() == 1:  # the other norms, router scale, per-expert scale
            parameter.copy_(1 + 0.2 * draw(parameter))
        elif name.endswith("embed_tokens.weight"):
            parameter.copy_(2 * draw(parameter) / parameter.shape[-1] ** 0.5)
        else:
            parameter.copy_(draw(parameter) / parameter.shape[-1] ** 0.5)
    for name, buffer in model.named_buffers():
        if name.endswith("layer_scalar"):
            index = int(name.split(".")[-2])
            buffer.fill_(0.9 - 0.05 * index if ".decoder." in name else 0.8 + 0.03 * index)


def load_reference(
    folder: Path, dtype: torch.dtype = torch.float32, attention: str = "sdpa"
) -> DiffusionGemmaForBlockDiffusion:
    """The reference model of a checkpoint folder."""
    model: DiffusionGemmaForBlockDiffusion = DiffusionGemmaForBlockDiffusion.from_pretrained(
        folder, dtype=dtype, attn_implementation=attention
    )
    return model


def random_ids(*shape: int, seed: int = 0) -> Tensor:
    """Token ids that are not special (no stop, pad or image ids): int64 of `shape`."""
    return torch.randint(110, 500, shape, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def prefill(reference: DiffusionGemmaForBlockDiffusion, ids: Tensor, cache: Cache | None = None) -> Cache:
    """Encode ids [1, T] with the reference behind `cache` (extended in place; a new dynamic one by default)."""
    if cache is None:
        cache = DynamicCache(config=reference.config.get_text_config())
    reference.model.encoder(input_ids=ids, past_key_values=cache)
    return cache


@torch.no_grad()
def denoise(
    reference: DiffusionGemmaForBlockDiffusion,
    canvas: Tensor,
    cache: Cache,
    shaped_logits: Tensor | None = None,
) -> Tensor:
    """The reference's logits [1, C, V] of one denoising step; `shaped_logits` are those of the step before."""
    if shaped_logits is not None:
        shaped_logits = shaped_logits.to(reference.dtype)
    out = reference(decoder_input_ids=canvas, past_key_values=cache, self_conditioning_logits=shaped_logits)
    logits: Tensor = out.logits
    return logits


@contextmanager
def layer_outputs(layers: nn.ModuleList) -> Iterator[list[Tensor]]:
    """Collect the hidden states that leave each layer while the block runs."""
    outputs: list[Tensor] = []

    def keep(_module: nn.Module, _args: object, output: Tensor | tuple[Tensor, ...]) -> None:
        outputs.append(output[0] if isinstance(output, tuple) else output)

    handles = [layer.register_forward_hook(keep) for layer in layers]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


def cache_error(ours: KVCache, theirs: KVCache | Cache) -> float:
    """The largest difference of any cached key or value; infinite where the shapes differ."""
    layers: Any = theirs.layers
    pairs = list(zip(ours.layers, layers, strict=True))
    return max(max(error(own.keys, other.keys), error(own.values, other.values)) for own, other in pairs)


def error(ours: Tensor, theirs: Tensor) -> float:
    """The largest absolute difference; infinite where the shapes differ."""
    if ours.shape != theirs.shape:
        return float("inf")
    return float((ours.float() - theirs.float()).abs().max())
