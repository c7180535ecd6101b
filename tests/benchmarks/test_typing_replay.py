"""How real functions are typed, what counts as right, and a short replay with the shipped model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import typing_replay
from benchmarks.typed_functions import TypedFunction, accepted, first_line_right, functions, pauses
from benchmarks.typing_replay import Pause, Replay, table

FUNCTION = TypedFunction("a.py", "def f(x):\n    ", "total = g(x.y)\n    return total", "\n")


def test_two_functions_in_each_of_four_languages() -> None:
    languages = [function.language for function in functions()]
    assert languages == ["go", "go", "python", "python", "rust", "rust", "typescript", "typescript"]


def test_a_new_line_is_one_key() -> None:
    keys = FUNCTION.keys
    assert "".join(keys) == FUNCTION.body
    assert keys.count("\n    ") == 1
    assert len(keys) == len(FUNCTION.body) - 4


def test_pauses_are_at_natural_places() -> None:
    """Behind words, spaces, `(`, `.`, at the end of a line and behind the indentation of the next; not at the end."""
    typed = [FUNCTION.body[:offset] for offset in FUNCTION.natural_pauses]
    assert typed[:7] == ["total", "total ", "total = ", "total = g", "total = g(", "total = g(x", "total = g(x."]
    assert "total = g(x.y)" in typed
    assert "total = g(x.y)\n    " in typed
    assert FUNCTION.body not in typed


def test_the_pauses_are_the_same_each_time() -> None:
    chosen = functions()
    drawn = pauses(chosen, 75, seed=0)
    assert drawn == pauses(chosen, 75, seed=0) != pauses(chosen, 75, seed=1)
    assert sum(len(drawn[function.name]) for function in chosen if function.language == "go") == 75


@pytest.mark.parametrize(
    ("shown", "following", "text", "first_line"),
    [
        ("x.y)", "x.y)\n    return total", "x.y)", True),
        ("x.y)  \n    return", "x.y)\n    return total", "x.y)\n    return", True),
        ("x.y)\n    return 1", "x.y)\n    return total", "", True),
        ("x)", "x.y)", "", False),
        ("x.y) + 1", "x.y)", "", False),
        ("\n    return total", "\n    return total", "\n    return total", True),
        ("", "x", "", False),
    ],
)
def test_what_is_right(shown: str, following: str, text: str, first_line: bool) -> None:
    assert accepted(shown, following) == text
    assert first_line_right(shown, following) == first_line


def test_the_table_counts_keys_and_shares() -> None:
    right = Pause("a.go", "go", 3, "abc", "abc", True, True, 2, 10.0)
    silent = Pause("a.go", "go", 9, "", "x", False, False, 0, 20.0)
    wrong = Pause("a.rs", "rust", 1, "y", "x", False, False, 0, 30.0)

    lines = table([Replay("go", 20, [right, silent]), Replay("rust", 30, [wrong])]).splitlines()

    assert lines[1].split() == ["go", "2", "50%", "(1/2)", "100%", "(1/1)", "100%", "(1/1)", "10%", "(2/20)", "20"]
    assert lines[3].split()[:3] == ["all", "3", "67%"]


def test_a_replay_with_the_shipped_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All of a function is typed, and each pause is accounted for."""
    file = tmp_path / "replay.json"
    options = [
        "--model",
        "dg-default",
        "--language",
        "go",
        "--pauses",
        "6",
        "--interval-ms",
        "0",
        "--deadline-ms",
        "20000",
        "--json",
        str(file),
    ]

    assert typing_replay.main(options) == 0

    report = json.loads(file.read_text())
    found = [pause for one in report["replays"] for pause in one["pauses"]]
    assert 1 <= len(found) <= 6
    assert all(pause["shown"] for pause in found if pause["right"])
    assert "keys saved" in capsys.readouterr().out
