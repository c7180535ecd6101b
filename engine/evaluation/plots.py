"""The report's plots, with matplotlib where it is installed (the extra `evaluate`)."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from engine.evaluation.metrics import BINS, Summary
from engine.evaluation.scoring import WHOLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw(out: Path, name: str, found: Summary) -> list[str]:
    """Draw one set's plots into a folder; the files' names, none without matplotlib."""
    if importlib.util.find_spec("matplotlib") is None:
        return []
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    lengths, calibration = figure.subplots(1, 2)
    _by_length(lengths, found)
    _reliability(calibration, found)
    file = f"{name}.png"
    figure.savefig(out / file, dpi=110)
    return [file]


def _by_length(axes: Axes, found: Summary) -> None:
    """The share right by the answer's length, with standard errors."""
    groups = found["by length of the answer"]
    measure = "passed" if found["rows"][WHOLE]["passed"]["n"] else "exact"
    for row in found["rows"]:
        shares = [rows[row][measure] for rows in groups.values()]
        width = 2.5 if row == WHOLE else 1.0
        percent, error = [100 * s["share"] for s in shares], [100 * s["error"] for s in shares]
        axes.errorbar(list(groups), percent, yerr=error, label=row, marker="o", linewidth=width, capsize=3)
    axes.set(xlabel="tokens of the answer", ylabel=f"{measure}, %", ylim=(0, None), title="By length")
    axes.legend(fontsize="small")


def _reliability(axes: Axes, found: Summary) -> None:
    """Confidence against the share right; the bars' labels say how many tasks."""
    reliability = found["reliability"]
    axes.set(xlabel="confidence", ylabel="share right", xlim=(0, 1), ylim=(0, 1.08), title="Reliability")
    if reliability is None:
        axes.text(0.5, 0.5, "no confidence given", ha="center")
        return
    axes.plot([0, 1], [0, 1], linestyle="--", color="gray")
    bins = reliability["bins"]
    bars = axes.bar([b["from"] + 0.5 / BINS for b in bins], [b["right"] for b in bins], width=0.9 / BINS)
    axes.bar_label(bars, labels=[str(b["n"]) for b in bins], fontsize="small")
    axes.set_title(f"Reliability (expected calibration error {reliability['expected calibration error']:.2f})")
