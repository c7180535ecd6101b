"""Keys and values of the context, as the encoder leaves them and the decoder reads them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


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


@dataclass(frozen=True, slots=True)
class KVCache:
    """An immutable context: extending it gives a new cache, so an old one may be kept and branched."""

    layers: tuple[LayerCache, ...]
    length: int  # tokens encoded so far, also the position of the next one
