"""Fits what a checkpoint's config.json says about trust: in the file's n-grams, and in the engine's own answers.

    python -m engine.training.calibrate CHECKPOINT --corpus var/corpus --holes 400

Holes are cut from texts of the training shards (of which a short training saw a small part), never from the held-out
packages: their figures stay a test. Writes `infill.ngram_trust` and `infill.calibration`.
"""

from __future__ import annotations

import argparse
import json
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from rich.progress import track
from torch import Tensor
from torch.nn import functional as F

from engine.infill import LoadedModel, causal, load
from engine.infill.calibration import Calibration, Features
from engine.infill.fill import rank
from engine.infill.layout import lay_out
from engine.infill.ngram_cache import ORDER, Trust
from engine.protocol import FillRequest
from engine.training.bpe import EOS
from engine.training.export import write_sums
from engine.training.shards import Shards
from engine.weights.checkpoint import read_json

FALSE_RATE = 0.2  # of automatic answers; below the promised quarter, for the held-out share turns out a little higher
SHORTEST = 500  # characters of a text
STRETCH = 20_000  # tokens in which a whole text is looked for
_REST, _SPAN, _BLOCK = range(3)


@dataclass(frozen=True, slots=True)
class Hole:
    """A hole with its answer."""

    prefix: str
    middle: str
    suffix: str
    one_line: bool

    @property
    def request(self) -> FillRequest:
        return FillRequest(prefix=self.prefix, suffix=self.suffix, single_line=self.one_line)


def holes(corpus: Path, model: LoadedModel, count: int, seed: int) -> Iterator[Hole]:
    """`count` holes: rests of lines (half), spans inside a line, and blocks that begin with a line (a quarter each)."""
    draw, found = random.Random(seed), 0
    for text in _texts(Shards(corpus, "train"), model, draw):
        hole = _cut(text, (_REST, _SPAN, _REST, _BLOCK)[found % 4], draw)
        if hole and hole.middle.strip() and len(model.tokens.encode(hole.middle)) <= (16 if hole.one_line else 64):
            found += 1
            yield hole
        if found == count:
            return


def _texts(shards: Shards, model: LoadedModel, draw: random.Random) -> Iterator[str]:
    """Whole texts at random places of the shards, for ever."""
    while True:
        array = draw.choice(shards.arrays)
        start = draw.randrange(len(array) - STRETCH)
        ids = array[start : start + STRETCH].tolist()
        ends = [i for i, token in enumerate(ids) if token == EOS]
        if len(ends) >= 2:
            text = model.tokens.decode(ids[ends[0] + 1 : ends[1]])
            if len(text) >= SHORTEST:
                yield text


def _cut(text: str, kind: int, draw: random.Random) -> Hole | None:
    """A hole of a kind, the cursor at a random character of a code line; None where there is none."""
    cursor = draw.randrange(len(text))
    begin, end = text.rfind("\n", 0, cursor) + 1, (text + "\n").find("\n", cursor)
    code = begin + len(text[begin:end]) - len(text[begin:end].lstrip())
    if not code <= cursor < end or len(text[begin:end].strip()) < 3:
        return None
    if kind == _SPAN:
        end = draw.randint(cursor + 1, end)
    if kind == _BLOCK:
        cursor = code
        for _ in range(draw.randint(0, 4)):
            end = (text + "\n").find("\n", min(end + 1, len(text)))
    return Hole(text[:cursor], text[cursor:end], text[end:], kind != _BLOCK)


@torch.inference_mode()
def _tokens_of(model: LoadedModel, hole: Hole) -> Iterator[tuple[float, list[tuple[float, float, float]]]]:
    """For each token of the true line and what follows: the model's probability of it, and for each order of n-gram
    the logarithm of occurrences per distinct follower, whether the order is full, and the share that this token has.
    """
    request = hole.request
    layout = lay_out(request, model.tokens, model.shape)
    context, _ = model.encode(layout.context)
    reader = model.reader(request, layout, context)
    assert reader.ngrams is not None
    rows = model.tokens.encode(layout.head_text + hole.middle + layout.suffix_text[:40])
    ids = [context.last, *rows]
    hidden, _ = model.network.encode_hidden(torch.tensor([ids[:-1]], device=model.network.device), context.cache)
    logs = model.network.causal_logits(hidden[0]).log_softmax(-1).gather(1, torch.tensor(rows)[:, None])
    history = [*layout.context[-causal.HISTORY : -1], *ids]
    first = len(history) - len(rows)
    for place, log in enumerate(logs[:, 0].tolist(), start=first):
        found = []
        for order, (_, following) in enumerate(reader.ngrams.followers(history[max(0, place - 16) : place]), start=1):
            repeats = math.log(len(following) / len(set(following.tolist())))
            found.append((repeats, float(order == ORDER), float((following == history[place]).mean())))
        yield math.exp(log), found


