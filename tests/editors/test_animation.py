"""The pictures of the documentation move, and their pauses are short."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import pytest
from animation import END_S, LONGEST_S, STILL, animation, paced


@pytest.mark.parametrize("waits", [[20.0, 0.1, 0.1, 8.0], [0.0], [0.2] * 100, [30.0] * 3])
def test_nothing_stands_still_for_long_and_the_end_for_a_third_at_most(waits: list[float]) -> None:
    times = [sum(waits[:number]) for number in range(len(waits) + 1)]
    shown = paced([(at, str(at)) for at in times])
    assert [screen for _, screen in shown] == [str(at) for at in times]
    stays = [goes - comes for (comes, goes), _ in shown]
    assert max(stays[:-1]) <= LONGEST_S + 0.001
    assert stays[-1] <= min(END_S, STILL * shown[-1][0][1] + 0.001)
    assert [goes for (_, goes), _ in shown[:-1]] == [comes for (comes, _), _ in shown[1:]]


def test_a_line_that_stays_is_drawn_once_and_one_that_comes_and_goes_is_animated() -> None:
    frames = [(0.0, "same\n\x1b[32mone"), (1.0, "same\ntwo & <more>"), (2.0, "same\n\x1b[32mone")]
    picture = animation(frames, 20, 5)
    ElementTree.fromstring(picture)  # it is well-formed
    assert [picture.count(f">{line}<") for line in ("same", "one", "two &amp; &lt;more&gt;")] == [1, 1, 1]
    assert len(re.findall("@keyframes", picture)) == 2
    assert "prefers-reduced-motion" in picture
    assert re.search(r'style="fill: #[0-9a-f]{6}">one<', picture)
