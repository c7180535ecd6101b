"""Fits how far n-grams are believed beside a checkpoint's own probabilities."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import torch
from rich.progress import track
from torch import Tensor

from engine.evaluation.tasks import Task
from engine.infill import LoadedModel
from engine.infill.context import HISTORY, LEAST
from engine.infill.layout import lay_out
from engine.infill.ngram_cache import ORDER, NgramCache, Trust
from engine.protocol import FillRequest

START = Trust(-2.0, 0.5, -1.0)  # before anything is fitted
PRIOR = 1e-3  # of a weight's squared distance from there, in nats: matches of the full order are few
_Grams = list[tuple[int, float, float]]  # for each n-gram found its order, log of repeats, the true token's share


def fit_trust(model: LoadedModel, tasks: Sequence[Task]) -> tuple[list[Trust], float]:
    """The trust under which the true tokens are the likeliest, for each n-gram cache of a fill, the lowest first.

    Also returns by how much it lowers the loss of a token, in nats. The model has to have caches already, with whatever
    trust.
    """
    tokens = [token for task in track(tasks, "reading n-grams", transient=True) for token in _tokens_of(model, task)]
    alone = torch.tensor([p for p, _ in tokens])
    caches = len(tokens[0][1])
    grams = torch.zeros(len(tokens), caches, ORDER, 3)  # repeats, share, present
    for i, (_, found) in enumerate(tokens):
        for cache, rows in enumerate(found):
            for order, repeats, share in rows:
                grams[i, cache, order - 1] = torch.tensor([repeats, share, 1.0])
    start = torch.tensor([[START.bias, START.slope, START.full_order_bias]] * caches)
    weights = start.clone().requires_grad_()

    def loss() -> Tensor:
        p = alone
        for cache, (bias, slope, full) in enumerate(weights):
            for order in range(ORDER):
                repeats, share, present = grams[:, cache, order].unbind(1)
                weight = torch.sigmoid((full if order + 1 == ORDER else bias) + slope * repeats) * present
                p = (1 - weight) * p + weight * share
        return -p.clamp(min=LEAST).log().mean() + PRIOR * (weights - start).square().sum()

    before = float(-alone.clamp(min=LEAST).log().mean())
    after = minimised(loss, weights)
    print(f"loss of a token: {before:.3f} nats by the model alone, {after:.3f} with n-grams")
    return [Trust(*(round(w, 3) for w in row)) for row in weights.tolist()], before - after


@torch.inference_mode()
def _tokens_of(model: LoadedModel, task: Task) -> Iterator[tuple[float, list[_Grams]]]:
    """For each token of the true line and what follows: the model's probability of it, and what each cache found."""
    request = FillRequest(prefix=task.prefix, suffix=task.suffix, single_line=task.one_line)
    layout = lay_out(request, model.tokens, model.shape)
    reader = model.reader(request, layout)
    caches = _chain(reader.ngrams)
    rows = model.tokens.encode(layout.head_text + task.middle + layout.suffix_text[:40])
    ids = [reader.context.last, *rows]
    read = torch.tensor([ids[:-1]], device=model.network.device)
    hidden, _ = model.network.encode_hidden(read, reader.context.cache)
    logits = model.network.causal_logits(hidden[0]).cpu()
    probabilities = logits.softmax(-1).gather(1, torch.tensor(rows)[:, None])[:, 0].tolist()
    history = [*layout.context[-HISTORY:-1], *ids]
    for place, probability in enumerate(probabilities, start=len(history) - len(rows)):
        before, token = history[max(0, place - HISTORY) : place], history[place]
        yield probability, [list(_grams(cache, before, token)) for cache in caches]


def _chain(cache: NgramCache | None) -> list[NgramCache]:
    return [*_chain(cache.below), cache] if cache else []


def _grams(cache: NgramCache, history: list[int], token: int) -> Iterator[tuple[int, float, float]]:
    for order, (_, following) in enumerate(cache.followers(history), start=cache.least):
        repeats = math.log(len(following) / len(set(following.tolist())))
        yield order, repeats, float((following == token).mean())


def minimised(loss: Callable[[], Tensor], weights: Tensor) -> float:
    """The least loss; `weights` are left at it."""
    optimizer = torch.optim.LBFGS([weights], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    optimizer.step(closure)
    return float(loss().detach())
