"""Train the default model: a causal stage, then block diffusion with pinned heads.

    dg-engine train causal --out RUN --steps N
    dg-engine train infill --from RUN --out RUN2 --steps N
    dg-engine train export --out RUN2 --to FOLDER

The same as `python -m engine.training.train …`, which needs torch and safetensors alone.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from engine.training.options import Options, add_stages
from engine.training.packages import CorpusError

DONE, STOPPED, BAD_INPUT = 0, 1, 2


def add_commands(parser: argparse.ArgumentParser) -> None:
    """Add the commands of training to a parser; each is called by `run`."""
    commands = parser.add_subparsers(dest="training", required=True, metavar="COMMAND")
    add_stages(commands)
    exporting = commands.add_parser("export", help="write a run's network as a model folder")
    exporting.add_argument("--out", type=Path, required=True, metavar="RUN", help="the run's folder")
    exporting.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="the model folder to write")


def run(arguments: argparse.Namespace) -> int:
    """Do what the parsed arguments say; the exit code."""
    from engine.training.store import TrainingError

    try:
        if arguments.training == "export":
            from engine.training.export import export

            export(arguments.out, arguments.to)
            return DONE
        from engine.training.run import Run

        options = Options.of(argparse.Namespace(stage=arguments.training, **vars(arguments)))
        return DONE if Run(options).train() else STOPPED
    except (TrainingError, CorpusError) as error:
        print(f"train: {error}", file=sys.stderr)
        return BAD_INPUT


def main(argv: list[str] | None = None) -> int:
    """The command line, as the module's docstring shows it."""
    parser = argparse.ArgumentParser(prog="python -m engine.training.train", description=(__doc__ or "").split("\n")[0])
    add_commands(parser)
    return run(parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
