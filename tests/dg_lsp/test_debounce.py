"""The wait of an automatic request follows the user's typing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dg_lsp.completion.debounce import Debounce

WORD = "    retur"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def after_keys(*intervals_s: float) -> Debounce:
    """The debounce of a user who pressed keys at these intervals."""
    clock = Clock()
    debounce = Debounce(clock)
    debounce.typed()
    for interval_s in intervals_s:
        clock.now += interval_s
        debounce.typed()
    return debounce


def test_who_types_fast_waits_less() -> None:
    fast, slow = after_keys(*[0.08] * 30), after_keys(*[0.2] * 30)
    assert fast.wait_s(WORD) < slow.wait_s(WORD)
    assert 0.08 < fast.wait_s(WORD) < 0.16, "a little more than between two keys"


def test_a_break_is_no_typing() -> None:
    assert after_keys(*[0.1] * 10, 60.0).wait_s(WORD) == after_keys(*[0.1] * 10).wait_s(WORD)


def test_the_wait_is_never_longer_than_an_answer_takes() -> None:
    assert after_keys(*[0.2] * 10).wait_s(WORD, answer_s=0.03) == pytest.approx(0.03)


@pytest.mark.parametrize("before", ["    self.", "print(", "print( ", "", "    ", "items = ["])
def test_behind_what_asks_for_more_the_wait_is_half(before: str) -> None:
    debounce = after_keys()
    assert debounce.wait_s(before) == debounce.wait_s(WORD) / 2


def test_what_the_editor_waited_counts() -> None:
    debounce = after_keys()
    whole = debounce.wait_s(WORD)
    assert debounce.wait_s(WORD, client_s=0.05) == pytest.approx(whole - 0.05)
    assert debounce.wait_s(WORD, client_s=5) == 0


def test_who_takes_suggestions_gets_them_sooner() -> None:
    debounce = after_keys()
    waits = [debounce.wait_s(WORD, accepted=rate) for rate in (1.0, 0.5, 0.0)]
    assert waits == sorted(waits)
    assert waits[1] == debounce.wait_s(WORD)


@given(
    st.lists(st.floats(0, 1e6)),
    st.text(),
    st.none() | st.floats(0, 1e6),
    st.floats(0, 1e6),
    st.none() | st.floats(0, 1),
)
def test_the_wait_is_always_short(
    intervals: list[float], before: str, answer: float | None, client: float, accepted: float | None
) -> None:
    wait = after_keys(*intervals).wait_s(before, answer_s=answer, client_s=client, accepted=accepted)
    assert 0 <= wait <= 0.6 + 1e-9
