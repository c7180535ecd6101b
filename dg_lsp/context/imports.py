"""Which files of the workspace a Python file imports."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from dg_lsp.positions import with_newlines

_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+(?P<module>[\w.]+)[ \t]+import[ \t]*(?P<names>\([^()]*\)[ \t]*|.*)"
    r"|import[ \t]+(?P<plain>.*))$",
    re.MULTILINE,
)
_NAME = re.compile(r"(\w[\w.]*)(?:\s+as\s+\w+)?")
_COMMENT = re.compile(r"#.*")
_MAX_FILES = 40
_MAX_TEXT = 200_000


def imported_files(text: str, path: Path, folder: Path) -> list[Path]:
    """The files in `folder` that the Python text of `path` imports, in the order of its imports."""
    found: dict[Path, None] = {}
    for module, names in _imports(text):
        for root in _roots(module, path, folder):
            here = [file for file in _files(root, module.lstrip("."), names) if os.path.isfile(file)]
            found.update((file, None) for file in here if file != path and file.is_relative_to(folder))
            if here:
                break
        if len(found) >= _MAX_FILES:
            break
    return list(found)[:_MAX_FILES]


def _imports(text: str) -> Iterator[tuple[str, list[str]]]:
    """Each module that is named, and what is taken from it."""
    for found in _IMPORT.finditer(_COMMENT.sub("", with_newlines(text[:_MAX_TEXT]))):
        names = _NAME.findall(found["names"] or found["plain"] or "")
        if found["module"]:
            yield found["module"], names
        else:
            yield from ((name, []) for name in names)


def _files(root: Path, module: str, names: list[str]) -> Iterator[Path]:
    """Where a module may be, and those of its names that may be modules themselves."""
    place = root.joinpath(*module.split("."))
    if module:
        yield place.with_suffix(".py")
    if os.path.isdir(place):
        yield place / "__init__.py"
        for name in names:
            yield place / f"{name}.py"
            yield place / name / "__init__.py"


def _roots(module: str, path: Path, folder: Path) -> list[Path]:
    """Where to look for a module: its package's folder, or what may be on Python's path."""
    dots = len(module) - len(module.lstrip("."))
    if dots:
        return [path.parents[dots - 1]] if dots <= len(path.parents) else []
    around = [place for place in path.parents if place.is_relative_to(folder)]
    return [folder, folder / "src", *around]
