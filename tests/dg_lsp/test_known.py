"""What the model said already is offered again only where it still fits."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dg_lsp.completion.fill import Filled
from dg_lsp.completion.known import Known, rest
from engine.protocol import Candidate, FillRequest, FinishReason, Snippet

URI = "file:///a.py"
ASKED = FillRequest(prefix="x = ", suffix="\ny", language="python", priority="automatic", deadline_ms=300)


def says(*middles: str, finish: FinishReason = "stop") -> Filled:
    candidates = tuple(Candidate(middle=middle, source="causal", confidence=0.5) for middle in middles)
    return Filled(candidates=candidates, finish_reason=finish, steps=1, model="m")


def at(prefix: str, suffix: str = "\ny") -> FillRequest:
    return replace(ASKED, prefix=prefix, suffix=suffix)


def middles(filled: Filled | None) -> list[str] | None:
    return None if filled is None else [candidate.middle for candidate in filled.candidates]


def test_a_repeated_request_is_known_whatever_its_deadline() -> None:
    known = Known()
    known.keep(URI, ASKED, says("f(a)"))
    assert middles(known.find(URI, replace(ASKED, deadline_ms=1500))) == ["f(a)"]


def test_what_the_model_sees_makes_another_request() -> None:
    known = Known()
    known.keep(URI, ASKED, says("f(a)"))
    for change in (
        {"suffix": "\nz"},
        {"prefix": "y = "},
        {"related": (Snippet(path="b.py", text="b"),)},
        {"priority": "manual"},
        {"candidates": 3},
        {"language": "ruby"},
        {"max_tokens": 9},
    ):
        assert known.find(URI, replace(ASKED, **change)) is None  # type: ignore[arg-type]
    assert known.find("file:///b.py", ASKED) is None


def test_typing_into_an_answer_leaves_its_rest_and_going_back_brings_it_again() -> None:
    known = Known()
    known.keep(URI, ASKED, says("f(a)"))
    assert middles(known.find(URI, at("x = f"))) == ["(a)"]
    assert middles(known.find(URI, at("x = f("))) == ["a)"]
    assert middles(known.find(URI, at("x = f"))) == ["(a)"]
    assert middles(known.find(URI, at("x = "))) == ["f(a)"]


def test_other_text_or_another_suffix_finds_nothing() -> None:
    known = Known()
    known.keep(URI, ASKED, says("f(a)"))
    assert known.find(URI, at("x = g")) is None
    assert known.find(URI, at("x =")) is None
    assert known.find(URI, at("x = f", suffix=")\ny")) is None


def test_of_several_candidates_those_stay_that_agree() -> None:
    assert middles(rest(ASKED, says("f(a)", "g()", "f(b)"), at("x = f("))) == ["a)", "b)"]


def test_a_text_that_was_accepted_is_not_answered_again_and_not_gone_on_with_by_another() -> None:
    assert rest(ASKED, says("f(a)"), at("x = f(a)")) is None
    assert rest(ASKED, says("f(a)", "f(a) + 1"), at("x = f(a)")) is None
    assert rest(ASKED, says("f(a) \n"), at("x = f(a)")) is None, "blanks alone are no offer"


def test_a_draft_of_the_deadline_is_typed_on_into_but_asked_anew_and_stays_beside_the_whole_answer() -> None:
    known = Known()
    known.keep(URI, ASKED, says("f(a)", finish="deadline"))
    assert known.find(URI, ASKED) is None
    assert middles(known.find(URI, at("x = f"))) == ["(a)"]
    known.keep(URI, replace(ASKED, deadline_ms=None), says("g()"))
    assert middles(known.find(URI, ASKED)) == ["g()"]
    assert middles(known.find(URI, at("x = f"))) == ["(a)"]


def test_nothing_is_an_answer_that_is_known_too() -> None:
    known = Known()
    known.keep(URI, ASKED, says(finish="unsure"))
    found = known.find(URI, ASKED)
    assert found
    assert found.why_nothing == "the model is not sure enough of its answer"
    assert known.find(URI, at("x = f")) is None


def test_by_hand_only_the_own_answer_counts() -> None:
    known, by_hand = Known(), replace(ASKED, priority="manual", candidates=6)
    known.keep(URI, ASKED, says("f(a)"))
    assert known.find(URI, replace(by_hand, prefix="x = f")) is None
    known.keep(URI, by_hand, says("g()"))
    assert middles(known.find(URI, by_hand)) == ["g()"]


def test_a_hundred_answers_are_kept_those_used_last() -> None:
    known = Known()
    for number in range(100):
        known.keep(URI, at(f"{number} = "), says("f"))
    assert known.find(URI, at("0 = "))
    known.keep(URI, at("100 = "), says("f"))
    assert known.find(URI, at("0 = "))
    assert known.find(URI, at("1 = ")) is None


def test_a_closed_document_is_forgotten() -> None:
    known = Known()
    known.keep(URI, ASKED, says("f"))
    known.keep("file:///b.py", ASKED, says("g"))
    known.forget(URI)
    assert known.find(URI, ASKED) is None
    assert middles(known.find("file:///b.py", ASKED)) == ["g"]


texts = st.text("ab(\n ", max_size=6)


@given(texts, st.lists(texts, min_size=1, max_size=3), texts, texts, st.sampled_from(["\ny", ""]))
def test_no_text_is_ever_stale(prefix: str, answers: list[str], now: str, typed: str, suffix: str) -> None:
    """Text before the cursor and item are what a candidate said for its place, and the suffix is the same."""
    asked = at(prefix)
    for cursor in (now, prefix + typed):
        for text in middles(rest(asked, says(*answers), at(cursor, suffix))) or []:
            assert cursor + text in [prefix + answer for answer in answers]
            assert suffix == asked.suffix
            assert text.strip()
            assert cursor not in [prefix + answer for answer in answers]


@pytest.mark.parametrize(
    ("middle", "typed", "closed", "rest_of_it"),
    [
        ("f(a, b)", "f(", ")", "a, b"),
        ("f(g(a), [b]) + 1", "f(", ")", "g(a), [b]"),
        ("f([a, b])", "f([", "])", "a, b"),
        ("print('a)')", "print(", ")", "'a)'"),
        ('d["key"]', 'd["', '"]', "key"),
        ("{'a': 1}", "{", "}", "'a': 1"),
    ],
)
def test_brackets_and_quotes_that_the_editor_closed_are_left_out(
    middle: str, typed: str, closed: str, rest_of_it: str
) -> None:
    known = Known()
    known.keep(URI, ASKED, says(middle))
    assert middles(known.find(URI, at(f"x = {typed}", f"{closed}\ny"))) == [rest_of_it]


@pytest.mark.parametrize(("typed", "behind"), [("f(", "]\ny"), ("f(a", "b)\ny"), ("f", ")\ny"), ("f(", ")\nz")])
def test_what_else_comes_behind_the_cursor_asks_anew(typed: str, behind: str) -> None:
    known = Known()
    known.keep(URI, ASKED, says("f(a, b)"))
    assert known.find(URI, at(f"x = {typed}", behind)) is None


def test_what_is_left_must_be_sure_enough_to_be_shown_automatically() -> None:
    said = says("f(a)", "gg(b)")
    first, second = said.candidates
    said = replace(said, threshold=0.4, candidates=(first, replace(second, confidence=0.2)))
    assert middles(rest(ASKED, said, at("x = f"))) == ["(a)"]
    assert rest(ASKED, said, at("x = g")) is None
