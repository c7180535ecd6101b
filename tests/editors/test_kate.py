"""Kate, set up as editors/README.md says, with the real server and the default model."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from kate import KATE, Kate
from needed import need
from sample import SAMPLE, sample_home

StartKate = Callable[[str, int, int], Kate]


class TestKate:
    @pytest.fixture
    def kate(self) -> Iterator[StartKate]:
        """Starts a Kate on a text with the cursor at a line and a column, from 1."""
        need((KATE / "bin" / "xdotool").exists(), f"{KATE} is not there: run `make test-editors`")
        started: list[Kate] = []

        def start(text: str, line: int, column: int) -> Kate:
            (home / "project" / "point.py").write_text(text)
            started.append(Kate(home, line, column))
            return started[0]

        with sample_home() as home:
            yield start
            for one in started:
                one.close()

    def test_a_stub_is_filled_by_its_code_action(self, kate: StartKate) -> None:
        editor = kate(SAMPLE, 10, 9)
        editor.open("alt+Return")
        editor.keys("Down", "Return")
        editor.until_saved(lambda text: text.startswith(SAMPLE.replace("pass\n", "")) and "pass" not in text)

    def test_the_completion_list_offers_the_rest_of_the_line(self, kate: StartKate) -> None:
        before, _, after = SAMPLE.rpartition("\n    def ")
        begun, whole = (f"{before}        {line}\n\n    def {after}" for line in ("self.y", "self.y = y"))
        editor = kate(begun, 8, 15)
        editor.open("ctrl+space")
        editor.keys("Return")
        editor.until_saved(lambda text: text == whole)
