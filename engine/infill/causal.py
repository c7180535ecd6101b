"""The same weights as a causal language model: drafts of its own, and the choice between candidates.

Choosing by the causal log-probability summed over (candidate + start of the suffix, tokenized jointly with the head)
was the best of the rules tried on the default model; per-token means and the denoiser's own scores were no better.
The probabilities are mixed with what the file itself says comes next (`NgramCache`) where the checkpoint asks for it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from engine.infill.layout import SUFFIX_CHARACTERS, Layout, Tokens
from engine.infill.ngram_cache import NgramCache
from engine.model.diffusion_gemma import DiffusionGemma
from engine.model.kv_cache import KVCache
from engine.model.token_tree import ROOT, TokenTree

HISTORY = 16  # tokens of what came before, enough for every n-gram
LEAST = 1e-12  # a probability in whose place zero would rule a candidate out for ever


@dataclass(frozen=True, slots=True)
class Context:
    """An encoded context whose last token is kept apart, so that what follows it can be scored."""

    cache: KVCache | None  # all but the last token
    last: int


@dataclass(frozen=True, slots=True)
class Reader:
    """One laid-out request as the causal side sees it."""

    network: DiffusionGemma
    tokens: Tokens
    layout: Layout
    context: Context
    ngrams: NgramCache | None = None
    fim: tuple[int, int, int] | None = None  # tokens before suffix, before middle, after it: fill-in-the-middle form


@dataclass(frozen=True, slots=True)
class Score:
    """How likely a candidate is: `total` summed log-probability (nats), `mean` probability per token in [0, 1]."""

    total: float
    mean: float


@torch.inference_mode()
def scores(reader: Reader, candidates: list[str]) -> list[Score]:
    """The score of each candidate together with the start of the suffix, given everything before."""
    layout, tokens, network = reader.layout, reader.tokens, reader.network
    tail = layout.suffix_text[:SUFFIX_CHARACTERS]
    rows = [[reader.context.last, *tokens.encode(layout.head_text + text + tail)] for text in candidates]
    shared = _shared(rows)
    ids, parents, paths = _trie([row[:-1] for row in rows])
    hidden = TokenTree(network, reader.context.cache).grow(ids, parents)
    results = []
    for row, path in zip(rows, paths, strict=True):
        logits = network.causal_logits(hidden[path[shared - 1 :]])
        targets = torch.tensor(row[shared:], device=network.device)
        chosen = logits.gather(1, targets[:, None])[:, 0] - logits.logsumexp(dim=-1)
        probabilities = chosen.exp().tolist()
        if reader.ngrams:
            text = [*layout.context[-HISTORY:-1], *row]
            places = range(len(text) - len(targets), len(text))
            probabilities = [
                reader.ngrams.mixed(p, text[max(0, i - HISTORY) : i], text[i])
                for p, i in zip(probabilities, places, strict=True)
            ]
        total = sum(math.log(max(p, LEAST)) for p in probabilities)
        results.append(Score(total, math.exp(total / len(probabilities))))
    return results


def _trie(rows: list[list[int]]) -> tuple[list[int], list[int], list[list[int]]]:
    """The rows with their common beginnings once: ids and parents of a tree's tokens, and each row's path in it."""
    ids, parents = list[int](), list[int]()
    places: dict[tuple[int, int], int] = {}  # by parent and id
    paths = []
    for row in rows:
        parent, path = ROOT, list[int]()
        for token in row:
            if (parent, token) not in places:
                places[parent, token] = len(ids)
                ids.append(token)
                parents.append(parent)
            parent = places[parent, token]
            path.append(parent)
        paths.append(path)
    return ids, parents, paths


def _shared(rows: list[list[int]]) -> int:
    """How many first tokens all rows share; at least one, and every row has at least one more."""
    most = min(len(row) for row in rows) - 1
    return next((i for i in range(1, most) if len({row[i] for row in rows}) > 1), max(most, 1))
