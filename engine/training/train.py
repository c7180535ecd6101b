"""Train the default model: a causal stage, then block diffusion with pinned heads.

    dg-engine train causal --out RUN --steps N
    dg-engine train infill --from RUN --out RUN2 --steps N
    dg-engine train export --out RUN2 --to FOLDER
    dg-engine train plot RUN RUN2 --out curves.svg
    dg-engine train experiments --out FOLDER
    dg-engine train finetune REPOSITORY --out FOLDER
    dg-engine train adapter --model FOLDER --out RUN

The same as `python -m engine.training.train …`, which needs torch and safetensors alone.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

from engine.adaptation.options import add_command as add_adapter
from engine.training.options import Options, add_stages, count

DONE, STOPPED, BAD_INPUT = 0, 1, 2
DEFAULT_MODEL = Path(__file__).parent.parent / "default_model"


def add_commands(parser: argparse.ArgumentParser) -> None:
    """Add the commands of training to a parser; each is called by `run`."""
    commands = parser.add_subparsers(dest="training", required=True, metavar="COMMAND")
    add_stages(commands)
    exporting = commands.add_parser("export", help="write a run's network as a model folder")
    exporting.add_argument("--out", type=Path, required=True, metavar="RUN", help="the run's folder")
    exporting.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="the model folder to write")

    plotting = commands.add_parser("plot", help="draw the curves of runs (needs matplotlib)")
    plotting.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    plotting.add_argument("--out", type=Path, default=Path("curves.svg"), metavar="FILE", help="default: curves.svg")
    studying = commands.add_parser("experiments", help="compare recipes on tiny networks; takes hours, can be resumed")
    studying.add_argument("--corpus", type=Path, default=Options.corpus, metavar="FOLDER", help="of token shards")
    studying.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="for runs and tables")
    studying.add_argument("--steps", type=int, metavar="N", help="of each run, for a first look at it")
    tuning = commands.add_parser("finetune", help="make a model know your repository")
    tuning.add_argument("repository", type=Path, help="the folder with its source files")
    tuning.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="the new model's; must be empty")
    tuning.add_argument(
        "--model", type=Path, default=DEFAULT_MODEL, metavar="FOLDER", help="default: the model that is shipped along"
    )
    tuning.add_argument("--minutes", type=_minutes, default=10.0, metavar="N", help="about so long; default: 10")
    tuning.add_argument(
        "--lora", type=count, metavar="RANK", help="train low-rank updates of this rank instead of all weights"
    )
    add_adapter(commands)


def _minutes(text: str) -> float:
    if not 0 < float(text) < math.inf:
        raise argparse.ArgumentTypeError("must be more than 0")
    return float(text)


def run(arguments: argparse.Namespace) -> int:
    """Do what the parsed arguments say; the exit code."""
    from engine.model.config import ConfigError
    from engine.training.packages import CorpusError
    from engine.training.store import TrainingError
    from engine.weights.checkpoint import CheckpointError

    try:
        return DONE if _COMMANDS[arguments.training](arguments) else STOPPED
    except (TrainingError, CorpusError, CheckpointError, ConfigError, OSError) as error:
        print(f"train: {error}", file=sys.stderr)
        return BAD_INPUT


def _train(arguments: argparse.Namespace) -> bool:
    from engine.training.run import Run

    return Run(Options.of(argparse.Namespace(stage=arguments.training, **vars(arguments)))).train()


def _export(arguments: argparse.Namespace) -> bool:
    from engine.training.export import export

    export(arguments.out, arguments.to)
    return True


def _plot(arguments: argparse.Namespace) -> bool:
    from engine.training.curves import plot

    plot(arguments.runs, arguments.out)
    return True


def _experiments(arguments: argparse.Namespace) -> bool:
    from engine.training.experiments import run_all

    return run_all(arguments.corpus, arguments.out, arguments.steps)


def _finetune(arguments: argparse.Namespace) -> bool:
    from engine.training.finetune import finetune

    return finetune(arguments.repository, arguments.out, arguments.model, arguments.minutes, arguments.lora)


def _adapter(arguments: argparse.Namespace) -> bool:
    from engine.adaptation.options import Options as AdapterOptions
    from engine.adaptation.run import Run

    return Run(AdapterOptions.of(arguments)).train()


_COMMANDS = {
    "causal": _train,
    "infill": _train,
    "export": _export,
    "plot": _plot,
    "experiments": _experiments,
    "finetune": _finetune,
    "adapter": _adapter,
}


def main(argv: list[str] | None = None) -> int:
    """The command line, as the module's docstring shows it."""
    parser = argparse.ArgumentParser(prog="python -m engine.training.train", description=(__doc__ or "").split("\n")[0])
    add_commands(parser)
    return run(parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
