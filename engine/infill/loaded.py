"""A model that is ready to fill: network, tokenizer, settings, caches."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from engine.diffusion.sampler import DiffusionSettings
from engine.infill.checkpoint_options import InfillShape
from engine.infill.context import Context, Reader
from engine.infill.layout import Layout, ngrams
from engine.infill.ngram_cache import NgramCache
from engine.infill.tokens import Tokens
from engine.model.decoder_only import DecoderOnly
from engine.model.diffusion_gemma import DiffusionGemma
from engine.model.kv_cache import KVCache
from engine.protocol import FillRequest
from engine.runtime.prefix_cache import PrefixCache, encode_in_chunks

Network = DiffusionGemma | DecoderOnly


class LoadedModel:
    """What `engine.load` returns; `engine.fill` fills with it, and research may drive it step by step."""

    def __init__(
        self,
        network: Network,
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
    def denoiser(self) -> DiffusionGemma:
        """The network as one that denoises. Raises `TypeError` for one that does not."""
        if not isinstance(self.network, DiffusionGemma):
            raise TypeError(f"{self.name} does not denoise")
        return self.network

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
        soft = None if previous is None else self.denoiser.soft_embedding(previous)[None]
        return self.denoiser.denoise(canvas[None].to(self.network.device), cache, soft)[0]

    @torch.inference_mode()
    def encode(self, ids: list[int]) -> Context:
        """Encode a context through the prefix cache, without its last token."""
        return Context(self.network, self._prefixes.encode(ids[:-1]) if len(ids) > 1 else None, ids[-1])

    @torch.inference_mode()
    def whole(self, context: Context) -> KVCache:
        """An encoded context with its last token, as the denoiser wants it."""
        return self.denoiser.encode(torch.tensor([[context.last]], device=self.network.device), context.cache)

    def reader(self, request: FillRequest, layout: Layout) -> Reader:
        """The causal side of one request, its context encoded through the prefix cache."""
        shape, fim, prompt = self.shape, self.shape.fim, None
        if fim and self._prefixes.can_cut:
            suffix = [i for i in layout.suffix[: fim.suffix_tokens] if i not in self.tokens.stop_ids]
            prompt = self.encode([*layout.context, fim.suffix, *suffix, fim.middle])
            assert prompt.cache is not None
            context = Context(self.network, prompt.cache.first(len(layout.context) - 1), layout.context[-1])
        else:
            context = self.encode(layout.context)
        chat = self.encode(layout.chat) if layout.chat else None
        # They draw blocks of a large model to what stands beside: of 40 functions 24 were right with them, 29 without.
        trust = shape.ngram_trust if request.single_line or prompt is None else None
        file = ngrams(request, layout, self.tokens, trust, self.repository) if trust else self.repository
        return Reader(self.network, self.tokens, layout, context, file, fim, prompt, chat)
