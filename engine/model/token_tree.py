"""Continuations of one context that branch: every token sees the context and its own ancestors.

Many drafts with the same beginning then cost that beginning once, and the context is never copied for each of them
(tree attention, as in SpecInfer, Miao et al. 2023, https://arxiv.org/abs/2305.09781).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from engine.model.causal_network import CausalNetwork
from engine.model.config import LayerShape
from engine.model.kv_cache import GrowingCache, KVCache, LayerCache

ROOT = -1  # the parent of tokens right behind the context
_ROOM = 256  # tokens by which the table of ancestors grows at least


class TokenTree:
    """A growing tree of tokens behind a cached context, read by the encoder; token i is the i-th that was grown."""

    def __init__(self, network: CausalNetwork, cache: KVCache | None) -> None:
        self.network = network
        self._start = cache.length if cache else 0
        layers: list[LayerCache | None] = list(cache.layers) if cache else [None] * len(network.stack)
        self._caches = [GrowingCache(layer) for layer in layers]
        self._depths: list[int] = []  # of each token, from 0
        self._ancestors = np.zeros((_ROOM, _ROOM), dtype=np.bool_)  # True for a token itself and its ancestors

    def __len__(self) -> int:
        return len(self._depths)

    def grow(self, ids: list[int], parents: list[int]) -> Tensor:
        """Add tokens, each behind its parent (an earlier token's index, or `ROOT`).

        Returns their hidden states behind the final norm, [T, D]. A parent may be among the tokens just added.
        """
        first = len(self)
        self._link(parents)
        network = self.network
        positions = torch.tensor(self._depths[first:], device=network.device) + self._start
        x = network.embed(torch.tensor([ids], device=network.device))
        rotations = network.rotations(positions, x.dtype)
        masks: dict[tuple[str, int], Tensor] = {}
        for (layer, shape), past in zip(network.stack, self._caches, strict=True):
            key = shape.kind, past.context
            if key not in masks:
                masks[key] = self._mask(first, past.context, shape).to(network.device, x.dtype)
            x, _, _ = layer(x, rotations[shape.kind], encoder=True, past=past, mask=masks[key])
        hidden: Tensor = network.norm(x)
        return hidden[0]

    def _link(self, parents: list[int]) -> None:
        first, size = len(self), len(self) + len(parents)
        if size > len(self._ancestors):
            wider = np.zeros((size + _ROOM, size + _ROOM), dtype=np.bool_)
            wider[:first, :first] = self._ancestors[:first, :first]
            self._ancestors = wider
        for token, parent in enumerate(parents, start=first):
            if parent != ROOT:
                self._ancestors[token] = self._ancestors[parent]
            self._ancestors[token, token] = True
            self._depths.append(0 if parent == ROOT else self._depths[parent] + 1)

    def _mask(self, first: int, context: int, shape: LayerShape) -> Tensor:
        """What the tokens from `first` on see of `context` tokens before the tree and of the tree, to be added to
        their scores: 0, or minus infinity where they see nothing. [T, context + N]."""
        size = len(self)
        sees = np.ones((size - first, context + size), dtype=np.bool_)
        sees[:, context:] = self._ancestors[first:size, :size]
        if shape.kind == "sliding":
            depths = np.array(self._depths)
            positions = np.concatenate([np.arange(-context, 0), depths])
            sees &= depths[first:, None] - positions < self.network.config.sliding_window
        return torch.zeros(sees.shape).masked_fill_(torch.from_numpy(~sees), -torch.inf)
