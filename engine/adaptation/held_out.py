"""How well an adapter predicts held-out code, by language and by distance from the last known token."""

from __future__ import annotations

from collections import defaultdict
from random import Random

import torch

from engine.adaptation.examples import Blocks, Example, Prompts, Texts, blocks
from engine.adaptation.objective import Vocabulary, evaluate_rows
from engine.model.adapter import Adapter
from engine.model.decoder_only import DecoderOnly

EXAMPLES = 2  # of each language
ANCHORS = 32
SEED = 9

HeldOut = dict[str, list[tuple[Example, Blocks]]]


def draw(prompts: Prompts, texts: Texts, block: int) -> HeldOut:
    """The same examples, with blocks of masks only, whenever it is asked."""
    random = Random(SEED)
    drawn: HeldOut = defaultdict(list)
    for language, own in sorted(texts.items()):
        while len(drawn[language]) < EXAMPLES:
            example = prompts.example(random.choice(own), language, random)
            if len(example.ids) - example.start > ANCHORS:
                drawn[language].append((example, blocks(example, ANCHORS, block, random, pinned=0.0)))
    return dict(drawn)


@torch.no_grad()
def measure(
    network: DecoderOnly, adapter: Adapter, vocabulary: Vocabulary, held_out: HeldOut
) -> dict[str, dict[str, list[float]]]:
    """For each language and all together ("all"): the percentage of right tokens, and of those the network itself would
    choose, at each distance from 2 on; and tokens a pass: two, and the rows right from the first one on.
    """
    found: dict[str, list[tuple[torch.Tensor, torch.Tensor]]] = {}
    for language, drawn in held_out.items():
        found[language] = []
        for example, rows in drawn:
            result = evaluate_rows(network, adapter, vocabulary, example, rows)
            table = torch.full((2, ANCHORS * adapter.block), -1.0)
            table[:, rows.wanted] = torch.stack([result.right, result.agrees]).float()
            found[language].append(tuple(table.view(2, ANCHORS, adapter.block)))
    found["all"] = [pair for pairs in list(found.values()) for pair in pairs]
    return {language: _summary(pairs) for language, pairs in found.items()}


def _summary(pairs: list[tuple[torch.Tensor, torch.Tensor]]) -> dict[str, list[float]]:
    right, agrees = (torch.cat(part) for part in zip(*pairs, strict=True))  # [anchors, block], -1: behind the end
    run = (right == 1).long().cumprod(dim=1).sum(dim=1).float().mean()
    return {"right": _shares(right), "agrees": _shares(agrees), "tokens_a_pass": [round(2 + run.item(), 3)]}


def _shares(table: torch.Tensor) -> list[float]:
    there = table >= 0
    return [round(100 * s, 1) for s in ((table * there).sum(0) / there.sum(0).clamp(min=1)).tolist()]
