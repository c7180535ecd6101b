"""What in the recipe matters: small networks trained with one thing changed, two seeds each, in one table.

Every run of the table is small; a run cut off goes on where it was, and one that is finished is not run again.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any

from engine.training.data import NoiseKind
from engine.training.options import Options
from engine.training.quality import quality
from engine.training.run import Run
from engine.training.shape import SHAPES, new_network
from engine.training.shards import Shards
from engine.training.store import latest

SEEDS = (1, 2)
STEPS = 600  # of the causal stage
INFILL_SHARE = 0.6  # of these, as many steps in the infill stage
CAUSAL_ROWS, INFILL_ROWS = 4, 2
SHAPE = "study-128"


@dataclass(frozen=True)
class Variant:
    """One way to train: changes to the infill stage, and whether a causal stage comes first."""

    name: str
    changes: dict[str, Any] = field(default_factory=dict)
    shape: str = SHAPE
    causal_first: bool = True


_PLAIN = Variant("plain")
_SUFFIX_ONCE: dict[str, Any] = {"gaps": 1, "rows": 8}  # a row with the suffix in it has room for one hole
EXPERIMENTS: dict[str, dict[str, Variant]] = {
    "causal first": {
        "causal, then diffusion": _PLAIN,
        "both from the start, as many tokens": Variant("joint", causal_first=False),
    },
    "noise": {
        "mask": _PLAIN,
        "uniform": Variant("uniform", {"noise": "uniform"}),
        "mask, then uniform": Variant("mask-uniform", {"noise": "mask-uniform"}),
    },
    "weight of the encoder's loss": {
        "0.1": Variant("encoder-0.1", {"encoder_weight": 0.1}),
        "0.3": Variant("encoder-0.3", {"encoder_weight": 0.3}),
        "1": _PLAIN,
    },
    "suffix": {
        "in the canvas": Variant("suffix-once", _SUFFIX_ONCE),
        "in the canvas and before the prefix": Variant("suffix-twice", {**_SUFFIX_ONCE, "suffix_first": True}),
    },
    "weight of a gap's padding": {
        "0.05": _PLAIN,
        "0.2": Variant("padding-0.2", {"padding_weight": 0.2}),
        "1": Variant("padding-1", {"padding_weight": 1.0}),
    },
    "size at equal compute": {
        "hidden 96": Variant("hidden-96", shape="study-96"),
        "hidden 128": _PLAIN,
        "hidden 192": Variant("hidden-192", shape="study-192"),
    },
}


def run_all(corpus: Path, out: Path, steps: int | None = None) -> bool:
    """Do what is left of all experiments and write results.json and results.md; False when stopped before the end."""
    variants = {variant.name: variant for rows in EXPERIMENTS.values() for variant in rows.values()}
    results: dict[str, list[dict[str, float]]] = {}
    for seed in SEEDS:
        for variant in variants.values():
            found = _result(variant, corpus, out, steps or STEPS, seed)
            if found is None:
                return False
            results.setdefault(variant.name, []).append(found)
            _write(out, results)
    return True


def _result(variant: Variant, corpus: Path, out: Path, steps: int, seed: int) -> dict[str, float] | None:
    """The measures of one run, from its file if it is finished; None when it was stopped."""
    folder = out / f"{variant.name}-{steps}-seed{seed}"
    file = folder / "quality.json"
    if not file.exists():
        run = None
        for options in _stages(variant, corpus, out, folder, steps, seed):
            run = Run(options)
            if not run.train():
                return None
        assert run is not None
        noise: NoiseKind = "mask" if run.facts["noise"] == "mask" else "uniform"
        found = quality(run.network.eval(), Shards(corpus, "held_out"), noise, run.options.suffix_first)
        file.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
        shutil.rmtree(latest(folder) or folder)  # nobody goes on from here
    measured: dict[str, float] = json.loads(file.read_text("utf-8"))
    return measured


def _stages(variant: Variant, corpus: Path, out: Path, folder: Path, steps: int, seed: int) -> list[Options]:
    """The runs a variant is made of; the causal one is shared by all variants of its shape."""
    causal_steps = round(steps * _size(SHAPE) / _size(variant.shape))
    infill_steps = round(causal_steps * INFILL_SHARE)
    common: dict[str, Any] = {"corpus": corpus, "shape": variant.shape, "seed": seed, "device": "cpu", "workers": 0}
    rows = {"rows": INFILL_ROWS, **variant.changes}
    if not variant.causal_first:
        tokens = causal_steps * CAUSAL_ROWS + infill_steps * INFILL_ROWS
        return [Options(stage="infill", out=folder, steps=tokens // INFILL_ROWS, **common, **rows)]
    before = out / f"causal-{variant.shape}-{steps}-seed{seed}"
    return [
        Options(stage="causal", out=before, steps=causal_steps, rows=CAUSAL_ROWS, **common),
        Options(stage="infill", out=folder, start=before, steps=infill_steps, **common, **rows),
    ]


def _size(shape: str) -> int:
    """Parameters, which stand for the work a token makes: the embeddings are multiplied with as well."""
    return sum(parameter.numel() for parameter in new_network(SHAPES[shape]).parameters())


def _write(out: Path, results: dict[str, list[dict[str, float]]]) -> None:
    (out / "results.json").write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    begun = {title: rows for title, rows in EXPERIMENTS.items() if any(v.name in results for v in rows.values())}
    tables = [_table(title, rows, results) for title, rows in begun.items()]
    (out / "results.md").write_text("\n".join(tables), "utf-8")


def _table(title: str, rows: dict[str, Variant], results: dict[str, list[dict[str, float]]]) -> str:
    """A Markdown table: the mean over the seeds, ± half of their range."""
    measures = list(next(iter(results.values()))[0])
    lines = [f"| {title} | {' | '.join(measures)} |", "|---" * (len(measures) + 1) + "|"]
    for label, variant in rows.items():
        if found := results.get(variant.name):
            cells = [_cell([one[measure] for one in found]) for measure in measures]
            lines.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(values: Sequence[float]) -> str:
    spread = f" ± {(max(values) - min(values)) / 2:.3f}" if len(values) > 1 else ""
    return f"{mean(values):.3f}{spread}"
