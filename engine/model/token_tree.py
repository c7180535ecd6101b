"""Continuations of one context that branch: every token sees the context and its own ancestors.

Many drafts with the same beginning then cost that beginning once, and the context is never copied for each of them
(tree attention, as in SpecInfer, Miao et al. 2023, https://arxiv.org/abs/2305.09781).
"""

from __future__ import annotations

import torch
from torch import Tensor

from engine.model.config import LayerShape
from engine.model.diffusion_gemma import DiffusionGemma
from engine.model.kv_cache import KVCache, LayerCache

ROOT = -1  # the parent of tokens right behind the context


class TokenTree:
    """A growing tree of tokens behind a cached context, read by the encoder; token i is the i-th that was grown."""

    def __init__(self, network: DiffusionGemma, cache: KVCache | None) -> None:
        self.network = network
        self._start = cache.length if cache else 0
        self._caches: list[LayerCache | None] = list(cache.layers) if cache else [None] * len(network.stack)
        self._cached = [
            len(layer) if layer else 0 for layer in self._caches
        ]  # of the context, the others are the tree's
        self._positions = torch.empty(0, dtype=torch.long)
        self._ancestors = torch.empty(0, 0, dtype=torch.bool)  # [N, N], True for a token itself and its ancestors

    def __len__(self) -> int:
        return len(self._positions)

    def grow(self, ids: list[int], parents: list[int]) -> Tensor:
        """Add tokens, each behind its parent (an earlier token's index, or `ROOT`).

        Returns their hidden states behind the final norm, [T, D]. A parent may be among the tokens just added.
        """
        first = len(self)
        self._link(parents)
        network = self.network
        positions = self._positions[first:].to(network.device)
        x = network.embed(torch.tensor([ids], device=network.device))
        rotations = network.rotations(positions, x.dtype)
        masks: dict[tuple[str, int], Tensor] = {}
        for index, (layer, shape) in enumerate(network.stack):
            past, cached = self._caches[index], self._cached[index]
            if (shape.kind, cached) not in masks:
                masks[shape.kind, cached] = self._mask(first, cached, shape).to(network.device)
            mask = masks[shape.kind, cached]
            x, keys, values = layer(x, rotations[shape.kind], encoder=True, past=past, mask=mask)
            self._caches[index] = LayerCache(*(past.joined(keys, values) if past else (keys, values)))
        hidden: Tensor = network.norm(x)
        return hidden[0]

    def _link(self, parents: list[int]) -> None:
        first, size = len(self), len(self) + len(parents)
        ancestors = torch.zeros(size, size, dtype=torch.bool)
        ancestors[:first, :first] = self._ancestors
        for token, parent in enumerate(parents, start=first):
            if parent != ROOT:
                ancestors[token] = ancestors[parent]
            ancestors[token, token] = True
        self._ancestors = ancestors
        self._positions = self._start + ancestors.sum(dim=1) - 1

    def _mask(self, first: int, cached: int, shape: LayerShape) -> Tensor:
        """What the tokens from `first` on see of `cached` tokens of the context and of the tree: [T, cached + N]."""
        context = torch.arange(self._start - cached, self._start)
        sees = torch.cat([torch.ones(len(self) - first, cached, dtype=torch.bool), self._ancestors[first:]], dim=1)
        if shape.kind == "full":
            return sees
        distance = self._positions[first:, None] - torch.cat([context, self._positions])
        return sees & (distance < self.network.config.sliding_window)
