"""The golden cases of the filters: what a user is to see of what a model said (fixtures/golden/README.md)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

import pytest

from dg_lsp.completion.filters import Filtered, Place, filtered
from dg_lsp.completion.filters.unsure_lines import unsure_lines
from dg_lsp.context.window import window
from dg_lsp.documents import Snapshot
from dg_lsp.syntax.holes import Hole, cursor_hole
from engine.protocol import Candidate

GOLDEN = Path(__file__).parents[2] / "fixtures" / "golden"
MARKS = "‸⟦⟧"
VISIBLE = str.maketrans({"⇥": "\t", "·": " ", "␍": "\r"})


class Case(NamedTuple):
    name: str
    language: str
    document: str
    said: str
    shown: str
    reason: str


def cases() -> Iterator[Case]:
    for path in sorted(GOLDEN.glob("*.txt")):
        for block in f"\n{path.read_text('utf-8')}".split("\n## ")[1:]:
            title, *lines = block.rstrip("\n").split("\n")
            parts: dict[str, list[str]] = {"": [], ">>": [], "==": [], "!=": []}
            for line in lines:
                mark = line[:2] if line[:2] in parts else ""
                parts[mark].append((line[3:] if mark else line).translate(VISIBLE))
            document, said, shown, reason = ("\n".join(part) for part in parts.values())
            assert said, f"{path.name}: {title}: no text of a model"
            assert bool(shown) != bool(reason), f"{path.name}: {title}: give either == or !="
            document = document.rstrip("\n") + "\n"
            if title.startswith("[crlf]") or "[crlf]" in title:
                document = document.replace("\n", "\r\n")
            yield Case(f"{path.stem}: {title}", path.stem, document, said, shown, reason)


CASES = list(cases())


def place_of(language: str, document: str) -> Place:
    """The place that the marks of a document show."""
    if "‸" in document:
        offset = document.index("‸")
        snapshot = Snapshot("file:///a", language, 1, document.replace("‸", ""))
        hole = cursor_hole(snapshot, offset)
    else:
        start, end = document.index("⟦"), document.index("⟧") - 1
        snapshot = Snapshot("file:///a", language, 1, document.replace("⟦", "").replace("⟧", ""))
        hole = Hole(kind="function", start=start, end=end, label="", single_line=False)
    around = window(snapshot, hole)
    return Place(snapshot, hole, around.prefix, around.suffix)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_golden(case: Case) -> None:
    assert filtered(case.said, place_of(case.language, case.document)) == Filtered(case.shown, case.reason)


@pytest.mark.parametrize("ends", [["\r"], ["\n", "\r", "\r\n"], ["\n", "\n", "\r"]], ids=["CR", "mixed", "some CR"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_line_ends_of_a_document_change_nothing(case: Case, ends: list[str]) -> None:
    *lines, last = case.document.replace("\r\n", "\n").split("\n")
    document, others = "", cycle(ends)
    for line in lines:
        end = next(others)
        no_end_of_its_own = document.endswith("\r") and not line.strip(MARKS)  # "\r" and "\n" would be one
        document += line + ("\r" if no_end_of_its_own else end)
    assert filtered(case.said, place_of(case.language, document + last)) == Filtered(case.shown, case.reason)


def test_the_corpus_is_as_large_as_it_is_said_to_be() -> None:
    assert len(CASES) >= 150
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ('""', Filtered("", "the answer holds no word")),
        ("* *", Filtered("", "the answer holds no word")),
        ("2;", Filtered("", "the answer holds no word")),
        ("Größe 2.", Filtered("Größe 2.")),
        ("加", Filtered("加")),
    ],
)
def test_a_docstring_has_a_word(said: str, shown: Filtered) -> None:
    snapshot = Snapshot("file:///a", "python", 1, 'def area():\n    """"""\n    return 1\n')
    hole = Hole(kind="docstring", start=19, end=19, label="area", single_line=False)
    around = window(snapshot, hole)
    assert filtered(said, Place(snapshot, hole, around.prefix, around.suffix)) == shown


def several(*sure: float) -> Candidate:
    return Candidate(middle="a\nb\nc", source="causal", confidence=0.5, line_confidence=sure)


@pytest.mark.parametrize(
    ("candidate", "kept"),
    [
        (several(0.9, 0.9, 0.9), "a\nb\nc"),
        (several(0.9, 0.9, 0.1), "a\nb"),
        (several(0.9, 0.1, 0.1), "a"),
        (several(0.1, 0.1, 0.9), "a\nb\nc"),  # what comes before a sure line holds it up
        (several(0.1, 0.1, 0.1), "a"),
        (several(), "a\nb\nc"),  # an engine that does not say
    ],
)
def test_last_lines_that_the_model_is_not_sure_of_go(candidate: Candidate, kept: str) -> None:
    assert unsure_lines(candidate) == kept
