"""dg-engine's causal side in a process of its own: encodes texts and continues them greedily.

    python -m benchmarks.greedy_ours MODEL

The engine's HTTP routes answer with the best of several candidates; this is the bare network, as `greedy_llama` is.
"""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor

from engine import LoadedModel, load


def main(file: str) -> None:
    """Answer every line of stdin, a JSON object with `text` and `new_tokens`, by one line."""
    model = load(file, device="cpu")
    versions = ", ".join(f"{name} {version(name)}" for name in ("dg-lsp", "torch"))
    print(json.dumps({"version": versions}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(_continued(model, request["text"], request["new_tokens"])), flush=True)


@torch.inference_mode()
def _continued(model: LoadedModel, text: str, new_tokens: int) -> dict[str, Any]:
    network = model.network
    ids = model.tokens.encode(text)

    def best(hidden: Tensor) -> int:
        return int(network.causal_logits(hidden[:, -1]).argmax())

    begun = time.perf_counter()
    hidden, cache = network.encode_hidden(torch.tensor([ids]))
    found = [best(hidden)]
    stamps = [time.perf_counter()]
    while len(found) <= new_tokens:
        hidden, cache = network.encode_hidden(torch.tensor([found[-1:]]), cache)
        found.append(best(hidden))
        stamps.append(time.perf_counter())
    prefill_ms = 1e3 * (stamps[0] - begun)
    token_ms = 1e3 * (stamps[-1] - stamps[0]) / new_tokens
    return {"prompt_tokens": len(ids), "prefill_ms": prefill_ms, "token_ms": token_ms, "ids": found}


if __name__ == "__main__":
    main(*sys.argv[1:])
