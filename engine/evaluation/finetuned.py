"""What fine-tuning on a repository is worth: the same holes filled by the model before and after.

    python -m engine.evaluation.finetuned rich --out var/finetuned/rich --minutes 10

takes a held-out package of the corpus as the user's repository. A fifth of its files, by the hash of their path, is
put aside and never shown to `dg-engine train finetune`; holes of the kinds `line` and `span` are drawn from those files
and filled as for someone who types. The folder then holds `repository`, `model` (kept if it is there already) and
`answers.jsonl`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.progress import track

from engine.evaluation import held_out
from engine.evaluation.automatic import Asked
from engine.evaluation.held_out import SourceFile
from engine.evaluation.metrics import mean
from engine.evaluation.tasks import EvaluationError, Task
from engine.infill import LoadedModel, load
from engine.infill.fill import rank
from engine.infill.loading import DEFAULT_MODEL
from engine.training.finetune import finetune
from engine.training.store import TrainingError
from engine.weights.checkpoint import CheckpointError

PUT_ASIDE = 0.2  # of the files
KINDS = ("line", "span")


@dataclass(frozen=True, slots=True)
class Pair:
    """One hole, answered by both models."""

    id: str
    kind: str
    characters: int
    before: bool  # whether right
    after: bool
    shown_before: bool  # whether sure enough to be shown unasked
    shown_after: bool


def split(files: Sequence[SourceFile]) -> tuple[list[SourceFile], list[SourceFile]]:
    """The files to fine-tune on, and those put aside."""
    order = sorted(files, key=lambda file: hashlib.sha256(f"aside {file.path}".encode()).digest())
    count = max(1, round(PUT_ASIDE * len(order)))
    return order[count:], order[:count]


def write(files: Sequence[SourceFile], folder: Path) -> None:
    """Write the files as a repository."""
    for file in files:
        (folder / file.path).parent.mkdir(parents=True, exist_ok=True)
        (folder / file.path).write_text(file.text, "utf-8")


def compare(tasks: Sequence[Task], before: LoadedModel, after: LoadedModel) -> list[Pair]:
    """Both models' answers to every task."""
    pairs = []
    for task in track(tasks, "filling", transient=True):
        (right, shown), (now_right, now_shown) = _answer(before, task), _answer(after, task)
        pairs.append(Pair(task.id, task.kind, len(task.middle), right, now_right, shown, now_shown))
    return pairs


def _answer(model: LoadedModel, task: Task) -> tuple[bool, bool]:
    """Whether the best answer is right, and whether it would be shown while someone types."""
    best = next(iter(rank(model, Asked(task, task.one_line).request)), None)
    if best is None:
        return False, False
    calibration = model.shape.calibration
    return best.text == task.middle, calibration is None or calibration.shows(best.features)


def summary(pairs: Sequence[Pair]) -> str:
    """Exact match before and after in percent, and the paired difference with its standard error."""
    lines = []
    for kind in (*KINDS, "both"):
        chosen = [pair for pair in pairs if kind in (pair.kind, "both")]
        before, after = (mean([getattr(pair, name) for pair in chosen])["mean"] for name in ("before", "after"))
        gain = mean([float(pair.after) - pair.before for pair in chosen])
        change = f"{100 * gain['mean']:+.1f} ± {100 * gain['error']:.1f}"
        lines.append(f"{kind}, {len(chosen)} holes: {before:.1%} → {after:.1%} ({change})")
    return "\n".join([*lines, _shown(pairs)])


def _shown(pairs: Sequence[Pair]) -> str:
    """What is shown unasked before and after, and how much of it is wrong."""
    sides = []
    for right, shown in (("before", "shown_before"), ("after", "shown_after")):
        chosen = [pair for pair in pairs if getattr(pair, shown)]
        wrong = sum(not getattr(pair, right) for pair in chosen)
        sides.append(f"{len(chosen)}, {wrong} of them wrong")
    return f"shown unasked: {' → '.join(sides)}"


def main(argv: list[str] | None = None) -> int:
    """Fine-tune, fill and compare."""
    parser = argparse.ArgumentParser(prog="python -m engine.evaluation.finetuned", description=__doc__.split("\n")[0])
    parser.add_argument("package", help="a held-out package of the corpus")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="for the model and the answers")
    parser.add_argument("--minutes", type=float, default=10.0, help="of fine-tuning; default: 10")
    parser.add_argument("--holes", type=int, default=200, help="of each kind; default: 200")
    parser.add_argument("--corpus", type=Path, default=held_out.CORPUS, help="folder of the held-out files")
    arguments = parser.parse_args(argv)
    try:
        files = [f for f in held_out.read(arguments.corpus / held_out.FILES) if f.package == arguments.package]
        if not files:
            raise EvaluationError(f"{arguments.corpus / held_out.FILES} has no package {arguments.package}")
        shown, aside = split(files)
        drawn = [(kind, *hole) for kind in KINDS for hole in held_out.holes(kind, aside, arguments.holes)]
        model = arguments.out / "model"
        if not model.exists():
            write(shown, arguments.out / "repository")
            before = time.process_time()
            if not finetune(arguments.out / "repository", model, DEFAULT_MODEL, arguments.minutes, None):
                return 1
            print(f"fine-tuned in {time.process_time() - before:.0f} s of processor time")
        tasks = [held_out.task(file, kind, *span) for kind, file, span in drawn]
        pairs = compare(tasks, load(), load(model))
    except (EvaluationError, TrainingError, CheckpointError) as error:
        parser.exit(2, f"{error}\n")
    (arguments.out / "answers.jsonl").write_text("".join(json.dumps(asdict(pair)) + "\n" for pair in pairs), "utf-8")
    print(f"{arguments.package}: {len(shown)} files to fine-tune on, {len(aside)} put aside\n{summary(pairs)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
