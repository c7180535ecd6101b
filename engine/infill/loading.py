"""Loading: from a checkpoint on disk to a model that is ready to fill."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine.diffusion.sampler import DiffusionSettings
from engine.infill.chat import ChatForm
from engine.infill.checkpoint_options import InfillShape
from engine.infill.fim import FimForm
from engine.infill.loaded import LoadedModel
from engine.infill.ngram_cache import NgramCache, Trust
from engine.infill.profile import profile_of
from engine.infill.tokens import Tokens
from engine.model.decoder_config import FAMILIES
from engine.model.dense import make_dense
from engine.runtime.device import choose_device, choose_dtype, choose_weights, keep_freed_memory
from engine.weights import decoder_checkpoint
from engine.weights.checkpoint import CheckpointError, load_network, read_json, read_tokenizer

DEFAULT_MODEL = Path(__file__).parent.parent / "default_model"
REPOSITORY = "repository.npy"  # token ids of a repository's files, int32 [N], `BREAK` between them
REPOSITORY_LEAST = 3  # tokens of history: what follows fewer, the model knows
_SUFFIX_TOKENS = {"cpu": 128, "cuda": 512}  # of the suffix, which is encoded again after every new line
_CONTEXT_TOKENS = {"cpu": 1024, "cuda": 8192}
_BLOCK_DRAFTS = 3  # in the infilling form, and as many in the chat
_GAP_TOKENS = 256  # of a causal draft


def load(
    folder: str | Path | None = None,
    *,
    device: str = "auto",
    dtype: str = "auto",
    progress: Callable[[float], None] | None = None,
) -> LoadedModel:
    """Load a checkpoint folder in the published layout or a GGUF file; None is the model shipped in the package.

    `progress` is called with the share loaded, in [0, 1]. Raises ValueError (`CheckpointError`, `ConfigError`)
    with one line that says what is wrong.
    """
    path = Path(folder) if folder is not None else DEFAULT_MODEL
    place = choose_device(device)
    name = "dg-default" if folder is None else path.resolve().stem if path.suffix == ".gguf" else path.resolve().name
    if path.suffix == ".gguf" or read_json(path, "config.json").get("model_type") in FAMILIES:
        return _load_decoder(path, place, dtype, name, progress)
    return _load_diffusion_gemma(path, place, dtype, name, progress)


def _load_diffusion_gemma(
    path: Path, device: torch.device, dtype: str, name: str, progress: Callable[[float], None] | None
) -> LoadedModel:
    if dtype == "int8":
        raise CheckpointError(f"{path}: int8 is for decoder-only models; load this one with dtype auto")
    config, generation = read_json(path, "config.json"), _generation_config(path)
    settings = DiffusionSettings.from_dict(generation)
    tokens = Tokens(read_tokenizer(path), settings.stop_ids)
    shape = replace(InfillShape.from_dict(config), chat=ChatForm.of_tokenizer(tokens))
    network = load_network(path, device, choose_dtype(dtype, device), progress)
    make_dense(network)
    _check_tokenizer(path, tokens, network.config.vocab_size)
    return LoadedModel(network, tokens, shape, settings, name, _repository(path, shape.repository_trust))


def _load_decoder(
    path: Path, device: torch.device, dtype: str, name: str, progress: Callable[[float], None] | None
) -> LoadedModel:
    checkpoint = decoder_checkpoint.open_checkpoint(path)
    weights = choose_weights(dtype, device)
    if device.type == "cpu":
        keep_freed_memory()
    network = checkpoint.network(device, choose_dtype(dtype, device, weights), weights, progress)
    settings = DiffusionSettings(stop_ids=_stop_ids(checkpoint.config))
    tokens = Tokens(checkpoint.tokenizer(), settings.stop_ids)
    _check_tokenizer(path, tokens, network.config.vocab_size)
    profile = profile_of(path, checkpoint.config)
    shape = InfillShape(
        denoiser=False,
        newline_in_head=False,
        fim=FimForm.of_tokenizer(tokens, _SUFFIX_TOKENS[device.type]),
        context_tokens=min(_CONTEXT_TOKENS[device.type], network.config.max_positions // 2),
        head_tokens=_GAP_TOKENS,
        gap_tokens=(_GAP_TOKENS,),
        block_tokens=_GAP_TOKENS,
        chat=ChatForm.of_tokenizer(tokens),
        block_drafts=_BLOCK_DRAFTS,
        sureness=profile.sureness,
        ngram_trust=profile.ngram_trust,
    )
    tokens.prepare()
    return LoadedModel(network, tokens, shape, settings, name)


def _stop_ids(config: dict[str, Any]) -> tuple[int, ...]:
    """The tokens that end a text, from config.json's `eos_token_id`."""
    ends = config.get("eos_token_id")
    return (ends,) if isinstance(ends, int) else tuple(ends or ())


def _check_tokenizer(path: Path, tokens: Tokens, vocab_size: int) -> None:
    size = tokens.tokenizer.get_vocab_size()
    if size > vocab_size:
        raise CheckpointError(
            f"{path}: the tokenizer has {size} tokens, the model only {vocab_size}: they do not match"
        )


def _generation_config(path: Path) -> dict[str, object]:
    """generation_config.json; the reference's defaults stand in for a missing one."""
    return read_json(path, "generation_config.json") if (path / "generation_config.json").exists() else {}


def _repository(path: Path, trust: Trust | None) -> NgramCache | None:
    """The n-grams of the repository that the checkpoint was fine-tuned on."""
    if trust is None:
        return None
    try:
        return NgramCache(np.load(path / REPOSITORY, allow_pickle=False), trust, REPOSITORY_LEAST)
    except (OSError, ValueError, EOFError) as error:
        raise CheckpointError(f"{path / REPOSITORY} cannot be read: {error}") from None