def fit_trust(model: LoadedModel, cut: list[Hole]) -> Trust:
    """The trust under which the true tokens are the likeliest."""
    tokens = [token for hole in track(cut, "reading n-grams", transient=True) for token in _tokens_of(model, hole)]
    alone = torch.tensor([p for p, _ in tokens])
    grams = torch.zeros(len(tokens), ORDER, 4)  # repeats, full order, share, present
    for i, (_, found) in enumerate(tokens):
        for order, values in enumerate(found):
            grams[i, order] = torch.tensor([*values, 1.0])
    weights = torch.tensor([-2.0, 0.5, -1.0], requires_grad=True)

    def loss() -> Tensor:
        p = alone
        for order in range(ORDER):
            repeats, full, share, present = grams[:, order].unbind(1)
            bias = torch.where(full > 0, weights[2], weights[0])
            weight = torch.sigmoid(bias + weights[1] * repeats) * present
            p = (1 - weight) * p + weight * share
        return -p.clamp(min=1e-9).log().mean()

    before = float(-alone.clamp(min=1e-9).log().mean())
    after = _minimised(loss, weights)
    print(f"loss of a token: {before:.3f} nats by the model alone, {after:.3f} with the file's n-grams")
    bias, slope, full = (round(w, 3) for w in weights.tolist())
    return Trust(bias, slope, full)


def fit_calibration(model: LoadedModel, cut: list[Hole]) -> Calibration:
    """The weights that tell right from wrong best, and the lowest threshold that keeps `FALSE_RATE`."""
    found: list[tuple[Features, bool, int]] = []
    for hole in track(cut, "filling holes", transient=True):
        if ranked := rank(model, hole.request):
            found.append((ranked[0].features, ranked[0].text == hole.middle, len(hole.middle)))
    inputs = torch.tensor([[1.0, *features.values] for features, _, _ in found])
    right = torch.tensor([float(is_right) for _, is_right, _ in found])
    weights = torch.zeros(inputs.shape[1], requires_grad=True)

    def loss() -> Tensor:
        return F.binary_cross_entropy_with_logits(inputs @ weights, right) + 1e-3 * weights.square().sum()

    _minimised(loss, weights)
    bias, posterior, likelihood, agreement, length, line_end, lines = (round(w, 3) for w in weights.tolist())
    fitted = Calibration(bias, posterior, likelihood, agreement, length, line_end, lines, threshold=1.0)
    surest = sorted(((fitted.confidence(f), is_right, size) for f, is_right, size in found), reverse=True)
    threshold, wrong, saved, best = 1.0, 0, 0, (0, 0)
    for place, (confidence, is_right, size) in enumerate(surest, start=1):
        wrong, saved = wrong + (not is_right), saved + size * is_right
        if wrong <= FALSE_RATE * place:
            threshold, best = confidence, (place, saved)
    total = sum(len(hole.middle) for hole in cut)
    print(
        f"right: {right.mean():.1%} of {len(cut)}; at threshold {threshold:.2f} {best[0] / len(cut):.1%} are answered, "
        f"at most {FALSE_RATE:.0%} of them wrongly, and {best[1] / total:.1%} of characters saved"
    )
    return replace(fitted, threshold=round(threshold, 3))


def _minimised(loss: Callable[[], Tensor], weights: Tensor) -> float:
    """The least loss; `weights` are left at it."""
    optimizer = torch.optim.LBFGS([weights], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    optimizer.step(closure)
    return float(loss().detach())


def main(argv: list[str] | None = None) -> None:
    """Fit both and write them into the checkpoint's config.json and SHA256SUMS."""
    parser = argparse.ArgumentParser(prog="python -m engine.training.calibrate", description=__doc__.split("\n")[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--corpus", type=Path, default=Path("var/corpus"), help="folder of token shards")
    parser.add_argument("--holes", type=int, default=400, help="default: 400")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args(argv)
    model = load(arguments.checkpoint)
    cut = list(holes(arguments.corpus, model, arguments.holes, arguments.seed))
    model.shape = replace(model.shape, ngram_trust=model.shape.ngram_trust or Trust(-2.0, 0.5, -1.0))
    model.shape = replace(model.shape, ngram_trust=fit_trust(model, cut[: arguments.holes // 2]))
    calibration = fit_calibration(model, cut)
    config = read_json(arguments.checkpoint, "config.json")
    assert model.shape.ngram_trust is not None
    config["infill"] |= {"ngram_trust": asdict(model.shape.ngram_trust), "calibration": asdict(calibration)}
    (arguments.checkpoint / "config.json").write_text(json.dumps(config, indent=2) + "\n", "utf-8")
    write_sums(arguments.checkpoint)


if __name__ == "__main__":
    main()
