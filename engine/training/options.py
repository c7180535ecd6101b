"""What a training run is asked to do, and the command line that says it; imports no torch."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal, get_args

Stage = Literal["causal", "infill"]
NoisePlan = Literal["mask", "uniform", "mask-uniform"]


@dataclass(frozen=True)
class Options:
    """One stage of training. A run gone on with must be given the same options; `seconds` and `workers` may differ."""

    stage: Stage
    out: Path
    corpus: Path = Path("var/corpus")
    start: Path | None = None
    shape: str | None = None
    steps: int = 10_000
    rows: int = 4
    lr: float = 0.02
    warmup: int = 100
    decay: float = 0.3
    ema: float = 0.0
    seed: int = 0
    fim: float = 0.5
    noise: NoisePlan = "mask"
    encoder_weight: float = 1.0
    causal_rows: int = 0
    padding_weight: float = 0.05
    suffix_first: bool = False
    gaps: int = 10
    device: str = "auto"
    compile: bool | None = None
    workers: int = 1
    seconds: float | None = None

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> Options:
        """The options among parsed arguments."""
        given = vars(arguments)
        return cls(**{field.name: given[field.name] for field in fields(cls) if field.name in given})


def add_stages(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands `causal` and `infill`."""
    causal = commands.add_parser("causal", help="first stage: next tokens, half of the rows in fill-in-the-middle form")
    _add_common(causal)
    causal.add_argument("--fim", type=_share, default=Options.fim, help="share of rows in that form; default: 0.5")

    infill = commands.add_parser("infill", help="second stage: gaps in canvases")
    _add_common(infill)
    infill.add_argument(
        "--noise",
        choices=get_args(NoisePlan),
        default=Options.noise,
        help="what hides a gap's tokens: masks, random tokens, or masks and random tokens at last; default: mask",
    )
    infill.add_argument(
        "--encoder-weight", type=float, default=Options.encoder_weight, help="weight of the next-token losses"
    )
    infill.add_argument(
        "--causal-rows",
        type=int,
        default=Options.causal_rows,
        metavar="N",
        help="rows in fill-in-the-middle form added to each step, so that the first stage is not forgotten",
    )


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--corpus", type=Path, default=Options.corpus, metavar="FOLDER", help="of token shards")
    parser.add_argument("--out", type=Path, required=True, metavar="RUN", help="the run's folder")
    parser.add_argument(
        "--from", dest="start", type=Path, metavar="RUN", help="start from the weights of this run or model folder"
    )
    parser.add_argument("--shape", help="of the network: tiny, small, base; default: that of --from, else small")
    parser.add_argument("--steps", type=count, default=Options.steps)
    parser.add_argument("--rows", type=count, default=Options.rows, help="rows of 448 tokens in a step")
    parser.add_argument("--lr", type=float, default=Options.lr, help="peak rate of Muon; AdamW has a fifth")
    parser.add_argument("--warmup", type=count, default=Options.warmup, help="steps in which the rate rises")
    parser.add_argument("--decay", type=_share, default=Options.decay, help="share of the steps in which it falls")
    parser.add_argument("--ema", type=_share, default=Options.ema, help="decay of averaged weights, as 0.999; 0: none")
    parser.add_argument("--seed", type=int, default=Options.seed)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default=Options.device)
    parser.add_argument(
        "--compile", action=argparse.BooleanOptionalAction, help="compile the layers; default: on a GPU only"
    )
    parser.add_argument("--workers", type=int, default=Options.workers, help="processes that make batches; default: 1")
    parser.add_argument("--seconds", type=float, metavar="N", help="save and stop after so long; exit code 1")


def count(text: str) -> int:
    """A whole number of the command line, at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a whole number, at least 1")
    return int(text)


def _share(text: str) -> float:
    if not 0 <= float(text) <= 1:
        raise argparse.ArgumentTypeError("must be between 0 and 1")
    return float(text)
