"""What the training of an adapter is asked to do, and the command line that says it; imports no torch."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, fields
from pathlib import Path

from engine.training.options import count


@dataclass(frozen=True)
class Options:
    """A run gone on with must be given the same options; `steps`, `seconds` and `decay` may differ."""

    model: Path
    out: Path
    corpus: Path = Path("var/adaptation")
    steps: int = 4000
    rank: int = 16
    block: int = 16
    examples: int = 1
    anchors: int = 40
    lr: float = 1e-3
    warmup: int = 30
    decay: float = 0.25
    seed: int = 0
    seconds: float | None = None

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> Options:
        """The options among parsed arguments."""
        given = vars(arguments)
        return cls(**{field.name: given[field.name] for field in fields(cls) if field.name in given})


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `adapter`."""
    adapter = commands.add_parser("adapter", help="train a denoising adapter for a frozen causal model")
    adapter.add_argument("--model", type=Path, required=True, metavar="MODEL", help="folder or GGUF file")
    adapter.add_argument("--out", type=Path, required=True, metavar="RUN", help="the run's folder")
    adapter.add_argument("--corpus", type=Path, default=Options.corpus, metavar="FOLDER", help="of texts")
    adapter.add_argument("--steps", type=count, default=Options.steps, help=f"default: {Options.steps}")
    adapter.add_argument("--rank", type=count, default=Options.rank, help=f"default: {Options.rank}")
    adapter.add_argument("--block", type=count, default=Options.block, help=f"most rows; default: {Options.block}")
    adapter.add_argument("--examples", type=count, default=Options.examples, help="texts in a step; default: 1")
    adapter.add_argument("--anchors", type=count, default=Options.anchors, help="blocks in a text; default: 40")
    adapter.add_argument("--lr", type=float, default=Options.lr, help="peak rate of AdamW; default: 0.001")
    adapter.add_argument("--decay", type=float, default=Options.decay, help="last share of the steps, of falling rate")
    adapter.add_argument("--seed", type=int, default=Options.seed)
    adapter.add_argument("--seconds", type=float, metavar="N", help="save and stop after so long; exit code 1")
