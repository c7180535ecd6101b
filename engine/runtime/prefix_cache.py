"""Encoder caches kept from one request to the next."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor

from engine.model.diffusion_gemma import DiffusionGemma
from engine.model.kv_cache import KVCache

CHUNK = 1024  # tokens encoded at a time: bounds the size of the masks


def encode_in_chunks(network: DiffusionGemma, ids: Tensor, cache: KVCache | None = None) -> KVCache:
    """Encode ids, int64 [T] and at least one unless there is a `cache`, behind it."""
    for chunk in ids[None].to(network.device).split(CHUNK, dim=1):
        cache = network.encode(chunk, cache) if chunk.shape[1] else cache
    assert cache is not None
    return cache


class PrefixCache:
    """The caches of the last few contexts; a new context encodes only what no kept one covers.

    Possible because a `KVCache` never changes once made.
    """

    def __init__(self, network: DiffusionGemma, entries: int = 8) -> None:
        self.network, self.entries = network, entries
        self._kept: OrderedDict[tuple[int, ...], KVCache] = OrderedDict()

    def encode(self, ids: list[int]) -> KVCache:
        """The cache of a whole context; ids must not be empty."""
        key = tuple(ids)
        known = max((k for k in self._kept if key[: len(k)] == k), key=len, default=())
        new = torch.tensor(ids[len(known) :], dtype=torch.long)
        cache = self._kept[key] = encode_in_chunks(self.network, new, self._kept.get(known))
        self._kept.move_to_end(key)
        while len(self._kept) > self.entries:
            self._kept.popitem(last=False)
        return cache
