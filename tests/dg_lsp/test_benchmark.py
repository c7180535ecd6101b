"""What the benchmark of the document stores compares."""

from __future__ import annotations

import random

import pytest

from dg_lsp import benchmark


@pytest.mark.parametrize("text", ["value = 'é한'\nother = 2\n" * 20, "x='é한';" * 50])
def test_both_stores_get_the_same_messages_and_agree(text: str) -> None:
    script = benchmark._script(text, random.Random(0), messages=4, count=25)
    assert [len(changes) for changes in script] == [25] * 4
    times = benchmark._stores(text, script)
    assert {name: len(values) for name, values in times.items()} == {"dg-lsp": 4, "pygls": 4}


def test_stores_that_disagree_are_not_compared() -> None:
    """pygls takes U+2028 for a line ending (T2)."""
    script = benchmark._script("a = 'x\u2028y'\nb = 1\n" * 20, random.Random(0), messages=1, count=25)
    with pytest.raises(SystemExit, match="different texts"):
        benchmark._stores("a = 'x\u2028y'\nb = 1\n" * 20, script)


def test_both_servers_answer() -> None:
    text = "a = 1\n" * 20
    times = benchmark._servers(text, benchmark._script(text, random.Random(0), messages=2, count=1))
    assert {name: len(values) for name, values in times.items()} == {"dg-lsp": 2, "pygls": 2}
