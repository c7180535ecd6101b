"""A run's network as a checkpoint folder in the published layout, and such a folder as the start of a run."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.training.bpe import DEFAULT_PATH
from engine.training.shape import GENERATION, SHAPES, config, new_network
from engine.training.store import TrainingError, facts_of, read_group
from engine.weights.checkpoint import load_network, read_json, save_network


def export(run: Path, folder: Path) -> None:
    """Write a run's network, its averaged weights if it has them, in bfloat16, with SHA256SUMS."""
    facts = facts_of(run)
    shape = SHAPES[facts["shape"]]
    network = new_network(shape)
    weights = read_group(run, "network", torch.device("cpu"))
    if "ema" in facts["tensors"]:
        weights |= read_group(run, "ema", torch.device("cpu"))
    network.load_state_dict(weights)
    save_network(network, folder, config(shape, facts["noise"], facts["fim"]), torch.bfloat16)
    (folder / "generation_config.json").write_text(json.dumps(GENERATION, indent=2) + "\n", "utf-8")
    if folder.resolve() != DEFAULT_PATH.parent:
        shutil.copyfile(DEFAULT_PATH, folder / "tokenizer.json")
    write_sums(folder)


def exported(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """A run's facts and its weights in float32, from what `export` wrote of it. Raises `TrainingError`."""
    found = read_json(folder, "config.json")
    for name, shape in SHAPES.items():
        if config(shape)["text_config"] == found.get("text_config"):
            infill = found["infill"]
            facts = {"shape": name, "noise": infill["noise"], "fim": "fim_token_ids" in infill}
            return facts, load_network(folder).state_dict()
    raise TrainingError(f"{folder} has none of the shapes {', '.join(SHAPES)}: name a model that was trained like this")


def write_sums(folder: Path) -> None:
    """Write the hashes of a checkpoint folder's files into its SHA256SUMS."""
    files = sorted(file for file in folder.iterdir() if file.suffix in (".json", ".npy", ".safetensors"))
    sums = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files]
    (folder / "SHA256SUMS").write_text("".join(sums), "utf-8")
