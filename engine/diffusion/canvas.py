"""The block of tokens that is denoised together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Noise:
    """What stands in a slot of which nothing is known: a random id (DiffusionGemma), or one mask id."""

    kind: Literal["uniform", "mask"]
    vocab_size: int
    mask_id: int = 0

    def draw(self, count: int, device: torch.device, generator: torch.Generator | None) -> Tensor:
        """Noise for `count` slots, int64 [count]."""
        if self.kind == "mask":
            return torch.full((count,), self.mask_id, device=device)
        return torch.randint(0, self.vocab_size, (1, count), device=device, generator=generator)[0]


@dataclass(frozen=True, slots=True)
class Canvas:
    """Token ids [C], of which the pinned ones (bool [C]) are given and never change.

    `padding_id` is the token that fills the rest of a gap behind its middle, if the model knows one: when a
    slot settles on it, so do all free slots after it ("broadcast delete", DreamOn, arXiv:2602.01326).
    `banned` says which ids may not be predicted, for all free slots (bool [V]) or each (bool [R, V]).
    """

    ids: Tensor
    pinned: Tensor
    noise: Noise
    padding_id: int | None = None
    banned: Tensor | None = None

    @classmethod
    def free(cls, length: int, noise: Noise, device: torch.device, generator: torch.Generator | None) -> Canvas:
        """A canvas of noise alone."""
        return cls(noise.draw(length, device, generator), torch.zeros(length, dtype=torch.bool, device=device), noise)
