"""Packages of 2025 and later: the committed lists, and holes in languages other than Python."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from engine.evaluation import humaneval_infilling, recent
from engine.evaluation.held_out import listing
from engine.evaluation.recent import COUNT, FILES, HOLES, KINDS, made, packages
from engine.evaluation.tasks import RECENT, EvaluationError, Task

SOURCES = {
    "typescript": "function add(a: number): number {\n  const b = twice(a, 'é')\n  return a + b\n}\n",
    "go": "package a\n\nfunc Add(a int) int {\n\tb := twice(a, 'é')\n\treturn a + b\n}\n",
    "rust": "fn add(a: i32) -> i32 {\n    let b = twice(a, 'é');\n    a + b\n}\n",
}


def row(language: str, text: str) -> dict[str, str]:
    return {"language": language, "package": "p", "path": f"a.{language}", "text": text}


@pytest.mark.parametrize("language", SOURCES)
def test_calls_and_bodies(language: str) -> None:
    """In characters, not bytes."""
    file = made(row(language, SOURCES[language]))

    calls = [file.text[start:end] for start, end in file.arguments]
    (body,) = [file.text[start:end] for start, end in file.bodies]

    assert calls == ["a, 'é'"]
    assert body.split("\n")[0].lstrip().startswith(("const b", "b :=", "let b"))
    assert body.endswith("a + b")


def test_every_package_is_of_2025_or_later_and_permissive() -> None:
    assert {package.language for package in packages()} == set(RECENT.values())
    assert all(package.first_published >= "2025" for package in packages())
    assert all(package.licence.split()[0] in ("MIT", "Apache-2.0", "BSD-3-Clause", "ISC") for package in packages())


def test_the_committed_list() -> None:
    rows = [json.loads(line) for line in HOLES.read_text().splitlines()]
    kinds = Counter((row.get("language", "python"), kind) for row in rows for kind, _, _ in row["holes"])
    assert kinds == {(language, kind): COUNT for language in RECENT.values() for kind in KINDS}
    assert {row["package"] for row in rows} <= {package.name for package in packages()}


def test_tasks_are_of_their_language_and_changed_files_are_named(tmp_path: Path) -> None:
    files = [row("go", SOURCES["go"]), row("rust", SOURCES["rust"])]
    (tmp_path / FILES).write_text("".join(json.dumps(one) + "\n" for one in files))
    go, rust = map(made, files)
    (tmp_path / HOLES.name).write_text(
        listing([("arguments", go, go.arguments[0]), ("body", rust, rust.bodies[0])]).replace(rust.sha256, "changed")
    )

    (task,), nothing = recent.tasks("recent-go", tmp_path)
    none, left_out = recent.tasks("recent-rust", tmp_path)

    assert (task.set, task.kind, task.language, task.middle) == ("recent-go", "arguments", "go", "a, 'é'")
    assert (nothing, none, left_out) == ([], [], ["p/a.rust"])


def test_without_the_files_it_says_how_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EvaluationError, match=r"run python -m engine\.evaluation\.recent fetch"):
        recent.tasks("recent-go", None)


def test_a_packages_files_without_tests_and_licences(monkeypatch: pytest.MonkeyPatch) -> None:
    code = "".join(f"// Number{i} returns {i}.\nfunc Number{i}() int {{\n\treturn {i}\n}}\n\n" for i in range(20))
    archive = [
        ("p/a.go", f"// Copyright 2025 A. Nobody\n// All rights reserved.\n\npackage a\n\n{code}".encode()),
        ("p/a_test.go", f"package a\n\n{code}".encode()),
        ("p/broken.go", f"package a\n\nfunc (\n{code}".encode()),
        ("p/README.md", b"# a"),
    ]
    monkeypatch.setattr(recent, "sources", lambda registry, name, version: iter(archive))

    (file,) = recent.files_of(recent.Package("go", "debian", "p", "1", "2025", "MIT"))

    assert file.path == "p/a.go"
    assert file.text.startswith("package a\n")


def test_the_long_sets_have_a_fixed_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = [Task(f"MultiLine/{n}", "multi-line", "multi-line", "", "x\n", "") for n in range(400)]
    monkeypatch.setattr(humaneval_infilling, "find", lambda name, data: Path(name))
    monkeypatch.setattr(humaneval_infilling, "read", lambda path, name: iter(whole))

    sample = humaneval_infilling.tasks("multi-line-300", None)

    assert len(sample) == 300
    assert {(task.set, task.kind) for task in sample} == {("multi-line-300", "multi-line")}
    assert sample == humaneval_infilling.tasks("multi-line-300", None)
    assert humaneval_infilling.tasks("multi-line", None) == whole
