"""The forty functions are solvable, and the command tells what came of each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import functions, toolchains
from benchmarks.function_tasks import FunctionTask, read, tasks
from benchmarks.functions import Result, table
from dg_lsp.documents import Snapshot
from dg_lsp.syntax.holes import function_hole

TASKS = list(tasks())


def ran(task: FunctionTask, text: str) -> toolchains.Outcome:
    return toolchains.run(task.language, task.name, text, task.test)


def test_there_are_twenty_in_python_and_twenty_in_others() -> None:
    languages = [task.language for task in TASKS]
    assert len(languages) == 40
    assert languages.count("python") == 20
    assert len(set(languages)) == 8


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_each_is_solvable_and_its_stub_can_be_filled(task: FunctionTask) -> None:
    solved = ran(task, task.solved)
    if solved.passed is None:
        pytest.skip(solved.reason)
    assert solved.passed, solved.reason
    assert function_hole(Snapshot(f"file:///{task.name}", task.language, 0, task.text), task.offset)


@pytest.mark.parametrize("task", [task for task in TASKS if task.language == "python"], ids=lambda task: task.name)
def test_no_stub_passes(task: FunctionTask) -> None:
    assert ran(task, task.text).passed is False


def test_a_program_that_fails_says_why() -> None:
    task = next(task for task in TASKS if task.name == "sum.c")
    assert "error" in ran(task, task.solved.replace("total;", "nothing;")).reason


def test_a_file_without_a_stub_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.py.txt"
    file.write_text("def f():\n    pass\n---- solution\nreturn\n---- test\n")
    with pytest.raises(ValueError, match=r"a\.py\.txt is not a file with one"):
        read(file)


def test_the_totals() -> None:
    results = [
        Result("a.py", "python", "pass", "passed", "return 1", 0.1),
        Result("b.py", "python", "refused", "repeats", "", 0.1),
        Result("a.go", "go", "skipped", "go is not installed", "", 0.1),
    ]
    assert [line.split() for line in table(results).splitlines()] == [
        ["pass", "fail", "refused", "skipped", "of"],
        ["python", "1", "0", "1", "0", "2"],
        ["go", "0", "0", "0", "1", "1"],
        ["all", "1", "0", "1", "1", "3"],
    ]


def test_the_shipped_model_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "results.json"

    assert functions.main(["--model", "dg-default", "--language", "c", "--json", str(file)]) == 0

    report = json.loads(file.read_text())
    assert [result["name"] for result in report["results"]] == ["list.c", "reverse.c", "sum.c"]
    assert {result["verdict"] for result in report["results"]} <= {"pass", "fail", "refused", "skipped"}
    assert report["model"] in capsys.readouterr().out


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(SystemExit):
        functions.main(["--language", "cobol"])
