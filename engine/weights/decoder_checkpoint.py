"""Checkpoints of decoder-only networks, as a folder of safetensors or one GGUF file, opened the same way."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor

from engine.model.decoder_config import DecoderConfig
from engine.model.decoder_only import DecoderOnly
from engine.weights.checkpoint import read_json, read_tensors, read_tokenizer
from engine.weights.decoder_loader import WeightFormat, build, from_state, pack

_CONVERSION = 1  # raised when converted weights change their form


@dataclass(frozen=True)
class DecoderCheckpoint:
    """An opened checkpoint: its config.json (or the equivalent), and how to read the rest."""

    path: Path
    config: dict[str, Any]
    tensors: Callable[[torch.dtype], Iterator[tuple[str, Tensor]]]
    tokenizer: Callable[[], Tokenizer]

    def network(
        self,
        device: torch.device,
        dtype: torch.dtype,
        weights: WeightFormat,
        progress: Callable[[float], None] | None = None,
    ) -> DecoderOnly:
        """Builds the network; int8 weights are converted once and kept in the user's cache folder."""
        config = DecoderConfig.from_dict(self.config)
        kept = self._converted_file() if weights == "int8" else None
        if kept and (state := _read_state(kept)):
            network = from_state(config, state, device, dtype)
        else:
            where = str(self.path)
            tensors = self.tensors(dtype)
            network = build(config, tensors, where, device=device, dtype=dtype, weights=weights, progress=progress)
            if kept:
                _keep_state(network, kept)
        pack(network)
        return network

    def _converted_file(self) -> Path:
        """The file of this checkpoint's converted weights, named after what would change them."""
        files = sorted(self.path.glob("*.safetensors")) if self.path.is_dir() else [self.path]
        facts = [(str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
        key = hashlib.sha256(repr((_CONVERSION, facts)).encode()).hexdigest()[:16]
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return base / "dg-lsp" / "converted" / f"{self.path.stem}-{key}.safetensors"


def open_checkpoint(path: Path) -> DecoderCheckpoint:
    """Open a GGUF file or a folder in the published layout. Raises `CheckpointError` with one line."""
    if path.suffix == ".gguf":
        from engine.weights.gguf import GGUFFile

        file = GGUFFile(path)
        return DecoderCheckpoint(path, file.config(), file.tensors, file.tokenizer)
    config = read_json(path, "config.json")
    return DecoderCheckpoint(path, config, lambda _: read_tensors(path), lambda: read_tokenizer(path))


def _read_state(file: Path) -> dict[str, Tensor] | None:
    """Converted tensors; None where there are none or they cannot be read.

    Matrices are mapped: they are forgotten once they are packed. Vectors are copied, for a single one that is still
    mapped keeps the whole file in memory.
    """
    try:
        with safe_open(file, framework="pt") as state:
            tensors = {name: state.get_tensor(name) for name in state.keys()}  # noqa: SIM118 (safe_open is no mapping)
            return {name: tensor if tensor.dim() > 1 else tensor.clone() for name, tensor in tensors.items()}
    except (OSError, SafetensorError):
        return None


def _keep_state(network: DecoderOnly, file: Path) -> None:
    """Write the converted weights for the next start; without room or leave to write, that start converts again."""
    fresh = file.with_suffix(f".{os.getpid()}.new")
    state = {name: tensor for name, tensor in network.state_dict().items() if not name.startswith("head.")}
    if network.head is not network.embedding:
        state |= {f"head.{name}": tensor for name, tensor in network.head.state_dict().items()}
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, fresh)
        fresh.replace(file)
    except (OSError, SafetensorError):
        fresh.unlink(missing_ok=True)
