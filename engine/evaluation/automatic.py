"""What the editor is shown unasked: how many suggestions are shown, and how many of them are wrong, by kind of request.

    python -m engine.evaluation.automatic --out var/automatic

fills the held-out holes, each as the editor would ask for it, and writes the table and a picture of confidence against
the share right. Right is an answer that equals the original, character by character. A block is first cut as the
language server cuts it: to at most four lines, before its first unsure line. It is right when the lines that are left
are the first lines of the original.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.progress import track

from dg_lsp.completion.choice import BLOCK_LINES
from dg_lsp.completion.filters.unsure_lines import sure_start
from engine.evaluation.command import add_options, model_and_tasks
from engine.evaluation.tasks import Task
from engine.infill import LoadedModel
from engine.infill.calibration import KINDS, Calibration, Features, Kind, kind_of
from engine.infill.choice import Ranked
from engine.infill.fill import rank
from engine.protocol import Candidate, FillRequest

BINS = 5
HOLES = ("line", "span", "arguments", "whole-line", "lines", "body")  # an editor asks for no others
_SUMMARY = "What is shown unasked, and how much of it is wrong."


@dataclass(frozen=True, slots=True)
class Asked:
    """A hole, and whether one line is asked for."""

    task: Task
    single_line: bool

    @property
    def request(self) -> FillRequest:
        task = self.task
        return FillRequest(
            prefix=task.prefix,
            suffix=task.suffix,
            language=task.language,
            path=task.path,
            single_line=self.single_line,
            max_lines=None if self.single_line else BLOCK_LINES,
            priority="automatic",
        )

    def shown(self, answer: Ranked) -> str:
        """What the language server leaves of an answer."""
        said = Candidate(middle=answer.text, source="causal", confidence=0.0, line_confidence=answer.lines)
        return answer.text if self.single_line else sure_start(said, BLOCK_LINES)

    def is_right(self, shown: str) -> bool:
        """True for the original, and for a block that is the original's first lines, each of them whole."""
        middle = self.task.middle
        return shown == middle or (not self.single_line and middle.startswith(f"{shown}\n"))


@dataclass(frozen=True, slots=True)
class Outcome:
    """The best answer to a hole; `features` are None where there was none, `saved` are its characters if right."""

    kind: Kind
    hole: str
    features: Features | None
    right: bool
    characters: int
    saved: int


def as_asked(tasks: Iterable[Task]) -> list[Asked]:
    """Each hole as editors ask for it: a whole line as one line, and as a block, which a blank line is to them."""
    found = []
    for task in tasks:
        found.append(Asked(task, task.one_line))
        if task.kind == "whole-line":
            found.append(Asked(task, single_line=False))
    return found


def outcomes(model: LoadedModel, asked: Sequence[Asked]) -> Iterator[Outcome]:
    """The best answer to each, as it comes."""
    return (outcome(model, one) for one in track(asked, "filling holes", transient=True))


def outcome(model: LoadedModel, asked: Asked) -> Outcome:
    """The best answer to a hole."""
    task = asked.task
    kind = kind_of(asked.single_line, task.prefix, task.suffix)
    best = next(iter(rank(model, asked.request)), None)
    if best is None:
        return Outcome(kind, task.kind, None, False, len(task.middle), 0)
    shown = asked.shown(best)
    right = asked.is_right(shown)
    return Outcome(kind, task.kind, best.features, right, len(task.middle), len(shown) if right else 0)


def table(calibration: Calibration, found: Sequence[Outcome]) -> str:
    """What is shown at the thresholds, in Markdown, by kind of request and of hole."""
    rows = ["| asked for | holes | right | threshold | shown | wrong among the shown | characters saved |"]
    rows.append("|---|---|---|---|---|---|---|")
    for kind in KINDS:
        of_kind = [outcome for outcome in found if outcome.kind == kind]
        threshold = calibration.threshold[kind]
        rows.append(_row(f"**{kind}**", "never" if threshold is None else f"{threshold:.3f}", calibration, of_kind))
        holes = sorted({outcome.hole for outcome in of_kind})
        for hole in holes if len(holes) > 1 else []:
            rows.append(_row(f"{kind}: {hole}", "", calibration, [o for o in of_kind if o.hole == hole]))
    rows.append(_row("all", "", calibration, found))
    return "\n".join(rows)


def _row(name: str, threshold: str, calibration: Calibration, found: Sequence[Outcome]) -> str:
    if not found:
        return f"| {name} | 0 | – | {threshold} | – | – | – |"
    shown = [outcome for outcome in found if outcome.features and calibration.shows(outcome.features)]
    wrong = sum(not outcome.right for outcome in shown)
    saved = sum(outcome.saved for outcome in shown) / sum(o.characters for o in found)
    right = sum(outcome.right for outcome in found) / len(found)
    share = f"{wrong / len(shown):.0%} ({wrong} of {len(shown)})" if shown else "–"
    return (
        f"| {name} | {len(found)} | {right:.1%} | {threshold} | {len(shown) / len(found):.1%} | {share} | {saved:.1%} |"
    )


def plot(calibration: Calibration, found: Sequence[Outcome], file: Path) -> None:
    """Draw confidence against the share right, one panel for each kind of request."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 3.4), layout="constrained")
    for axes, kind in zip(figure.subplots(1, len(KINDS), sharey=True), KINDS, strict=True):
        bins: list[list[tuple[float, bool]]] = [[] for _ in range(BINS)]
        for outcome in found:
            if outcome.kind == kind and outcome.features:
                sure = calibration.confidence(outcome.features)
                bins[min(BINS - 1, int(sure * BINS))].append((sure, outcome.right))
        full = [rows for rows in bins if rows]
        means = [statistics.fmean(sure for sure, _ in rows) for rows in full]
        bars = axes.bar(means, [statistics.fmean(right for _, right in rows) for rows in full], width=0.7 / BINS)
        axes.bar_label(bars, labels=[str(len(rows)) for rows in full], fontsize="small")
        axes.plot([0, 1], [0, 1], linestyle="--", color="gray")
        threshold = calibration.threshold[kind]
        if threshold is not None:
            axes.axvline(threshold, color="black", linewidth=1)
        axes.set(xlabel="confidence", xlim=(0, 1), ylim=(0, 1.08), title=kind)
    figure.supylabel("share right")
    figure.savefig(file, dpi=110)


def main(argv: list[str] | None = None) -> None:
    """Fill the held-out holes and write the table, and the picture where matplotlib is."""
    parser = argparse.ArgumentParser(prog="python -m engine.evaluation.automatic", description=_SUMMARY)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="for table and picture")
    add_options(parser)
    arguments = parser.parse_args(argv)
    model, tasks = model_and_tasks(parser, arguments, HOLES)
    calibration = model.shape.calibration
    if calibration is None:
        parser.exit(2, f"{model.name} has no calibration: python -m engine.training.calibrate FOLDER fits one\n")
    found = list(outcomes(model, as_asked(tasks)))
    arguments.out.mkdir(parents=True, exist_ok=True)
    made = table(calibration, found)
    (arguments.out / "automatic.md").write_text(f"{made}\n", "utf-8")
    print(made)
    if importlib.util.find_spec("matplotlib"):
        plot(calibration, found, arguments.out / "automatic.png")


if __name__ == "__main__":
    main()
