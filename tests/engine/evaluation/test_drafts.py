"""What each kind of draft is worth, told from the candidates of one fill."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.evaluation import held_out
from engine.evaluation.drafts import _right, main
from engine.evaluation.tasks import choose
from engine.infill.calibration import Features
from engine.infill.choice import Ranked
from engine.protocol import Source


def ranked(text: str, *sources: Source) -> Ranked:
    return Ranked(text, sources, Features(0.5, 0.5, len(sources), text, "tail"), ())


def test_without_a_kind_of_draft_the_best_of_the_others_is_the_answer(data: Path) -> None:
    (task,) = choose([task for task in held_out.tasks(data)[0] if task.kind == "line"], 1, seed=0)
    candidates = [ranked("no", "copied"), ranked(task.middle, "causal", "copied"), ranked("neither", "denoised")]
    assert _right([task], [candidates], {"denoised", "causal", "copied"}) == [False]
    assert _right([task], [candidates], {"denoised", "causal"}) == [True]
    assert _right([task], [candidates], {"denoised"}) == [False]
    assert _right([task], [[]], {"denoised"}) == [False]


def test_the_table_has_a_row_for_each_thing_left_out(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--data", str(data), "--limit", "1"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "3 holes, seed 0, dg-default"
    assert lines[2] == "| | line | span | arguments |"
    assert [line.split(" | ")[0] for line in lines[4:]] == [
        "| all of it",
        "| without what was denoised",
        "| without what was causal",
        "| without what was copied",
        "| what was denoised alone",
        "| what was causal alone",
        "| what was copied alone",
        "| any of the candidates",
        "| without the file's n-grams",
        "| without the suffix before the causal drafts",
    ]


def test_files_that_cannot_be_read_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / held_out.FILES).write_text("nothing\n")
    with pytest.raises(SystemExit) as stopped:
        main(["--data", str(tmp_path)])
    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith(f"{tmp_path / held_out.FILES} cannot be read")
