"""How many tokens an adapter's drafts bring a pass, on held-out code of each language.

    python -m engine.evaluation.accepted --model MODEL --adapter FILE --corpus FOLDER

Each hole is filled by rounds of two passes: the adapter drafts a block behind the last known token, then the network
reads the draft causally and keeps its beginning as far as it would have chosen the same, and one token more. The
answer is the network's own greedy one; the tokens a round show what the adapter is worth.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from random import Random

import torch
from torch import Tensor

from engine.adaptation.examples import Prompts, read_texts
from engine.adaptation.run import frozen
from engine.model.adapter import Adapter, Canvas
from engine.model.decoder_only import DecoderOnly
from engine.model.kv_cache import KVCache, LayerCache
from engine.training.options import count
from engine.training.store import TrainingError
from engine.weights.adapter import load_adapter
from engine.weights.checkpoint import CheckpointError

SEED = 17
TOKENS = 32  # of an answer, at most


@torch.inference_mode()
def fill(
    network: DecoderOnly, adapter: Adapter | None, prompt: list[int], end: int, limit: int = TOKENS
) -> tuple[list[int], int]:
    """The greedy answer up to `limit` tokens or `end`, and the rounds it took; without an adapter, a round a token."""
    *context, last = prompt
    cache = network.encode(torch.tensor([context]))
    answer: list[int] = []
    rounds = 0
    while len(answer) < limit:
        drafted = _draft(network, adapter, last, cache)[: limit - len(answer) - 1] if adapter else []
        states, longer = network.encode_hidden(torch.tensor([[last, *drafted]]), cache)
        chosen = _best(network, states[0])
        agreed = next((i for i, token in enumerate(drafted) if token != chosen[i]), len(drafted))
        fresh = chosen[: agreed + 1]
        rounds += 1
        if end in fresh:
            return answer + fresh[: fresh.index(end)], rounds
        answer += fresh
        cache, last = _shortened(longer, cache.length + agreed + 1), fresh[-1]
    return answer, rounds


def _draft(network: DecoderOnly, adapter: Adapter, last: int, cache: KVCache) -> list[int]:
    """The tokens that are expected behind `last`: one by its own causal row, one by each mask row behind it."""
    rows = adapter.block + 1
    is_mask = torch.arange(rows) > 0
    visible = torch.ones(rows, cache.length + rows, dtype=torch.bool)
    visible[0, cache.length + 1 :] = False
    offsets = (torch.arange(rows) - 1).clamp(min=0)
    canvas = Canvas(torch.full((rows,), last), is_mask, offsets, cache.length + torch.arange(rows), visible)
    return _best(network, adapter.hidden(network, canvas, cache))


def _best(network: DecoderOnly, states: Tensor) -> list[int]:
    tokens: list[int] = network.causal_logits(states).argmax(dim=-1).tolist()
    return tokens


def _shortened(cache: KVCache, length: int) -> KVCache:
    layers = tuple(LayerCache(layer.keys[:, :, :length], layer.values[:, :, :length]) for layer in cache.layers)
    return KVCache(layers, length)


def tokens_a_round(
    network: DecoderOnly, adapter: Adapter, prompts: Prompts, texts: dict[str, list[str]], holes: int
) -> dict[str, float]:
    """Tokens a round of each language and of all together."""
    totals: dict[str, list[int]] = {"all": [0, 0]}
    for language, own in sorted(texts.items()):
        random = Random(f"{SEED} {language}")
        for _ in range(holes):
            example = prompts.example(random.choice(own), language, random)
            answer, rounds = fill(network, adapter, example.ids[: example.start].tolist(), prompts.end)
            for name in (language, "all"):
                tokens, passes = totals.setdefault(name, [0, 0])
                totals[name] = [tokens + len(answer), passes + rounds]
    return {name: tokens / max(1, passes) for name, (tokens, passes) in totals.items()}


def main() -> int:
    """The command line, as the module's docstring shows it."""
    parser = argparse.ArgumentParser(prog="python -m engine.evaluation.accepted")
    parser.add_argument("--model", type=Path, required=True, help="folder or GGUF file")
    parser.add_argument("--adapter", type=Path, required=True, metavar="FILE")
    parser.add_argument("--corpus", type=Path, default=Path("var/adaptation"), metavar="FOLDER", help="of texts")
    parser.add_argument("--holes", type=count, default=20, metavar="N", help="of each language; default: 20")
    arguments = parser.parse_args()
    try:
        network, tokenizer = frozen(arguments.model)
        adapter = load_adapter(arguments.adapter, network)
        texts = read_texts(arguments.corpus / "held_out.jsonl")
    except (CheckpointError, TrainingError) as error:
        print(f"accepted: {error}", file=sys.stderr)
        return 2
    found = tokens_a_round(network, adapter, Prompts(tokenizer), texts, arguments.holes)
    for name, tokens in found.items():
        print(f"{name:12} {tokens:.2f} tokens a round of draft and check")
    return 0


if __name__ == "__main__":
    sys.exit(main())
