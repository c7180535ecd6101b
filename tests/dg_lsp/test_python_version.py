"""The oldest Python that a project names, and what of an answer is left out because of it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from dg_lsp.completion.filters import Place, filtered
from dg_lsp.context.python_version import oldest_python
from dg_lsp.context.window import window
from dg_lsp.documents import Snapshot
from dg_lsp.syntax.holes import cursor_hole


@pytest.mark.parametrize(
    ("files", "oldest"),
    [
        ({}, None),
        ({"pyproject.toml": '[project]\nname = "a"\nrequires-python = ">=3.9"\n'}, 9),
        ({"pyproject.toml": "[project]\nrequires-python='<4, >= 3.12'\n"}, 12),
        ({"pyproject.toml": '[project]\nrequires-python = "<3.13"\n'}, None),
        ({"pyproject.toml": '[tool.poetry.dependencies]\npython = "^3.11"\n'}, 11),
        ({"pyproject.toml": '[project]\nrequires-python = "~=3.12"\n', ".python-version": "3.13.1\n"}, 12),
        ({"setup.cfg": "[options]\npython_requires = >=3.8, !=3.9.0\n"}, 8),
        ({".python-version": "3.13.1\n3.10\n"}, 10),
        ({".python-version": "pypy3.10\n", "pyproject.toml": "[tool.ruff]\n"}, None),
        ({"pyproject.toml": "\0\udcff".encode("utf-8", "surrogateescape")}, None),
    ],
)
def test_the_oldest_python_of_a_project(files: dict[str, str | bytes], oldest: int | None, tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    (tmp_path / "src").mkdir()
    assert oldest_python(tmp_path / "src" / "a.py") == oldest


def test_the_nearest_folder_that_names_one_counts_and_none_beyond_the_repository(tmp_path: Path) -> None:
    (tmp_path / ".python-version").write_text("3.8")
    (tmp_path / "a" / ".git").mkdir(parents=True)
    (tmp_path / "a" / "b").mkdir()
    assert oldest_python(tmp_path / "a" / "b" / "c.py") is None
    (tmp_path / "a" / ".python-version").write_text("3.12")
    assert oldest_python(tmp_path / "a" / "b" / "c.py") == 12
    (tmp_path / "a" / "b" / "setup.cfg").write_text("[options]\npython_requires = >=3.9\n")
    assert oldest_python(tmp_path / "a" / "b" / "c.py") == 9


SAID = ["f'{names['a']}'", "f\"{'\\n'.join(names)}\"", "f'{names['a']:{widths['b']}}'", 'f"{names["it\'s"]}"']


@pytest.mark.parametrize(("named", "free"), [("", False), ("3.11", False), ("3.12", True)])
@pytest.mark.parametrize("said", SAID)
def test_format_strings_are_for_the_oldest_python_of_the_project(
    said: str, named: str, free: bool, tmp_path: Path
) -> None:
    (tmp_path / ".python-version").write_text(named)
    document = Snapshot((tmp_path / "a.py").as_uri(), "python", 1, "x = \n")
    hole = cursor_hole(document, 4)
    around = window(document, hole)
    text, reason = filtered(said, Place(document, hole, around.prefix, around.suffix))
    if free:
        assert text == said
    elif text:
        ast.parse(f"x = {text}", feature_version=(3, 10))
        assert "'" in text
    else:
        assert reason == "the answer needs Python 3.12 or newer"
