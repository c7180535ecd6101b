"""The curves of training runs as a picture, with matplotlib where it is installed (the extra `evaluate`)."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.training.store import TrainingError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HELD_OUT = "held_out_"


def plot(runs: Sequence[Path], out: Path) -> None:
    """Draw the losses of runs over their steps, a field for each kind of loss. Raises `TrainingError`."""
    if importlib.util.find_spec("matplotlib") is None:
        raise TrainingError("plots need matplotlib: run pip install 'dg-lsp[evaluate]'")
    from matplotlib.figure import Figure

    logs = {run: read_log(run) for run in runs}
    names = list(dict.fromkeys(name for log in logs.values() for line in log for name in line if _is_loss(name)))
    figure = Figure(figsize=(5 * len(names), 4), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        for number, (run, log) in enumerate(logs.items()):
            _draw(axes, log, name, run.name, f"C{number}")
        axes.set(xlabel="step", ylabel="nats a token", title=f"{name} loss")
        axes.legend(fontsize="small")
    try:
        figure.savefig(out)
    except (OSError, ValueError) as error:
        raise TrainingError(f"{out} cannot be written: {error}") from None


def read_log(run: Path) -> list[dict[str, Any]]:
    """The lines of a run's log. Raises `TrainingError`."""
    try:
        lines = [json.loads(line) for line in (run / "log.jsonl").read_text("utf-8").splitlines()]
    except (OSError, ValueError):
        lines = []
    if not lines:
        raise TrainingError(f"{run} has no log.jsonl with lines in it: name the folder of a run")
    return lines


def _is_loss(name: str) -> bool:
    return name not in ("step", "of", "s_per_step") and not name.startswith(HELD_OUT)


def _draw(axes: Axes, log: list[dict[str, Any]], name: str, run: str, color: str) -> None:
    for key, style, label in ((name, "-", run), (HELD_OUT + name, "o--", f"{run}, held out")):
        points = [(line["step"], line[key][0]) for line in log if key in line]
        if points:
            axes.plot(*zip(*points, strict=True), style, color=color, label=label, markersize=3, linewidth=1)
