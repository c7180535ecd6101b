"""What of the engine's candidates is shown, and in which order."""

from __future__ import annotations

import pytest

from dg_lsp.completion.choice import UNSURE, Choice, choose
from dg_lsp.completion.filters import Place
from dg_lsp.context.window import window
from dg_lsp.documents import Snapshot
from dg_lsp.syntax.holes import cursor_hole
from engine.protocol import Candidate, FillResult

NO_NAME = "the answer uses a name that nothing in sight defines"
FEW_KEYS = "the answer would save fewer than two keys"


def candidate(middle: str, confidence: float = 0.5, lines: tuple[float, ...] = ()) -> Candidate:
    return Candidate(middle=middle, source="causal", confidence=confidence, line_confidence=lines)


def chosen(document: str, *candidates: Candidate, threshold: float = 0.0, automatic: bool = False) -> Choice:
    """For the cursor at `|` of a Python document."""
    offset = document.index("|")
    snapshot = Snapshot("file:///a.py", "python", 1, document.replace("|", ""))
    hole = cursor_hole(snapshot, offset)
    around = window(snapshot, hole)
    result = FillResult(candidates=candidates, finish_reason="stop", steps=1, model="m", threshold=threshold)
    return choose(result, Place(snapshot, hole, around.prefix, around.suffix), automatic=automatic)


def texts(choice: Choice) -> list[str]:
    return [one.middle for one in choice.candidates]


def test_a_refused_candidate_gives_way_to_the_next_one() -> None:
    choice = chosen("n = 1\nx = |\n", candidate("n +)"), candidate("n + n"), candidate("n"))
    assert texts(choice) == ["n + n", "n"]
    assert len(choice.refused) == 1


def test_what_is_the_same_after_the_filters_is_shown_once() -> None:
    assert texts(chosen("n = 1\nx = |\n", candidate("n + n"), candidate("n + n  "))) == ["n + n"]


def test_each_unknown_name_halves_the_confidence_and_the_others_come_first() -> None:
    choice = chosen("n = 1\nx = |\n", candidate("gone(n)", 0.5), candidate("abs(n)", 0.3), candidate("n - n", 0.1))
    assert [(one.middle, one.confidence) for one in choice.candidates] == [
        ("abs(n)", 0.3),
        ("gone(n)", 0.25),
        ("n - n", 0.1),
    ]


def test_candidates_of_known_names_stay_in_the_order_of_the_engine() -> None:
    choice = chosen("n = 1\nx = |\n", candidate("n + n", 0.2), candidate("n - n", 0.4), candidate("abs(n)", 0.3))
    assert texts(choice) == ["n + n", "n - n", "abs(n)"]


def test_the_next_candidate_must_be_sure_enough_to_be_shown_automatically() -> None:
    broken, next_one = candidate("n +)", 0.8), candidate("n + n", 0.4)
    assert texts(chosen("n = 1\nx = |\n", broken, next_one, threshold=0.3, automatic=True)) == ["n + n"]
    choice = chosen("n = 1\nx = |\n", broken, next_one, threshold=0.5, automatic=True)
    assert (texts(choice), choice.refused[-1]) == ([], UNSURE)


def test_what_only_begins_the_suggestion_is_kept_for_the_case_that_it_is_refused() -> None:
    whole, begun = candidate("n + n", 0.7), candidate("n", 0.9)
    longer = candidate("n + gone", 0.7)
    assert texts(chosen("n = 1\nx = |\n", whole, begun, threshold=0.6, automatic=True)) == ["n + n"]
    assert texts(chosen("n = 1\nx = |\n", whole, begun)) == ["n + n", "n"]
    number = "number = 1\nx = |\n"
    begun = candidate("number", 0.9)
    assert texts(chosen(number, longer, begun, threshold=0.6, automatic=True))[0] == "number"


def test_an_unknown_name_may_leave_too_little_confidence() -> None:
    choice = chosen("x = |\n", candidate("gone", 0.9), threshold=0.6, automatic=True)
    assert choice == Choice((), (NO_NAME,))


@pytest.mark.parametrize("middle", ["n", "n  "])
def test_one_key_is_offered_on_request_only(middle: str) -> None:
    assert chosen("n = 1\nx = |\n", candidate(middle), automatic=True) == Choice((), (FEW_KEYS,))
    assert texts(chosen("n = 1\nx = |\n", candidate(middle))) == ["n"]


BLOCK = "\n".join(f"    f({n})" for n in range(6)).lstrip()


@pytest.mark.parametrize(
    ("document", "said", "shown"),
    [
        ("def f(n):\n    |\n", candidate(BLOCK), "f(0)\n    f(1)\n    f(2)\n    f(3)"),
        ("def f(n):|\n", candidate("\n    " + BLOCK), "\n    f(0)\n    f(1)\n    f(2)\n    f(3)"),
        ("def f(n):\n    |\n", candidate(BLOCK, 0.5, (0.9, 0.9, 0.1, 0.9, 0.9, 0.9)), "f(0)\n    f(1)"),
        ("def f(n):\n    |\n", candidate(BLOCK, 0.5, (0.1, 0.1, 0.9, 0.9, 0.9, 0.9)), "f(0)"),
        ("def f(n):|\n", candidate("\n    " + BLOCK, 0.5, (0.1, 0.1, 0.1, 0.9)), "\n    f(0)"),
        ("def f(n):\n    |\n", candidate("f(1)\n    f(2)\n    for m in n:\n        f(m)"), None),
        ("def f(n):\n    |\n", candidate("f(1)\n\n    f(2)\n    for m in n:\n        f(m)\n    f(n)"), None),
        (
            "def f(n):\n    |\n",
            candidate("f(1)\n    f(2)\n    f(3)\n    for m in n:\n        f(m)"),
            "f(1)\n    f(2)\n    f(3)",
        ),
    ],
)
def test_a_block_is_suggested_automatically_as_far_as_it_is_short_and_sure(
    document: str, said: Candidate, shown: str | None
) -> None:
    expected = shown or said.middle.removesuffix("\n    f(n)")
    assert texts(chosen(document, said, automatic=True)) == [expected]


def test_on_request_a_block_is_shown_whole() -> None:
    assert texts(chosen("def f(n):\n    |\n", candidate(BLOCK))) == [BLOCK]
