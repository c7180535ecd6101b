"""What stays of a fill while its document is edited. A document shows the pieces of the last fill as ⟦…⟧."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dg_lsp.completion.last_fill import LastFills, Trace, hunks_between, reroll_holes
from dg_lsp.completion.several import Edit
from dg_lsp.documents import Snapshot
from tests.dg_lsp.marks import marked, snapshot

STUB = "import os\n\ndef f():\n    pass\n\ndef g():\n    pass\n"
FILLED = "import os\n\ndef f():\n    ⟦a = 1\n    b = 2\n    c = 3⟧\n\ndef g():\n    pass\n"


def applied(text: str) -> tuple[LastFills, Snapshot]:
    """A document in which the marked text has just been filled in, for one `x` each."""
    after, ranges = marked("python", text)
    before, edits, moved = after.text, [], 0
    for start, end in ranges:
        new = after.text[start:end]
        edits.append(Edit(start=start - moved, end=start - moved + 1, text=new, label="f", first=0, last=len(new)))
        moved += len(new) - 1
    for edit in edits:
        before = before[: edit.start] + "x" + before[edit.start + len(edit.text) :]
    old = snapshot("python", before)
    fills = LastFills()
    fills.expect(old, edits)
    fills.follow(old, after)
    return fills, after


def pieces(fills: LastFills, document: Snapshot) -> list[str]:
    trace = fills.at(document, 0, len(document.text))
    return [document.text[start:end] for start, end in trace.pieces] if trace else []


@pytest.mark.parametrize(
    ("after", "left"),
    [
        (FILLED, ["a = 1\n    b = 2\n    c = 3"]),
        ("# new\n" + FILLED + "# end\n", ["a = 1\n    b = 2\n    c = 3"]),
        (FILLED.replace("b = 2", "b = 22"), ["a = 1", "c = 3"]),
        (FILLED.replace("    b = 2\n", ""), ["a = 1", "c = 3"]),
        (FILLED.replace("    b = 2\n", "    z = 0\n    b = 2\n"), ["a = 1", "b = 2\n    c = 3"]),
        (FILLED.replace("a = 1", "aa = 1"), ["b = 2\n    c = 3"]),
        (FILLED.replace("c = 3", "c = 4"), ["a = 1\n    b = 2"]),
        (FILLED.replace("a = 1\n    b = 2\n    c = 3", "pass"), []),
        ("", []),
    ],
)
def test_lines_that_the_user_edits_are_no_longer_part_of_the_fill(after: str, left: list[str]) -> None:
    fills, document = applied(FILLED)
    new = snapshot("python", after.replace("⟦", "").replace("⟧", ""))
    fills.follow(document, new)
    assert pieces(fills, new) == left


def test_edits_above_and_below_in_one_change_leave_the_fill_whole() -> None:
    fills, document = applied(FILLED)
    new = snapshot("python", document.text.replace("import os", "import sys").replace("    pass", "    return"))
    fills.follow(document, new)
    assert pieces(fills, new) == ["a = 1\n    b = 2\n    c = 3"]


def test_a_fill_that_the_editor_did_not_apply_is_not_followed() -> None:
    fills, old = LastFills(), snapshot("python", STUB)
    start = STUB.index("pass")
    fills.expect(old, [Edit(start=start, end=start + 4, text="a = 1", label="f", first=0, last=5)])
    typed = snapshot("python", STUB + "# typed\n")
    fills.follow(old, typed)
    assert fills.at(typed, 0, len(typed.text)) is None


def test_of_several_fills_those_that_the_user_took_are_followed() -> None:
    old = snapshot("python", STUB)
    first, second = STUB.index("pass"), STUB.rindex("pass")
    edits = [Edit(start=at, end=at + 4, text="return 1", label="f", first=0, last=8) for at in (first, second)]
    fills = LastFills()
    fills.expect(old, edits)
    new = snapshot("python", STUB[:second] + "return 1" + STUB[second + 4 :])
    fills.follow(old, new)
    assert fills.at(new, first, first) is None
    assert fills.at(new, second, second) == Trace(
        second, second + 8, ((second, second + 8),), 0, frozenset({"return 1"})
    )


def test_a_fill_belongs_to_its_lines_and_to_those_beside_them() -> None:
    fills, document = applied(FILLED)
    found = [fills.at(document, *[document.line_start(line)] * 2) is not None for line in range(document.line_count)]
    assert found == [False, False, True, True, True, True, True, False, False, False]


def test_a_reroll_fills_what_nobody_changed_or_what_is_selected() -> None:
    fills, document = applied(FILLED)
    new = snapshot("python", document.text.replace("b = 2", "kept"))
    fills.follow(document, new)
    trace = fills.at(new, new.text.index("a = 1"), new.text.index("a = 1"))
    assert trace is not None
    holes = reroll_holes(new, trace, trace.start, trace.start)
    assert [new.text[hole.start : hole.end] for hole in holes] == ["a = 1", "c = 3"]
    line = new.text.index("    kept")
    (hole,) = reroll_holes(new, trace, line, line + len("    kept\n"))
    assert new.text[hole.start : hole.end].strip() == "kept"


def test_after_a_reroll_of_a_line_the_fill_is_one_again() -> None:
    fills, document = applied(FILLED)
    trace = fills.at(document, document.text.index("b = 2"), document.text.index("b = 2"))
    start = document.text.index("b = 2")
    fills.expect(document, [Edit(start=start, end=start + 5, text="bb = 3", label="f", first=0, last=6)], trace)
    new = snapshot("python", document.text.replace("b = 2", "bb = 3"))
    fills.follow(document, new)
    assert pieces(fills, new) == ["a = 1", "bb = 3", "c = 3"]
    again = fills.at(new, start, start)
    assert again is not None
    assert (again.seed, again.said) == (1, {"a = 1\n    b = 2\n    c = 3", "bb = 3"})
    assert new.text[again.start : again.end] == "a = 1\n    bb = 3\n    c = 3"


TEXTS = st.text("ab \n\r", max_size=30)


@settings(max_examples=300, deadline=None)
@given(TEXTS, TEXTS)
def test_hunks_make_one_text_out_of_the_other(a: str, b: str) -> None:
    old, new = snapshot("python", a), snapshot("python", b)
    rebuilt, at, moved = "", 0, 0
    hunks = list(hunks_between(old, new))
    for hunk in hunks:
        start = hunk.start + moved
        rebuilt += a[at : hunk.start] + b[start : start + hunk.size]
        at, moved = hunk.end, moved + hunk.growth
    assert rebuilt + a[at:] == b
    assert all(first.end <= second.start for first, second in pairwise(hunks))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 12), st.text("xy \n", max_size=6)), max_size=6),
    st.integers(0, 40),
    st.integers(1, 20),
)
def test_pieces_are_whole_parts_of_the_fill_whatever_is_edited(
    edits: list[tuple[int, int, str]], start: int, length: int
) -> None:
    text = "".join(f"  {letter} = {letter * 3}\n" for letter in "abcdefgh")
    document = snapshot("python", text)
    said = text[start : start + length]
    trace: Trace | None = Trace(start, start + len(said), ((start, start + len(said)),), 0)
    for at, removed, put in edits:
        new = snapshot("python", document.text[:at] + put + document.text[at + removed :])
        trace = trace.after(list(hunks_between(document, new)), new) if trace else None
        document = new
    if trace:
        assert 0 <= trace.start < trace.end <= len(document.text)
        assert all(document.text[first:last] in said for first, last in trace.pieces)
        assert all(left[1] <= right[0] for left, right in pairwise(trace.pieces))
