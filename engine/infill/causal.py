"""The same weights as a causal language model: drafts of its own, and the choice between candidates.

Choosing by the causal log-probability summed over (head + candidate + start of the suffix, tokenized jointly)
was the best of the rules tried on the default model; per-token means and the denoiser's own scores were no better.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.infill.layout import Layout, Tokens
from engine.model.diffusion_gemma import DiffusionGemma
from engine.model.kv_cache import KVCache

SUFFIX_CHARACTERS = 40  # of the suffix, looked at when choosing


@dataclass(frozen=True, slots=True)
class Context:
    """An encoded context whose last token is kept apart, so that what follows it can be scored."""

    cache: KVCache | None  # all but the last token
    last: int


@torch.inference_mode()
def draft(
    network: DiffusionGemma,
    context: Context,
    layout: Layout,
    tokens: Tokens,
    limit: int,
    proceed: Callable[[str], bool],
) -> str:
    """The greedy continuation of the head, at most `limit` tokens; `proceed` sees it grow and may end it.

    The head's last token is given back and its text demanded of the first new token ("token healing"): a cursor
    inside a word would otherwise force a split that the model has not seen.
    """
    demanded = tokens.decode(layout.head[-1:])
    ids = [context.last, *layout.head[:-1]]
    cache, out = context.cache, list[int]()
    while len(out) < limit:
        hidden, cache = network.encode_hidden(torch.tensor([ids], device=network.device), cache)
        logits = network.causal_logits(hidden[0, -1])
        if not out and demanded:
            logits = logits + _starting_with(demanded, tokens, network)
        ids = [int(logits.argmax())]
        if ids[0] in tokens.stop_ids:
            break
        out += ids
        if period := looping(out):
            out = out[: -2 * period]
            break
        if not proceed(tokens.decode(out)[len(demanded) :]):
            break
    return tokens.decode(out)[len(demanded) :]


def looping(ids: list[int], longest: int = 8) -> int:
    """The period with which ids end in the same tokens three times over, else 0: greedy drafts get stuck so."""
    return next((p for p in range(1, longest + 1) if len(ids) >= 3 * p and ids[-3 * p :] == ids[-p:] * 3), 0)


def _starting_with(text: str, tokens: Tokens, network: DiffusionGemma) -> Tensor:
    """Additive logits [V]: 0 for tokens whose text starts with `text`, -inf for the others."""
    mask = torch.full((network.config.vocab_size,), -math.inf)
    allowed = [i for i, piece in enumerate(tokens.pieces) if piece.startswith(text)]
    mask[allowed] = 0.0
    return mask.to(network.device)


@torch.inference_mode()
def scores(
    network: DiffusionGemma, context: Context, layout: Layout, tokens: Tokens, candidates: list[str]
) -> list[tuple[float, float]]:
    """For each candidate the summed log-probability (nats), and the mean probability per token in [0, 1]."""
    tail = layout.suffix_text[:SUFFIX_CHARACTERS]
    rows = [[context.last, *tokens.encode(layout.head_text + text + tail)] for text in candidates]
    longest = max(len(row) for row in rows)
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows], device=network.device)
    hidden, _ = network.encode_hidden(ids[:, :-1], context.cache)  # [N, T - 1, D]
    results = []
    for row, states in zip(rows, hidden, strict=True):
        logits = network.causal_logits(states[: len(row) - 1])
        target = torch.tensor(row[1:], device=network.device)
        chosen = logits.log_softmax(dim=-1).gather(1, target[:, None])
        total = float(chosen.sum())
        results.append((total, math.exp(total / len(target))))
    return results
