"""llama.cpp in a process of its own: encodes texts and continues them greedily (see `greedy_ours`).

    python -I greedy_llama.py FILE.gguf THREADS

Run by a Python that has llama_cpp, isolated and without this project's packages.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from typing import Any


def main(file: str, threads: str) -> None:
    """Answer every line of stdin, a JSON object with `text` and `new_tokens`, by one line."""
    library = importlib.import_module("llama_cpp")
    numpy = importlib.import_module("numpy")
    model = library.Llama(file, n_ctx=4096, n_threads=int(threads), n_threads_batch=int(threads), verbose=False)
    print(json.dumps({"version": f"llama-cpp-python {library.__version__}"}), flush=True)

    def best() -> int:
        row = library.llama_get_logits_ith(model.ctx, -1)
        return int(numpy.ctypeslib.as_array(row, shape=(model.n_vocab(),)).argmax())

    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(_continued(model, best, request["text"], request["new_tokens"])), flush=True)


def _continued(model: Any, best: Any, text: str, new_tokens: int) -> dict[str, Any]:
    ids = model.tokenize(text.encode(), add_bos=False, special=False)
    model.reset()
    begun = time.perf_counter()
    model.eval(ids)
    found = [best()]
    stamps = [time.perf_counter()]
    while len(found) <= new_tokens:
        model.eval(found[-1:])
        found.append(best())
        stamps.append(time.perf_counter())
    prefill_ms = 1e3 * (stamps[0] - begun)
    token_ms = 1e3 * (stamps[-1] - stamps[0]) / new_tokens
    return {"prompt_tokens": len(ids), "prefill_ms": prefill_ms, "token_ms": token_ms, "ids": found}


if __name__ == "__main__":
    main(*sys.argv[1:])
