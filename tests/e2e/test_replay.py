"""A short replay of real editing; `tests/tools/replay.py` does it at a person's speed and tells the times."""

from __future__ import annotations

from random import Random

import pytest
from lsp_session import LspSession, StartEngine

from tests.tools.replay import FILES, INSTANT, OPTIONS, Replay


@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_is_lost_or_stale_while_somebody_types(lsp: LspSession, start: StartEngine, seed: int) -> None:
    engine = start(*INSTANT, initializationOptions=OPTIONS)
    report = Replay(lsp, engine, 0.02, Random(seed)).run(FILES, keys=200)
    assert set(report.answers.values()) == {1}
    assert len(report.answers) == len(report.asked) == 200
    assert report.stale == []
    assert report.unequal == []
    assert report.offered > 20
