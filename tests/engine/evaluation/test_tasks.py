"""Where tasks come from: OpenAI's file format, drawn holes, and the committed list."""

from __future__ import annotations

import ast
import gzip
import json
from collections import Counter
from pathlib import Path

import pytest

from engine.evaluation import held_out, humaneval_infilling
from engine.evaluation.held_out import FILES, HOLES, KINDS, SourceFile, holes, listing
from engine.evaluation.tasks import EvaluationError, Task, choose, length_class, tokens

ROW = {
    "task_id": "SingleLineInfilling/HumanEval/0/L0",
    "entry_point": "add",
    "prompt": "def add(a, b):\n",
    "canonical_solution": "    total = a + b\n",
    "suffix": "    return total\n",
    "test": "\n\ndef check(candidate):\n    assert candidate(1, 2) == 3\n",
}
SOURCE = '''
"""Greetings: für alle."""


def greet(name, *, loud=False):
    """Say hello."""
    text = "hällo " + format(name, "s")
    if loud:
        text = text.upper()
    return text


print(greet("you", loud=True))
'''


def test_the_benchmarks_format(tmp_path: Path) -> None:
    file = tmp_path / "tasks.jsonl.gz"
    with gzip.open(file, "wt") as out:
        out.write(json.dumps(ROW) + "\n")

    (task,) = humaneval_infilling.read(file, "single-line")

    assert (task.id, task.set, task.kind) == (ROW["task_id"], "single-line", "single-line")
    assert task.merged(task.middle) == "def add(a, b):\n    total = a + b\n    return total\n"
    program = task.program(task.middle)
    assert program.endswith("assert candidate(1, 2) == 3\n\ncheck(add)\n")
    exec(program, {})
    with pytest.raises(AssertionError):
        exec(task.program("    total = a - b\n"), {})


@pytest.mark.parametrize(
    "content",
    [b"no gzip", gzip.compress(b'{"task_id": 1}\n'), gzip.compress(b"no JSON\n")],
    ids=["no gzip", "half a task", "no JSON"],
)
def test_a_file_that_is_none_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "tasks.jsonl.gz"
    file.write_bytes(content)

    with pytest.raises(EvaluationError, match=r"tasks\.jsonl\.gz cannot be read as HumanEval-Infilling"):
        list(humaneval_infilling.read(file, "single-line"))


def test_another_file_under_the_benchmarks_name_is_refused(tmp_path: Path) -> None:
    name, _ = humaneval_infilling.FILES["single-line"]
    with gzip.open(tmp_path / name, "wt") as out:
        out.write(json.dumps(ROW) + "\n")

    with pytest.raises(EvaluationError, match="is not OpenAI's file"):
        humaneval_infilling.tasks("single-line", tmp_path)


def test_without_network_it_says_which_file_belongs_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(humaneval_infilling, "_URL", "http://127.0.0.1:9/data/")

    with pytest.raises(EvaluationError, match="HumanEval-SingleLineInfilling") as raised:
        humaneval_infilling.tasks("single-line", None)

    assert "--data" in str(raised.value)
    assert str(tmp_path / "dg-lsp" / "human-eval-infilling") in str(raised.value)


@pytest.mark.parametrize(
    ("kind", "said", "counted"),
    [
        ("line", "a\nb", "a"),
        ("single-line", "    a\nb", "    a\n"),
        ("single-line", "", ""),
        ("multi-line", "a\nb", "a\nb\n"),
        ("multi-line", "a\nb\n", "a\nb\n"),
        ("random-span", "a\nb", "a\nb"),
    ],
)
def test_the_truncation_rule(kind: str, said: str, counted: str) -> None:
    assert Task("", "", kind, "", "x", "").cut(said) == counted


def test_holes_by_syntax() -> None:
    """Characters, not bytes; without the docstring."""
    file = SourceFile("p", "p.py", SOURCE)

    calls = {SOURCE[start:end] for start, end in file.arguments}
    (body,) = [SOURCE[start:end] for start, end in file.bodies]

    assert calls == {'name, "s"', 'greet("you", loud=True)', '"you", loud=True'}
    assert body.startswith('text = "hällo')
    assert body.endswith("return text")


@pytest.mark.parametrize("kind", KINDS)
def test_drawn_holes(kind: str) -> None:
    """Each hole is not blank and short enough, none comes twice, and the same seed draws the same."""
    files = [SourceFile("p", "p.py", SOURCE), SourceFile("p", "q.py", SOURCE.replace("greet", "welcome"))]
    drawn = list(holes(kind, files, 2))

    assert len(set(drawn)) == 2
    assert listing((kind, *hole) for hole in drawn) == listing((kind, *hole) for hole in holes(kind, files, 2))
    for file, (start, end) in drawn:
        answer = file.text[start:end]
        assert answer.strip()
        assert len(tokens().encode(answer)) <= KINDS[kind][1]
        if Task("", "", kind, "", "", "").one_line:
            assert "\n" not in answer
        if kind in ("line", "whole-line", "lines", "body"):
            assert file.text[end : end + 1] in ("\n", "")
        if kind == "arguments":
            ast.parse(f"f({answer})")


def test_files_without_such_holes_are_reported() -> None:
    with pytest.raises(EvaluationError, match="too few holes of the kind body"):
        list(holes("body", [SourceFile("p", "p.py", "x = 1\n")], 1))


def test_a_changed_file_is_left_out_and_named(data: Path, tmp_path: Path) -> None:
    lines = (data / FILES).read_text().splitlines()
    changed = json.loads(lines[0])
    changed["text"] += "\n"
    (tmp_path / FILES).write_text("\n".join([json.dumps(changed), *lines[1:]]) + "\n")
    (tmp_path / HOLES.name).write_bytes((data / HOLES.name).read_bytes())

    all_tasks, nothing = held_out.tasks(data)
    tasks, left_out = held_out.tasks(tmp_path)

    assert nothing == []
    assert left_out == ["stdlib/textwrap.py"]
    assert {task.id for task in tasks} == {task.id for task in all_tasks if "textwrap" not in task.id}


def test_without_the_texts_it_says_how_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EvaluationError, match="run make corpus"):
        held_out.tasks(None)


def test_the_committed_list() -> None:
    rows = [json.loads(line) for line in HOLES.read_text().splitlines()]
    kinds = Counter(kind for row in rows for kind, _, _ in row["holes"])
    assert kinds == {kind: count for kind, (count, _, _) in KINDS.items()}


def test_chosen_tasks() -> None:
    """The kinds are mixed, the seed decides, and a larger limit only adds."""
    tasks = [Task(f"{kind}{n}", "held-out", kind, "", "", "") for kind in ("line", "span") for n in range(20)]

    few, more = choose(tasks, 4, seed=1), choose(tasks, 8, seed=1)

    assert Counter(task.kind for task in few[:4]) == {"line": 2, "span": 2}
    assert few == choose(list(reversed(tasks)), 4, seed=1) != choose(tasks, 4, seed=2)
    assert set(few) < set(more)
    assert len(choose(tasks, None, seed=0)) == 40


def test_classes_of_length() -> None:
    assert [length_class(text) for text in ("x", "x = 1", "a.b(c)", "x = 1\n" * 20)] == ["1", "2–3", "4–8", "17+"]
