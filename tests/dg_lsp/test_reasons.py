"""The reasons that are kept: the last ones, counted, and told without code."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dg_lsp.reasons import SUPERSEDED, Reasons, unfamiliar
from engine.protocol import Health

URI = "file:///home/me/code/shop%20cart.py"


def test_a_reason_is_told_with_the_name_of_the_file_and_the_line_as_editors_show_it() -> None:
    reasons = Reasons()
    reasons.add("no suggestion: the answer was blank", uri=URI, line=6)
    (reason,) = reasons.all()
    assert re.fullmatch(r"\d\d:\d\d:\d\d  shop cart.py:7: no suggestion: the answer was blank", str(reason))
    told = reason.as_json()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d", told.pop("time"))
    assert told == {"file": "shop cart.py", "line": 7, "reason": "no suggestion: the answer was blank", "count": 1}


def test_the_line_for_the_user_begins_with_the_reason() -> None:
    reasons = Reasons()
    for _ in range(2):
        reasons.add("no suggestion: the answer was blank", uri=URI, line=6)
    reasons.add("the engine is gone")
    gone, blank = reasons.all()
    assert re.fullmatch(r"the answer was blank \(shop cart\.py:7, 2 times, last at \d\d:\d\d:\d\d\)", blank.told())
    assert re.fullmatch(r"the engine is gone \(\d\d:\d\d:\d\d\)", gone.told())


def test_the_same_reason_for_the_same_line_is_counted_and_is_the_newest_again() -> None:
    reasons = Reasons()
    for line in (1, 2, 1):
        reasons.add("blank", uri=URI, line=line)
    assert [(reason.line, reason.count) for reason in reasons.all()] == [(1, 2), (2, 1)]
    assert str(reasons.all()[0]).endswith("shop cart.py:2: blank (2 times)")


def test_superseded_requests_do_not_hide_the_other_reasons() -> None:
    reasons = Reasons()
    reasons.add("blank", uri=URI, line=3)
    for line in range(200):
        reasons.add(SUPERSEDED, uri=URI, line=line)
    assert [(reason.reason, reason.count) for reason in reasons.all()] == [(SUPERSEDED, 200), ("blank", 1)]
    latest = reasons.latest(URI)
    assert latest
    assert latest.reason == "blank"


def test_the_latest_reason_of_a_document_may_be_one_for_all() -> None:
    reasons = Reasons()
    assert reasons.latest() is None
    reasons.add("blank", uri=URI)
    reasons.add("long line", uri="file:///other.py")
    reasons.add("the engine is gone")
    assert str(reasons.latest(URI)).endswith("  the engine is gone")
    reasons.add("blank", uri=URI)
    assert str(reasons.latest(URI)).endswith("  shop cart.py: blank (2 times)")
    assert reasons.latest("file:///third.py") is reasons.all()[1]


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b", SUPERSEDED]), st.sampled_from(["", URI]), st.integers(0, 99)), max_size=200
    )
)
def test_no_more_than_fifty_are_kept_and_the_newest_is_among_them(told: list[tuple[str, str, int]]) -> None:
    reasons = Reasons()
    for reason, uri, line in told:
        reasons.add(reason, uri=uri, line=line)
        assert (reasons.all()[0].reason, reasons.all()[0].uri) == (reason, uri)
    assert len(reasons) == len(reasons.all()) <= 50


def test_the_oldest_go() -> None:
    reasons = Reasons()
    for line in range(51):
        reasons.add("blank", uri=URI, line=line)
    assert [reason.line for reason in reasons.all()] == list(range(50, 0, -1))


@pytest.mark.parametrize(
    ("languages", "told"),
    [
        ((), ""),
        (("python", "cpp"), ""),
        (("python",), "small knows Python only; this file is C++"),
        (("python", "go"), "small knows Python and Go only; this file is C++"),
        (("python", "go", "typescriptreact"), "small knows Python, Go and TypeScript (TSX) only; this file is C++"),
        (("python", "go", "rust", "java"), "small does not know C++"),
    ],
)
def test_a_language_that_the_model_was_not_trained_on_is_named(languages: tuple[str, ...], told: str) -> None:
    health = Health(state="ready", progress=1, model="small", device="cpu", version="1", pid=7, languages=languages)
    assert unfamiliar(health, "cpp") == told


def test_without_an_engine_no_language_is_unfamiliar() -> None:
    assert unfamiliar(None, "cpp") == ""
