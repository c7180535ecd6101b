"""How slow fills are: percentiles of the last ones, and a verdict that does not flicker."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dg_lsp.completion.latency import SLOW_MS, Latency

SLOW, FAST = SLOW_MS + 1, SLOW_MS


def after(*fills: float) -> Latency:
    latency = Latency()
    for ms in fills:
        latency.add(ms)
    return latency


def test_the_percentiles_are_of_the_last_twenty_fills() -> None:
    latency = after(*[9000.0] * 5, *map(float, range(1, 21)))
    assert (len(latency), latency.percentile(50), latency.percentile(95)) == (20, 10, 19)
    assert after().percentile(50) is None
    assert after(7).percentile(95) == 7


def test_a_few_fills_tell_nothing() -> None:
    assert not after(*[SLOW] * 7).slow
    assert after(*[SLOW] * 8).slow


def test_it_is_slow_above_a_half_and_stays_so_down_to_a_quarter() -> None:
    latency = after(*[FAST] * 20)
    verdicts = []
    for ms in [SLOW] * 20 + [FAST] * 20:
        latency.add(ms)
        verdicts.append(latency.slow)
    assert verdicts == [False] * 10 + [True] * 25 + [False] * 5


def test_what_the_deadline_cut_short_is_slow_however_short_the_deadline() -> None:
    latency = Latency()
    for _ in range(8):
        latency.add(100, cut=True)
    assert (latency.slow, latency.mostly_cut) == (True, True)
    for _ in range(20):
        latency.add(100)
    assert (latency.slow, latency.mostly_cut) == (False, False)


def test_another_engine_begins_anew() -> None:
    latency = after(*[SLOW] * 20)
    latency.clear()
    assert (len(latency), latency.slow, latency.percentile(50)) == (0, False, None)


@given(st.lists(st.floats(0, 2000), max_size=60))
def test_the_verdict_changes_only_where_the_shares_say_so(fills: list[float]) -> None:
    latency = Latency()
    for ms in fills:
        before = latency.slow
        latency.add(ms)
        p50 = latency.percentile(50)
        assert p50 is not None
        if latency.slow and not before:
            assert p50 > SLOW_MS
        if before and not latency.slow:
            assert p50 <= SLOW_MS
