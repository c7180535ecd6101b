"""Denoising adapters on disk: one safetensors file in bfloat16, whose metadata names rank and block."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from engine.model.adapter import Adapter
from engine.model.decoder_only import DecoderOnly
from engine.weights.checkpoint import CheckpointError


def save_adapter(weights: Mapping[str, Tensor], path: Path, facts: Mapping[str, object]) -> None:
    """Write an adapter's weights, whole or not at all. Raises OSError; what stood there before stays."""
    fresh = path.with_suffix(".new")
    metadata = {name: str(value) for name, value in facts.items()}
    try:
        save_file({name: t.to(torch.bfloat16).contiguous() for name, t in weights.items()}, fresh, metadata)
        fresh.replace(path)
    except SafetensorError as error:  # what the library makes of a full disk
        raise OSError(str(error)) from None
    finally:
        fresh.unlink(missing_ok=True)


def load_adapter(path: Path, network: DecoderOnly) -> Adapter:
    """Read the adapter of a network. Raises `CheckpointError` with one line."""
    try:
        with safe_open(path, "pt") as file:
            facts = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (safe_open is no mapping)
        adapter = Adapter(network.config, int(facts["rank"]), int(facts["block"]))
        adapter.load_state_dict(weights)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}") from None
    except (SafetensorError, KeyError, ValueError) as error:
        raise CheckpointError(f"{path} is not an adapter ({error}): download or train it again") from None
    except RuntimeError:
        raise CheckpointError(f"{path} was made for another model: its tensors do not fit") from None
    return adapter.to(network.device, network.dtype).eval().requires_grad_(False)
