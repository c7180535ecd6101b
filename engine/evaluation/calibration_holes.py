"""Holes for the calibration of pretrained models: in packages that these cannot have read, and that no test uses.

The packages of calibration_packages.json are fetched into a folder once. Answers are kept there as they come, so that a
run that was stopped goes on where it was, and a finished one can be fitted again in a second.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.progress import track

from engine.evaluation import held_out, recent
from engine.evaluation.automatic import Asked, Outcome, outcome
from engine.evaluation.tasks import RECENT, EvaluationError, Task, choose
from engine.infill import LoadedModel
from engine.infill.calibration import Features

PACKAGES = Path(__file__).with_name("calibration_packages.json")
FOLDER = Path("var/calibration")
# of each kind; a quarter of them in each language
HOLES = {"line": 132, "span": 92, "arguments": 60, "whole-line": 60, "lines": 32, "body": 32}
_SET, _SEED = "calibration", 7


def tasks(folder: Path, limit: int | None) -> list[Task]:
    """Holes of all kinds and languages, mixed; `limit` of each kind in a language. Raises `EvaluationError`."""
    if not (folder / recent.FILES).is_file():
        recent.fetch(folder, recent.packages(PACKAGES))
    files, found = recent.read(folder / recent.FILES), list[Task]()
    for language in RECENT.values():
        of_language = [file for file in files if file.language == language]
        for kind, count in HOLES.items() if of_language else ():
            drawn = held_out.holes(kind, of_language, min(limit or count, count // len(RECENT)), _SEED)
            found += [held_out.task(file, kind, *span, _SET) for file, span in drawn]
    return choose(found, None, _SEED)


class Record:
    """A file of JSON lines: first the settings that a model answered under, then its answers."""

    def __init__(self, file: Path) -> None:
        """Raises `EvaluationError` for a file of another kind."""
        self._file = file
        text = file.read_text("utf-8") if file.is_file() else ""
        whole = text[: text.rfind("\n") + 1]
        if whole != text:  # the last write was cut off
            file.write_text(whole, "utf-8")
        try:
            rows = [json.loads(line) for line in whole.splitlines()]
            self.settings: dict[str, Any] | None = rows[0]["settings"] if rows else None
            self._answers = {(row["task"], row["single_line"]): _outcome(row["outcome"]) for row in rows[1:]}
        except (ValueError, KeyError, TypeError) as error:
            raise EvaluationError(f"{file} cannot be read: {error!r}: delete it to begin anew") from None

    def begin(self, settings: dict[str, Any]) -> None:
        """Keep the settings, before the first answer."""
        self.settings = settings
        self._append({"settings": settings})

    def outcomes(self, model: LoadedModel, asked: Sequence[Asked]) -> list[Outcome]:
        """The best answers; only the holes that have none yet are filled."""
        for one in track(asked, "filling holes", transient=True):
            key = one.task.id, one.single_line
            if key not in self._answers:
                found = self._answers[key] = outcome(model, one)
                self._append({"task": key[0], "single_line": key[1], "outcome": asdict(found)})
        return [self._answers[one.task.id, one.single_line] for one in asked]

    def _append(self, row: dict[str, Any]) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def _outcome(row: dict[str, Any]) -> Outcome:
    return Outcome(**{**row, "features": row["features"] and Features(**row["features"])})
