"""The text around a hole that the model sees."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dg_lsp.context.window import Window, cells_above, to_document, window
from dg_lsp.documents import Snapshot
from dg_lsp.syntax.holes import Hole, cursor_hole


def snapshot(text: str) -> Snapshot:
    return Snapshot("file:///a.py", "python", 1, text)


def around(text: str, prefix_chars: int = 8000, suffix_chars: int = 2000) -> Window:
    """The window of a text whose cursor is the mark │."""
    before, _, after = text.partition("│")
    document = snapshot(before + after)
    hole = cursor_hole(document, len(before))
    return window(document, hole, prefix_chars=prefix_chars, suffix_chars=suffix_chars)


def test_a_short_document_is_handed_out_whole() -> None:
    assert around("a\nb│c\nd") == Window("a\nb", "c\nd")


def test_what_the_middle_replaces_is_in_neither_part() -> None:
    hole = Hole(kind="function", start=13, end=17, label="f", single_line=False)
    assert window(snapshot("def f():\n    pass\nx\n"), hole) == Window("def f():\n    ", "\nx\n")


def test_a_long_document_is_cut_between_lines() -> None:
    assert around("aaaa\nbbbb\ncccc\ndd│dd\neeee\nffff\n", 10, 10) == Window("cccc\ndd", "dd\neeee\n")


def test_a_line_that_fits_exactly_stays() -> None:
    assert around("aaaa\nbbbb\n│cccc\ndddd\n", 5, 5) == Window("bbbb\n", "cccc\n")


def test_an_overlong_line_is_cut_inside() -> None:
    assert around("a" * 50 + "│" + "b" * 50, 10, 5) == Window("a" * 10, "b" * 5)
    assert around("a" * 50 + "\n│\n" + "b" * 50, 10, 5) == Window("a" * 9 + "\n", "\nbbbb")


def test_the_model_sees_one_kind_of_line_ending() -> None:
    assert around("a\r\nb\rc\n│d\r\ne\r") == Window("a\nb\nc\n", "d\ne\n")


def test_other_separators_stay() -> None:
    assert around("a\x0cb\u2028c\x85│") == Window("a\x0cb\u2028c\x85", "")


@pytest.mark.parametrize("text", ["\ufeff│import os\n", "│\ufeffimport os\n"])
def test_a_byte_order_mark_is_left_out(text: str) -> None:
    assert around(text) == Window("", "import os\n")


def test_a_lone_surrogate_can_be_sent() -> None:
    assert around("'\ud83d│'") == Window("'?", "'")


@pytest.mark.parametrize("typed", ["total = compute(first, second)", "x" * 900])
def test_keys_at_the_cursor_leave_the_ends_of_the_window_where_they_are(typed: str) -> None:
    before = "".join(f"value_{i} = {i}\n" for i in range(4000))
    windows = [around(f"{before}{typed[:end]}│)\n{before}", 40_000, 20_000) for end in range(0, len(typed), 9)]
    assert sum(not now.prefix.startswith(last.prefix) for last, now in pairwise(windows)) <= 1
    assert len({window.suffix for window in windows}) == 1


@given(st.text(st.sampled_from("ab\n\r😀"), max_size=60), st.data())
def test_no_part_exceeds_its_limit(text: str, data: st.DataObject) -> None:
    document = snapshot(text)
    hole = cursor_hole(document, data.draw(st.integers(0, len(text))))
    found = window(document, hole, prefix_chars=12, suffix_chars=7)
    plain = window(document, hole)
    assert len(found.prefix) <= 12
    assert len(found.suffix) <= 7
    assert plain.prefix.endswith(found.prefix)
    assert plain.suffix.startswith(found.suffix)


@pytest.mark.parametrize(("text", "eol"), [("a\n", "\n"), ("a\r\n", "\r\n"), ("a\r", "\r"), ("", "\n")])
def test_a_middle_takes_the_line_endings_of_its_document(text: str, eol: str) -> None:
    assert to_document(snapshot(text), "x\ny\n") == f"x{eol}y{eol}"


def test_the_cells_above_are_the_nearest_in_the_language_that_fit() -> None:
    texts = (("a = 1\r\n", "python"), ("SELECT 1", "sql"), ("b = '\ud83d'", "python"), ("c = 3\n\n\n", "python"))
    cells = [Snapshot(f"cell:{number}", language, 1, text) for number, (text, language) in enumerate(texts)]
    assert cells_above(cells, "python") == "a = 1\n\nb = '?'\n\nc = 3\n\n"
    assert cells_above(cells, "python", chars=20) == "b = '?'\n\nc = 3\n\n"
    assert cells_above([], "python") == ""
