"""A model that is ready to fill: network, tokenizer, settings, caches."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from engine.diffusion.sampler import DiffusionSettings
from engine.infill.causal import Context, Reader
from engine.infill.layout import InfillShape, Layout, Tokens, ngrams
from engine.infill.ngram_cache import NgramCache, Trust
from engine.model.dense import make_dense
from engine.model.diffusion_gemma import DiffusionGemma
from engine.model.kv_cache import KVCache
from engine.protocol import FillRequest
from engine.runtime.device import choose_device, choose_dtype
from engine.runtime.prefix_cache import PrefixCache, encode_in_chunks
from engine.weights.checkpoint import CheckpointError, load_network, read_json

DEFAULT_MODEL = Path(__file__).parent.parent / "default_model"
REPOSITORY = "repository.npy"  # token ids of a repository's files, int32 [N], `BREAK` between them
REPOSITORY_LEAST = 3  # tokens of history: what follows fewer, the model knows


class LoadedModel:
    """What `engine.load` returns; `engine.fill` fills with it, and research may drive it step by step."""

    def __init__(
        self,
        network: DiffusionGemma,
        tokens: Tokens,
        shape: InfillShape,
        settings: DiffusionSettings,
        name: str,
        repository: NgramCache | None = None,
    ) -> None:
        self.network, self.tokens, self.shape, self.settings, self.name = network, tokens, shape, settings, name
        self.repository = repository
        self._prefixes = PrefixCache(network)

    @property
    def device(self) -> str:
        return str(self.network.device)

    @property
    def context_tokens(self) -> int:
        """How many tokens of context the model is given at most."""
        return self.shape.context_tokens

    @property
    def languages(self) -> tuple[str, ...]:
        """The identifiers of the languages that the model was trained on; empty where they are not known."""
        return self.shape.languages

    @cached_property
    def gap_tokens(self) -> int:
        """The longest middle, in tokens."""
        return max(self.shape.gap_tokens)

    @torch.inference_mode()
    def prefill(self, ids: Tensor) -> KVCache:
        """Encode ids, int64 [T], into a cache, in chunks."""
        return encode_in_chunks(self.network, ids)

    @torch.inference_mode()
    def denoise(self, canvas: Tensor, cache: KVCache, previous: Tensor | None = None) -> Tensor:
        """One denoising step: canvas int64 [C], `previous` the last step's temperature-shaped logits [C, V] or None.

        Returns float32 logits [C, V] after the softcap.
        """
        soft = None if previous is None else self.network.soft_embedding(previous)[None]
        return self.network.denoise(canvas[None].to(self.network.device), cache, soft)[0]

    @torch.inference_mode()
    def encode(self, ids: list[int]) -> Context:
        """Encode a context through the prefix cache, without its last token."""
        return Context(self._prefixes.encode(ids[:-1]) if len(ids) > 1 else None, ids[-1])

    @torch.inference_mode()
    def whole(self, context: Context) -> KVCache:
        """An encoded context with its last token, as the denoiser wants it."""
        return self.network.encode(torch.tensor([[context.last]], device=self.network.device), context.cache)

    def reader(self, request: FillRequest, layout: Layout, context: Context) -> Reader:
        """The causal side of one request."""
        shape = self.shape
        fim = None
        if shape.fim_token_ids and shape.end_of_gap_token_id is not None:
            fim = (*shape.fim_token_ids, shape.end_of_gap_token_id)
        trust = shape.ngram_trust
        file = ngrams(request, layout, self.tokens, trust, self.repository) if trust else self.repository
        return Reader(self.network, self.tokens, layout, context, file, fim)


def load(
    folder: str | Path | None = None,
    *,
    device: str = "auto",
    dtype: str = "auto",
    progress: Callable[[float], None] | None = None,
) -> LoadedModel:
    """Load a checkpoint folder in the published layout; None is the model shipped in the package.

    `progress` is called with the share loaded, in [0, 1]. Raises ValueError (`CheckpointError`, `ConfigError`)
    with one line that says what is wrong.
    """
    path = Path(folder) if folder is not None else DEFAULT_MODEL
    place = choose_device(device)
    config, generation = read_json(path, "config.json"), _generation_config(path)
    shape, settings = InfillShape.from_dict(config), DiffusionSettings.from_dict(generation)
    tokens = Tokens(_tokenizer(path), settings.stop_ids)
    network = load_network(path, place, choose_dtype(dtype, place), progress)
    make_dense(network)
    size = tokens.tokenizer.get_vocab_size()
    if size > network.config.vocab_size:
        raise CheckpointError(
            f"{path}: tokenizer.json has {size} tokens, the model only {network.config.vocab_size}: they do not match"
        )
    name = "dg-default" if folder is None else path.resolve().name
    return LoadedModel(network, tokens, shape, settings, name, _repository(path, shape.repository_trust))


def _generation_config(path: Path) -> dict[str, object]:
    """generation_config.json; the reference's defaults stand in for a missing one."""
    return read_json(path, "generation_config.json") if (path / "generation_config.json").exists() else {}


def _tokenizer(path: Path) -> Tokenizer:
    file = path / "tokenizer.json"
    if not file.is_file():
        raise CheckpointError(f"{path} has no tokenizer.json; download the model again")
    try:
        return Tokenizer.from_file(str(file))
    except Exception as error:  # tokenizers raises bare Exception
        raise CheckpointError(f"{file} cannot be read: {error}") from None


def _repository(path: Path, trust: Trust | None) -> NgramCache | None:
    """The n-grams of the repository that the checkpoint was fine-tuned on."""
    if trust is None:
        return None
    try:
        return NgramCache(np.load(path / REPOSITORY, allow_pickle=False), trust, REPOSITORY_LEAST)
    except (OSError, ValueError, EOFError) as error:
        raise CheckpointError(f"{path / REPOSITORY} cannot be read: {error}") from None
