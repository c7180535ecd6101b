"""What the demonstration draws: a canvas in lines that break no token."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dg_lsp.demo_view import _gap, _lines
from engine.protocol import Draft

WIDTH = 30


@given(st.lists(st.text(alphabet="ab_ (é", max_size=25), min_size=1, max_size=40), st.text(alphabet="x =", max_size=20))
def test_a_canvas_is_broken_between_its_slots_alone(slots: list[str], head: str) -> None:
    draft = Draft(text="", step=1, steps=2, slots=tuple(slots), settled=(True,) * len(slots), pinned="")
    parts = _gap(head, draft)
    lines = _lines(parts, WIDTH)
    assert all(line.cell_len <= WIDTH for line in lines)
    left = "".join(line.plain.removeprefix("  ") if number else line.plain for number, line in enumerate(lines))
    assert left == "".join(part.plain for part in parts)
    ends = {0}
    for part in parts:
        ends.add(max(ends) + len(part.plain))
    at = 0
    for number, line in enumerate(lines):
        at += len(line.plain) - (2 if number else 0)
        assert at in ends
