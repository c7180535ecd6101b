"""The network by itself: where its continuation is cut, and that it is the same each time."""

from __future__ import annotations

import pytest

from engine.evaluation.greedy import cut_at_suffix, middle
from engine.infill import load
from engine.protocol import FillRequest


@pytest.mark.parametrize(
    ("head", "text", "suffix", "one_line", "kept"),
    [
        ("", "a, b)\nmore", ")\n", True, "a, b"),
        ("", "f(a))\nmore", ")\n", True, "f(a)"),
        ("", "a, b) + 1", ")\n", True, "a, b"),
        ("", "x\nreturn x", "\n", True, "x"),
        ("    ", "= 1\n    b = 2):\n  pass", "):\n  pass", False, "= 1\n    b = 2"),
        ("    ", "a = 1\n    return a\n    b", "\n    return a\n", False, "a = 1"),
        ("    ", "a = 1\n\n    b = 2\ndef g():", "\n", False, "a = 1\n\n    b = 2"),
        ("    ", "a = 1\n    b = 2", "\n    c\n", False, "a = 1\n    b = 2"),
        ("", "    a = 1\n    b = 2\ndef g():", "\n", False, "    a = 1\n    b = 2"),
    ],
    ids=[
        "rest of the line",
        "brackets of its own",
        "it goes on",
        "end of line",
        "several lines",
        "equal line",
        "further left",
        "nothing reappears",
        "further left than its own first line",
    ],
)
def test_where_a_continuation_is_cut(head: str, text: str, suffix: str, one_line: bool, kept: str) -> None:
    assert cut_at_suffix(head, text, suffix, one_line=one_line) == kept


def test_the_shipped_model_by_itself() -> None:
    model = load()
    request = FillRequest(prefix="for i in range(", suffix="):\n    print(i)\n", single_line=True, max_tokens=16)

    alone = middle(model, request)

    assert alone
    assert "\n" not in alone
    assert middle(model, request) == alone
