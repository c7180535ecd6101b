"""Exact fills on code of packages that the model has never seen.

    python -m engine.evaluation.held_out var/corpus/held_out_files.jsonl --items 250

The cursor stands at a random character of a code line; what belongs there is the rest of the line, or a span
inside it, of 1 to 16 tokens. Rows: the empty middle, one copy (what followed the longest earlier match of the
text before the cursor), each kind of candidate by itself, the whole system, and a perfect chooser.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import statistics
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import torch

from engine import LoadedModel, load
from engine.infill import run
from engine.infill.copies import copies
from engine.protocol import FillRequest, FillResult, Source

Kind = Literal["line", "span"]


@dataclass(frozen=True, slots=True)
class Item:
    """One hole with its answer."""

    kind: Kind
    prefix: str
    middle: str
    suffix: str


def items(texts: list[str], count: int, seed: int, model: LoadedModel) -> Iterator[Item]:
    """`count` items of each kind, the same for the same seed and tokenizer."""
    draw = random.Random(seed)
    found: Counter[Kind] = Counter()
    while sum(found.values()) < 2 * count:
        kind: Kind = "line" if found["line"] <= found["span"] else "span"
        text = draw.choice(texts)
        cursor = draw.randrange(len(text))
        start, end = text.rfind("\n", 0, cursor) + 1, text.find("\n", cursor)
        line = text[start : end if end >= 0 else len(text)]
        code = start + len(line) - len(line.lstrip())
        if not code <= cursor < start + len(line) or len(line.strip()) < 3:
            continue
        stop = start + len(line) if kind == "line" else draw.randint(cursor + 1, start + len(line))
        middle = text[cursor:stop]
        if middle.strip() and 1 <= len(model.tokens.encode(middle)) <= 16:
            found[kind] += 1
            yield Item(kind, text[:cursor], middle, text[stop:])


def right_by(item: Item, result: FillResult) -> dict[str, bool]:
    """For each row of the table, whether it fills the item exactly; `result` holds all candidates, best first."""
    one_copy = copies(item.prefix, item.suffix, [item.suffix])[:1]
    rows = {"empty middle": not item.middle, "one copy": one_copy == [item.middle]}
    for source in get_args(Source):
        best = next((c.middle for c in result.candidates if c.source == source), None)
        rows[f"best {source}"] = best == item.middle
    rows["whole system"] = result.middle == item.middle
    rows["perfect chooser"] = item.middle in {c.middle for c in result.candidates}
    return rows


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m engine.evaluation.held_out", description=__doc__.split("\n")[0])
    parser.add_argument("files", type=Path, help="JSON lines with a key `text`, as `make corpus` writes them")
    parser.add_argument("--model", help="a checkpoint folder; default: the shipped model")
    parser.add_argument("--items", type=int, default=250, help="of each kind")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    model = load(args.model)
    texts = [json.loads(line)["text"] for line in args.files.read_text("utf-8").splitlines()]
    right: Counter[tuple[str, Kind]] = Counter()
    sources: Counter[str] = Counter()
    times = []
    for item in items(texts, args.items, args.seed, model):
        request = FillRequest(prefix=item.prefix, suffix=item.suffix, single_line=True, candidates=99)
        result = run(model, request)
        right.update((row, item.kind) for row, is_right in right_by(item, result).items() if is_right)
        sources.update(c.source for c in result.candidates[:1])
        times.append(result.timings_ms["total"])
    print(f"{args.items} items of each kind, seed {args.seed}, model {model.name} on {model.device}, ", end="")
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {platform.machine()}")
    print(f"{'exactly right, %':18}{'line tail':>10}{'span':>8}")
    names = ["empty middle", "one copy", *(f"best {s}" for s in get_args(Source)), "whole system", "perfect chooser"]
    for name in names:
        shares = [100 * right[name, kind] / args.items for kind in get_args(Kind)]
        print(f"{name:18}{shares[0]:10.1f}{shares[1]:8.1f}")
    print("the answer was " + ", ".join(f"{source} {count}" for source, count in sources.most_common()))
    print(
        f"ms a fill: median {statistics.median(times):.0f}, 95th percentile {sorted(times)[int(len(times) * 0.95)]:.0f}"
    )


if __name__ == "__main__":
    main()
