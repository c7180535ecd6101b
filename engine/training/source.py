"""The checkpoint that is fine-tuned: what its files say, and the folder that takes its place."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from engine.model.diffusion_gemma import DiffusionGemma
from engine.training.bpe import DEFAULT_PATH, END_OF_GAP, MASK, MIDDLE, SPECIAL_TOKENS, SUFFIX, Bpe
from engine.training.data import CANVAS, GAP_SIZES, HEAD
from engine.training.export import write_sums
from engine.training.store import TrainingError
from engine.weights.checkpoint import read_json, save_network

# How canvases are made for a checkpoint that says nothing of it: DiffusionGemma's noise, the default model's form.
# <end_of_gap> is a token of the tokenizer that no text contains.
_INFILL = {
    "noise": "uniform",
    "end_of_gap_token_id": END_OF_GAP,
    "head_tokens": HEAD,
    "gap_tokens": list(GAP_SIZES),
    "canvas_tokens": CANVAS,
}


@dataclass(frozen=True, slots=True)
class Source:
    """A checkpoint folder, with the config.json of what it becomes."""

    folder: Path
    config: dict[str, Any]
    bpe: Bpe

    @classmethod
    def read(cls, folder: Path) -> Source:
        """Raises `TrainingError` or `CheckpointError` with one line."""
        config = read_json(folder, "config.json")
        infill = config["infill"] = _INFILL | (config.get("infill") or {})
        if infill["end_of_gap_token_id"] is None:
            infill["end_of_gap_token_id"] = END_OF_GAP
        default, own = read_json(DEFAULT_PATH.parent, DEFAULT_PATH.name), read_json(folder, "tokenizer.json")
        vocabulary = (own.get("model") or {}).get("vocab") or {}
        ours = own.get("pre_tokenizer") == default["pre_tokenizer"]
        if not ours or any(vocabulary.get(token) != i for i, token in enumerate(SPECIAL_TOKENS)):
            raise TrainingError(
                f"{folder / 'tokenizer.json'} is not of the default model's kind: others cannot be fine-tuned yet"
            )
        wanted = {"end_of_gap_token_id": END_OF_GAP, "fim_token_ids": [SUFFIX, MIDDLE]}
        if infill["noise"] == "mask":
            wanted["mask_token_id"] = MASK
        for key, value in wanted.items():
            if infill.get(key, value) != value:
                raise TrainingError(f"{folder / 'config.json'}: infill.{key} is {infill[key]}, not {value}")
        return cls(folder, config, Bpe(folder / "tokenizer.json"))

    @property
    def has_experts(self) -> bool:
        """Whether a router chooses among several experts."""
        return bool(self.config["text_config"]["num_experts"] > 1)

    @property
    def believes_ngrams(self) -> bool:
        """Whether n-grams are mixed into its probabilities."""
        return self.config["infill"].get("ngram_trust") is not None

    def write(self, network: DiffusionGemma, folder: Path) -> None:
        """Write the network in bfloat16 with the source's other files, and SHA256SUMS."""
        save_network(network, folder, self.config, torch.bfloat16)
        generation = self.folder / "generation_config.json"
        settings = generation.read_text("utf-8") if generation.exists() else json.dumps({}) + "\n"
        (folder / generation.name).write_text(settings, "utf-8")
        shutil.copyfile(self.folder / "tokenizer.json", folder / "tokenizer.json")
        write_sums(folder)


def write_infill(folder: Path, settings: dict[str, Any]) -> None:
    """Change keys of `infill` in a checkpoint folder's config.json, and its SHA256SUMS."""
    config = read_json(folder, "config.json")
    config["infill"] = config.get("infill", {}) | settings
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", "utf-8")
    write_sums(folder)
