"""The rows without a model."""

from __future__ import annotations

import pytest

from engine.evaluation.baselines import n_gram, one_copy
from engine.evaluation.tasks import Task

BEFORE = "for item in items:\n    total += item.price * item.count\n\n\nfor item in others:\n    total += it"


@pytest.mark.parametrize(
    ("kind", "suffix", "answer"),
    [
        ("line", "\n", "em.price * item.count"),
        ("span", " * item.count\n", "em.price"),  # ends before the suffix begins
    ],
)
def test_what_the_file_continues_with(kind: str, suffix: str, answer: str) -> None:
    task = Task("", "", kind, BEFORE, "", suffix)
    assert n_gram(task) == answer
    assert one_copy(Task("", "", "line", BEFORE, "", "\n")) == "em.price * item.count"


def test_a_whole_line_of_the_benchmark_goes_to_its_end() -> None:
    """Though the suffix begins with the next line, which the answer's end resembles."""
    task = Task("", "", "single-line", BEFORE.removesuffix("    total += it"), "", "price = 1\n")
    assert n_gram(task) == one_copy(task) == "    total += item.price * item.count\n"


def test_nothing_known_is_an_empty_answer() -> None:
    task = Task("", "", "line", "x", "", "")
    assert (one_copy(task), n_gram(task)) == ("", "")


def test_a_loop_ends() -> None:
    assert len(n_gram(Task("", "", "lines", "a b a b a b", "", ""))) < 64 * 4
