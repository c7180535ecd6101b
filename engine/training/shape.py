"""The networks that are trained: their sizes, the config.json that goes with them, and random weights to start from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from engine.model.config import ModelConfig
from engine.model.diffusion_gemma import DiffusionGemma
from engine.training.bpe import BOS, END_OF_GAP, EOS, MASK, MIDDLE, PAD, SUFFIX
from engine.training.data import CANVAS, GAP_SIZES, HEAD, VOCABULARY, NoiseKind
from engine.training.shards import ROW


@dataclass(frozen=True, slots=True)
class Shape:
    """The size of a network. One expert as wide as the MLP beside it: dense, in the architecture's terms."""

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    width: int  # of the MLP, and again of the expert

    @property
    def layer_types(self) -> list[str]:
        """Every fourth layer and the last see everything, the others a window."""
        full = [(i + 1) % 4 == 0 or i + 1 == self.layers for i in range(self.layers)]
        return ["full_attention" if f else "sliding_attention" for f in full]


SHAPES = {
    "tiny": Shape(hidden=32, layers=2, heads=2, kv_heads=1, head_dim=16, width=32),  # for tests
    "study-96": Shape(hidden=96, layers=3, heads=3, kv_heads=1, head_dim=32, width=96),  # for the experiments
    "study-128": Shape(hidden=128, layers=3, heads=4, kv_heads=2, head_dim=32, width=128),
    "study-192": Shape(hidden=192, layers=3, heads=6, kv_heads=2, head_dim=32, width=192),
    "small": Shape(hidden=256, layers=4, heads=4, kv_heads=2, head_dim=64, width=256),  # the shipped one, 4.6 M
    "base": Shape(hidden=384, layers=8, heads=6, kv_heads=2, head_dim=64, width=768),  # for a GPU, 21 M
}

GENERATION: dict[str, Any] = {
    "max_denoising_steps": 8,
    "sampler_config": {"_cls_name": "EntropyBoundSamplerConfig", "entropy_bound": 0.1},
    # Low: a small network's samples are worse than its best guess, and take longer to settle. transformers takes no
    # constant temperature.
    "t_min": 0.19,
    "t_max": 0.2,
    "stability_threshold": 1,
    "confidence_threshold": 0.005,
    "eos_token_id": [EOS],
    "pad_token_id": PAD,
}


def config(shape: Shape, noise: NoiseKind = "mask", fim: bool = False) -> dict[str, Any]:
    """The config.json of a network trained with that noise; `fim`: also on text in fill-in-the-middle form."""
    return {
        "architectures": ["DiffusionGemmaForBlockDiffusion"],
        "model_type": "diffusion_gemma",
        "canvas_length": CANVAS,
        "text_config": {
            "model_type": "diffusion_gemma_text",
            "vocab_size": VOCABULARY,
            "hidden_size": shape.hidden,
            "intermediate_size": shape.width,
            "moe_intermediate_size": shape.width,
            "num_experts": 1,
            "top_k_experts": 1,
            "num_hidden_layers": shape.layers,
            "num_attention_heads": shape.heads,
            "num_key_value_heads": shape.kv_heads,
            "num_global_key_value_heads": shape.kv_heads,
            "head_dim": shape.head_dim,
            "global_head_dim": shape.head_dim,
            "layer_types": shape.layer_types,
            "sliding_window": 512,
            "max_position_embeddings": 1024,
            "hidden_activation": "gelu_pytorch_tanh",
            "rms_norm_eps": 1e-6,
            "final_logit_softcapping": 30.0,
            "tie_word_embeddings": True,
            "attention_bias": False,
            "pad_token_id": PAD,
            "eos_token_id": EOS,
            "bos_token_id": BOS,
            "use_bidirectional_attention": "vision",
        },
        "infill": {
            "noise": noise,
            "mask_token_id": MASK,
            "end_of_gap_token_id": END_OF_GAP,
            "context_tokens": ROW,
            "head_tokens": HEAD,
            "gap_tokens": list(GAP_SIZES),
            "canvas_tokens": CANVAS,
            "languages": ["python"],
            **({"fim_token_ids": [SUFFIX, MIDDLE]} if fim else {}),
        },
    }


def new_network(shape: Shape, seed: int = 0) -> DiffusionGemma:
    """A network with random weights whose activations start at unit scale."""
    torch.manual_seed(seed)
    network = DiffusionGemma(ModelConfig.from_dict(config(shape)))
    for name, parameter in network.named_parameters():
        if parameter.dim() >= 2:
            torch.nn.init.normal_(parameter, std=parameter.shape[-1] ** -0.5)
        elif "q_norm" in name or "k_norm" in name:
            torch.nn.init.constant_(parameter, parameter.shape[0] ** -0.25)  # attention has no other scale
        elif name.endswith(("post_attention_layernorm.weight", "post_feedforward_layernorm.weight")):
            torch.nn.init.constant_(parameter, 0.5)
    return network
