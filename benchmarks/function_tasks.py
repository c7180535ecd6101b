"""The small functions of fixtures/functions: a file with a stub, a body that is right, and a test."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dg_lsp.language_ids import language_of

FOLDER = Path(__file__).parents[1] / "fixtures" / "functions"
_PART = re.compile(r"^---- (?:solution|test)\n", re.MULTILINE)
_STUB = re.compile("⟦(.*?)⟧", re.DOTALL)


@dataclass(frozen=True, slots=True)
class FunctionTask:
    """One function to be filled; `offset` is where its stub begins in `text`."""

    name: str
    text: str
    offset: int
    stub: str
    solution: str
    test: str

    @property
    def language(self) -> str:
        """The language identifier."""
        return language_of(self.name)

    @property
    def solved(self) -> str:
        """The file with the body that is right."""
        return self.text[: self.offset] + self.solution + self.text[self.offset + len(self.stub) :]


def tasks(folder: Path = FOLDER) -> Iterator[FunctionTask]:
    """All tasks, Python's first. Raises `ValueError` that names a file which is none."""
    found = [read(path) for path in sorted(folder.glob("*.txt"))]
    yield from sorted(found, key=lambda task: (task.language != "python", task.language, task.name))


def read(path: Path) -> FunctionTask:
    """The task in a file. Raises `ValueError`."""
    parts = _PART.split(path.read_text("utf-8"))
    stubs = _STUB.findall(parts[0])
    if len(parts) != 3 or len(stubs) != 1:
        raise ValueError(f"{path} is not a file with one ⟦stub⟧, then ---- solution, then ---- test")
    text, solution, test = parts
    offset = text.index("⟦")
    return FunctionTask(path.stem, _STUB.sub(r"\1", text), offset, stubs[0], solution.removesuffix("\n"), test)
