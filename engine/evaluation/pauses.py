"""Pauses while code is typed, in packages that pretrained models cannot have read and that no test uses.

At a pause the rest of the line is not there yet, mostly not the rest of the block either, and brackets may have been
closed by the editor. The packages of calibration_packages.json are fetched into a folder once. What the model said at
each pause is kept there as it comes, so that a run that was stopped goes on where it was, and a finished one can be
fitted again in a second.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.progress import track

from engine.evaluation import recent
from engine.evaluation.held_out import SourceFile
from engine.evaluation.tasks import RECENT, EvaluationError
from engine.infill import LoadedModel
from engine.infill.beginning import Limits, beginnings
from engine.infill.blocks import Block
from engine.infill.calibration import Kind, kind_of
from engine.infill.layout import lay_out
from engine.protocol import FillRequest

PACKAGES = Path(__file__).with_name("calibration_packages.json")
FOLDER = Path("var/calibration")
PER_LANGUAGE = 100
LEAST_CHANCE = 0.1  # of a beginning that is kept
BLOCK_LINES = 4  # as many as the language server asks for
_PER_PLACE = 4  # pauses within `_ROWS` lines, which share most of their context
_ROWS = 14
_BLOCK_MISSING = 0.6  # of pauses, where the rest of the block is not there yet
_BRACKETS_CLOSED = 0.25  # of pauses within a line
_FILE_CHARACTERS = (1_500, 40_000)
_SEED = 7
_CLOSER = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True, slots=True)
class Pause:
    """What is asked at a pause, and how the author went on."""

    id: str
    request: FillRequest
    following: str

    @property
    def kind(self) -> Kind:
        return kind_of(self.request.single_line, self.request.prefix, self.request.suffix)

    def is_right(self, text: str) -> bool:
        """True when the author goes on exactly so."""
        return self.following.startswith(text)


@dataclass(frozen=True, slots=True)
class Said:
    """One beginning that the model gave at a pause."""

    text: str
    chance: float
    right: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the model said at a pause, from the shortest text to the longest."""

    kind: Kind
    said: tuple[Said, ...]


def pauses(folder: Path, limit: int | None = None) -> list[Pause]:
    """`limit` pauses in each language, always the same ones. Raises `EvaluationError`."""
    if not (folder / recent.FILES).is_file():
        recent.fetch(folder, recent.packages(PACKAGES))
    low, high = _FILE_CHARACTERS
    files = [file for file in recent.read(folder / recent.FILES) if low < len(file.text) < high]
    found = list[Pause]()
    for language in RECENT.values():
        draw = random.Random(f"{_SEED} {language}")
        of_language = [file for file in files if file.language == language]
        draw.shuffle(of_language)
        drawn = (pause for file in 3 * of_language for pause in _in_file(file, draw))
        found += [pause for pause, _ in zip(drawn, range(min(limit or PER_LANGUAGE, PER_LANGUAGE)), strict=False)]
    return found


def _in_file(file: SourceFile, draw: random.Random) -> Iterator[Pause]:
    """A few pauses in neighbouring lines of a file, from top to bottom."""
    lines = file.text.split("\n")
    first = draw.randrange(max(len(lines) - _ROWS, 1))
    rows = [row for row in range(first, min(first + _ROWS, len(lines))) if lines[row][:1] in (" ", "\t")]
    rows = [row for row in rows if lines[row].strip()]
    for row in sorted(draw.sample(rows, min(_PER_PLACE, len(rows)))):
        yield _at(file, lines, row, draw)


def _at(file: SourceFile, lines: list[str], row: int, draw: random.Random) -> Pause:
    line = lines[row]
    indent = _indent(line)
    column = draw.choice([indent, *(at for at in range(indent + 1, len(line)) if is_natural(line[at - 1], line[at]))])
    below = row + 1
    if draw.random() < _BLOCK_MISSING:
        while below < len(lines) and (not lines[below].strip() or _indent(lines[below]) >= indent):
            below += 1
    closed = _closers(line[:column]) if column > indent and draw.random() < _BRACKETS_CLOSED else ""
    above = "".join(f"{one}\n" for one in lines[:row])
    request = FillRequest(
        prefix=above + line[:column],
        suffix="\n".join([closed, *lines[below:]]),
        language=file.language,
        path=file.path,
        single_line=column > indent,
        max_lines=None if column > indent else BLOCK_LINES,
        priority="automatic",
    )
    following = "\n".join([line[column:], *lines[row + 1 :]])
    return Pause(f"{file.package}/{file.path}:{row}:{column}", request, following)


def is_natural(before: str, following: str) -> bool:
    """Whether a person may stop typing between these two characters: behind a word, an opening, a dot or a blank."""
    word_ends = before.isalnum() and not (following.isalnum() or following == "_")
    return word_ends or before in "(. "


def _closers(text: str) -> str:
    """What an editor has closed behind a begun line."""
    opened = list[str]()
    for character in text:
        if character in _CLOSER:
            opened.append(_CLOSER[character])
        elif opened and character == opened[-1]:
            opened.pop()
    return "".join(reversed(opened))


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def outcome(model: LoadedModel, pause: Pause) -> Outcome:
    """What the model says at a pause."""
    request = pause.request
    layout = lay_out(request, model.tokens, model.shape)
    limits = Limits(
        tokens=32,
        line=request.single_line,
        block=Block(layout, request.max_lines),
        least=LEAST_CHANCE,
        goes_on=lambda text: True,
    )
    found = beginnings(model.reader(request, layout), limits)
    said = tuple(Said(one.text, round(one.chance, 4), pause.is_right(one.text)) for one in found)
    return Outcome(pause.kind, said)


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
            self._outcomes = {row["pause"]: _outcome(row["outcome"]) for row in rows[1:]}
        except (ValueError, KeyError, TypeError) as error:
            raise EvaluationError(f"{file} cannot be read: {error!r}: delete it to begin anew") from None

    def begin(self, settings: dict[str, Any]) -> None:
        """Keep the settings, before the first answer."""
        self.settings = settings
        self._append({"settings": settings})

    def outcomes(self, model: LoadedModel, asked: Sequence[Pause]) -> list[Outcome]:
        """What the model says at each pause; it is asked only where that is not known yet."""
        for pause in track(asked, "asking at pauses", transient=True):
            if pause.id not in self._outcomes:
                found = self._outcomes[pause.id] = outcome(model, pause)
                self._append({"pause": pause.id, "outcome": asdict(found)})
        return [self._outcomes[pause.id] for pause in asked]

    def _append(self, row: dict[str, Any]) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def _outcome(row: dict[str, Any]) -> Outcome:
    return Outcome(row["kind"], tuple(Said(**said) for said in row["said"]))
