"""Keys and values of the context, as the encoder leaves them and the decoder reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

_ROOM = 256  # tokens by which a growing cache's buffers grow at least


class Past(Protocol):
    """What a layer reads before its own tokens."""

    def joined(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """The keys and values so far followed by these new ones, each [B, kv heads, T, head_dim]."""


@dataclass(frozen=True, slots=True)
class LayerCache:
    """One layer's normed, rotated keys and normed values: each [B, kv heads, n, head_dim].

    A full layer keeps every token (n = length), a sliding layer the last `sliding_window - 1`.
    """

    keys: Tensor
    values: Tensor

    def joined(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """The cached keys and values followed by new ones; a batch of one serves any batch."""
        batch = keys.shape[0]
        old_keys, old_values = (t.expand(batch, -1, -1, -1) for t in (self.keys, self.values))
        return torch.cat([old_keys, keys], dim=2), torch.cat([old_values, values], dim=2)

    def __len__(self) -> int:
        return self.keys.shape[2]


class GrowingCache:
    """One layer's keys and values that keep what is joined to them: for many short passes, each behind the last."""

    def __init__(self, layer: LayerCache | None) -> None:
        self.context = self._length = len(layer) if layer else 0
        self._keys: Tensor | None = layer.keys if layer else None
        self._values: Tensor | None = layer.values if layer else None

    def joined(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """As `Past.joined`; the new ones are there the next time."""
        old, length = self._length, self._length + keys.shape[2]
        if self._keys is None or self._values is None or length > self._keys.shape[2]:
            self._keys, self._values = self._wider(self._keys, keys, length), self._wider(self._values, values, length)
        self._keys[:, :, old:length], self._values[:, :, old:length] = keys, values
        self._length = length
        return self._keys[:, :, :length], self._values[:, :, :length]

    def _wider(self, old: Tensor | None, new: Tensor, length: int) -> Tensor:
        wider = new.new_empty(*new.shape[:2], length + _ROOM, new.shape[3])
        if old is not None:
            wider[:, :, : self._length] = old[:, :, : self._length]
        return wider


@dataclass(frozen=True, slots=True)
class KVCache:
    """An immutable context: extending it gives a new cache, so an old one may be kept and branched."""

    layers: tuple[LayerCache, ...]
    length: int  # tokens encoded so far, also the position of the next one

    def first(self, length: int) -> KVCache:
        """Returns the cache of the first `length` tokens, sharing memory with this one.

        Right for full layers only: a sliding layer has forgotten some of them.
        """
        cut = (LayerCache(layer.keys[:, :, :length], layer.values[:, :, :length]) for layer in self.layers)
        return KVCache(tuple(cut), length)
