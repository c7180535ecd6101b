"""What fine-tuning is worth: files put aside, and paired answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.evaluation.finetuned import Pair, main, split, summary, write
from engine.evaluation.held_out import SourceFile

FILES = [SourceFile("package", f"package/part_{i}.py", f"value = {i}\n") for i in range(20)]


def test_a_fifth_of_the_files_is_put_aside_always_the_same() -> None:
    shown, aside = split(FILES)
    assert len(aside) == 4
    assert {file.name for file in shown}.isdisjoint(file.name for file in aside)
    assert split(FILES[::-1]) == (shown, aside)


def test_the_repository_holds_what_is_not_put_aside(tmp_path: Path) -> None:
    shown, _ = split(FILES)
    write(shown, tmp_path)
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.py")} == {file.path for file in shown}
    assert (tmp_path / shown[0].path).read_text("utf-8") == shown[0].text


def test_the_difference_is_that_of_pairs() -> None:
    pairs = [Pair(str(i), "line", 4, i < 2, i < 3, True, i < 4) for i in range(8)]
    pairs += [Pair(str(i), "span", 4, True, True, False, False) for i in range(8)]
    line, span, both, shown = summary(pairs).splitlines()
    assert line == "line, 8 holes: 25.0% → 37.5% (+12.5 ± 12.5)"
    assert span == "span, 8 holes: 100.0% → 100.0% (+0.0 ± 0.0)"
    assert both.startswith("both, 16 holes: 62.5% → 68.8% (+6.2 ± ")
    assert shown == "shown unasked: 8, 6 of them wrong → 4, 1 of them wrong"


def test_a_package_that_is_not_held_out_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "held_out_files.jsonl").write_text("", "utf-8")
    with pytest.raises(SystemExit) as stopped:
        main(["nothing", "--out", str(tmp_path / "out"), "--corpus", str(tmp_path)])
    assert stopped.value.code == 2
    assert capsys.readouterr().err == f"{tmp_path / 'held_out_files.jsonl'} has no package nothing\n"
