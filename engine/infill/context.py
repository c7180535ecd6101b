"""What is read of one request: an encoded context, and the tokens behind it, each of them once."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from engine.infill.fim import FimForm
from engine.infill.layout import Layout
from engine.infill.ngram_cache import Mixture, NgramCache
from engine.infill.tokens import Tokens
from engine.model.causal_network import CausalNetwork
from engine.model.kv_cache import KVCache
from engine.model.token_tree import ROOT, TokenTree

HISTORY = 16  # tokens of what came before, enough for every n-gram
LEAST = 1e-12  # a probability in whose place zero would rule a candidate out for ever


class Context:
    """An encoded context whose last token is kept apart, so that what follows it can be scored.

    `cache` holds all but the `last` token; None where that is the only one. What is read behind it is kept as a tree:
    drafts that begin alike share their beginning, and choosing reads nothing that the search has read.
    """

    def __init__(self, network: CausalNetwork, cache: KVCache | None, last: int) -> None:
        self.network, self.cache, self.last = network, cache, last
        self._tree = TokenTree(network, cache)
        self._hidden = torch.empty(0, network.config.hidden_size)
        self._places: dict[tuple[int, int], int] = {}  # in the tree, by the parent's place and the token's id

    @torch.inference_mode()
    def read(self, rows: list[list[int]], behind: list[int] | None = None) -> list[list[int]]:
        """Each row's places in the tree, one for each of its ids; new ones are read in one pass.

        Rows begin behind the places `behind`, else at the root.
        """
        ids, parents, paths = list[int](), list[int](), list[list[int]]()
        for row, start in zip(rows, behind or [ROOT] * len(rows), strict=True):
            parent, path = start, list[int]()
            for token in row:
                if (parent, token) not in self._places:
                    self._places[parent, token] = len(self._places)
                    ids.append(token)
                    parents.append(parent)
                parent = self._places[parent, token]
                path.append(parent)
            paths.append(path)
        if ids:
            hidden = self._tree.grow(ids, parents)
            self._hidden = torch.cat([self._hidden.to(hidden), hidden])
        return paths

    @torch.inference_mode()
    def logits(self, places: list[int]) -> Tensor:
        """The network's float32 logits [T, V] of what follows these places."""
        return self.network.causal_logits(self._hidden[places])


@dataclass(frozen=True, slots=True)
class Reader:
    """One laid-out request as the causal side sees it."""

    network: CausalNetwork
    tokens: Tokens
    layout: Layout
    context: Context
    ngrams: NgramCache | None = None
    fim: FimForm | None = None
    prompt: Context | None = None  # context and suffix in fill-in-the-middle form, where their cache is kept
    chat: Context | None = None  # the same as a chat, where the model was trained to chat and lines are asked for

    def in_chat(self) -> Reader:
        """This reader with the chat as its prompt; the model's answer ends with its code fence."""
        assert self.fim is not None
        return replace(self, prompt=self.chat, fim=replace(self.fim, ends=(*self.fim.ends, *self.tokens.fence_ids)))

    def mixture(self, history: list[int]) -> Mixture:
        """What the file says of the token behind a history."""
        return self.ngrams.mixture(history) if self.ngrams else Mixture()
