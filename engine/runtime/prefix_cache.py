"""Encoder caches kept from one request to the next."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor

from engine.model.causal_network import CausalNetwork
from engine.model.kv_cache import KVCache

CHUNK = 1024  # tokens encoded at a time: bounds the size of the masks
_KEPT_TOKENS = 16_384  # in all kept contexts
_SUPERSEDED_TOKENS = 192  # a kept context of which a new one lacks no more than a shown suffix is not kept any longer


def encode_in_chunks(network: CausalNetwork, ids: Tensor, cache: KVCache | None = None) -> KVCache:
    """Encode ids, int64 [T] and at least one unless there is a `cache`, behind it."""
    for chunk in ids[None].to(network.device).split(CHUNK, dim=1):
        cache = network.encode(chunk, cache) if chunk.shape[1] else cache
    assert cache is not None
    return cache


class PrefixCache:
    """The caches of the last few contexts; a new context encodes only what no kept one covers.

    Possible because a `KVCache` never changes once made. Where all layers are full, the beginning of a kept context
    serves too: what follows the first changed token is encoded again, and nothing else.
    """

    def __init__(self, network: CausalNetwork, entries: int = 8) -> None:
        self.network, self.entries = network, entries
        self.can_cut = all(shape.kind == "full" for shape in network.config.layers)
        self._kept: OrderedDict[tuple[int, ...], KVCache] = OrderedDict()

    def encode(self, ids: list[int]) -> KVCache:
        """The cache of a whole context; ids must not be empty."""
        key = tuple(ids)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        nearest, shared = self._nearest(key)
        known = self._kept[nearest] if nearest else None
        if known and shared < len(nearest):
            known = known.first(shared)
        cache = encode_in_chunks(self.network, torch.tensor(ids[shared:], dtype=torch.long), known)
        if self.can_cut and len(nearest) - shared <= _SUPERSEDED_TOKENS:
            self._kept.pop(nearest, None)
        self._kept[key] = cache
        while len(self._kept) > self.entries or (len(self._kept) > 1 and self._size() > _KEPT_TOKENS):
            self._kept.popitem(last=False)
        return cache

    def _nearest(self, key: tuple[int, ...]) -> tuple[tuple[int, ...], int]:
        """The kept context that shares the longest usable beginning with `key`, and its length in tokens."""
        best: tuple[tuple[int, ...], int] = ((), 0)
        for kept in self._kept:
            shared = _shared(kept, key)
            usable = shared if self.can_cut or shared == len(kept) else 0
            if usable > best[1]:
                best = (kept, usable)
        return best

    def _size(self) -> int:
        return sum(len(kept) for kept in self._kept)


def _shared(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    """How many first tokens two contexts share."""
    for index, (a, b) in enumerate(zip(one, other)):  # noqa: B905 (of different lengths)
        if a != b:
            return index
    return min(len(one), len(other))
