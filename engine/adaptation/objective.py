"""What an adapter learns: at each mask row the author's next token and the frozen network's own prediction of it.

The network reads the whole example causally once; its states at clean positions are the soft targets. The losses look
at the frequent tokens alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.adaptation.examples import Blocks, Example
from engine.model.adapter import Adapter
from engine.model.decoder_only import DecoderOnly
from engine.model.kv_cache import KVCache
from engine.model.linear import Linear
from engine.training.store import TrainingError

GAMMA = 7.0  # a row weighs exp(-offset / GAMMA): a late token counts only if those before it are right
SOFT = 0.5  # share of the loss that follows the network's own predictions


class Vocabulary:
    """The frequent tokens, and the output matrix cut to them."""

    def __init__(self, ids: list[int], network: DecoderOnly) -> None:
        if not isinstance(network.head, Linear):
            raise TrainingError("an adapter is trained on plain weights, not on int8 ones")
        self.ids = torch.tensor(ids)
        self.index = torch.full((network.config.vocab_size,), -1).index_put((self.ids,), torch.arange(len(ids)))
        self.head = network.head.weight[self.ids].contiguous()  # [V, D]

    def logits(self, hidden: Tensor) -> Tensor:
        """Float32 logits [N, V] of hidden states [N, D]."""
        return F.linear(hidden, self.head).float()


@dataclass(frozen=True)
class Rows:
    """The wanted rows' losses and what they predict, each [W]."""

    loss: Tensor  # weighted over all rows: a scalar
    author: Tensor  # cross entropy with the author's token; 0 where that is not a frequent one
    own: Tensor  # divergence from the network's own prediction
    right: Tensor  # bool: the author's token is the most likely one
    agrees: Tensor  # bool: the network's own choice is the most likely one


@torch.no_grad()
def read(network: DecoderOnly, example: Example) -> tuple[Tensor, KVCache]:
    """The frozen network's states [T, D] of an example and its cache."""
    hidden, cache = network.encode_hidden(example.ids[None])
    return hidden[0], cache


def evaluate_rows(
    network: DecoderOnly, adapter: Adapter, vocabulary: Vocabulary, example: Example, blocks: Blocks
) -> Rows:
    """One causal pass without gradients, one canvas pass, and the losses of the wanted rows."""
    states, cache = read(network, example)
    hidden = adapter.hidden(network, blocks.canvas, cache)[blocks.wanted]
    predicted = F.log_softmax(vocabulary.logits(hidden), dim=-1)
    with torch.no_grad():
        own = F.log_softmax(vocabulary.logits(states[blocks.targets - 1]), dim=-1)
        choice = own.argmax(dim=-1)
    target = vocabulary.index[example.ids[blocks.targets]]
    frequent = target >= 0
    author = -predicted.gather(1, target.clamp(min=0)[:, None])[:, 0] * frequent
    divergence = F.kl_div(predicted, own, reduction="none", log_target=True).sum(dim=-1)
    weights = torch.exp((2 - blocks.distances) / GAMMA)
    loss = (weights * ((1 - SOFT) * author + SOFT * divergence)).sum() / weights.sum()
    best = predicted.detach().argmax(dim=-1)
    return Rows(loss, author.detach(), divergence.detach(), best == target, best == choice)
