"""What the benchmark compares, and that what it times is really answered."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from dg_lsp.benchmark import measures
from dg_lsp.benchmark.engine import instant_engine
from dg_lsp.benchmark.servers import ServerProcess
from dg_lsp.benchmark.stores import script, stores

Work = Callable[[ServerProcess, str, int, int], None]


@pytest.mark.parametrize("text", ["value = 'é한'\nother = 2\n" * 20, "x='é한';" * 50])
def test_both_stores_get_the_same_messages_and_agree(text: str) -> None:
    messages = script(text, random.Random(0), messages=4, count=25)
    assert [len(changes) for changes in messages] == [25] * 4
    times = stores(text, messages)
    assert {name: len(values) for name, values in times.items()} == {"dg-lsp": 4, "pygls": 4}


def test_stores_that_disagree_are_not_compared() -> None:
    """pygls takes U+2028 for a line ending (T2)."""
    messages = script("a = 'x\u2028y'\nb = 1\n" * 20, random.Random(0), messages=1, count=25)
    with pytest.raises(SystemExit, match="different texts"):
        stores("a = 'x\u2028y'\nb = 1\n" * 20, messages)


def test_both_servers_answer() -> None:
    text = "a = 1\n" * 20
    messages = script(text, random.Random(0), messages=2, count=1)
    with instant_engine() as environment:
        code = "def f(first, second):\n    value = 1\n    return value\n\n\n" * 3
        found = [measures.keys(text, messages), measures.completions(code, 2, environment), measures.starts(2)]
    for times in found:
        assert {name: len(values) for name, values in times.items()} == {"dg-lsp": 2, "pygls": 2}


@pytest.mark.parametrize("work", [measures.typing, measures.rewriting])
def test_pings_are_answered_while_the_server_works(work: Work) -> None:
    with instant_engine() as environment:
        pings, held = measures.pings(work, "def f():\n    pass\n\n", 2, 3, environment)
    assert len(pings) > 3
    assert 0 < held <= max(pings) + 1e3  # a loop that is held holds the pings up, but for those between two
