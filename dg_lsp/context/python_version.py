"""Which Python a project is written for."""

from __future__ import annotations

import re
from pathlib import Path

_NAMED_IN = {
    "pyproject.toml": re.compile(r"^(?:requires-python|python)[ \t]*=[ \t]*[\"'](.*)[\"']", re.MULTILINE),
    "setup.cfg": re.compile(r"^[ \t]*python_requires[ \t]*=(.*)", re.MULTILINE),
    ".python-version": re.compile(r"^(.*)", re.MULTILINE),
}
_FROM = re.compile(r"(?:^|>=?|==|~=?|\^)\s*3\.(\d+)")
_MAX_CHARS = 200_000


def oldest_python(path: Path) -> int | None:
    """The number N of the oldest Python 3.N that the project of a file names; None where it names none."""
    for folder in path.parents:
        minors = [minor for name in _NAMED_IN for minor in _minors(folder / name)]
        if minors or (folder / ".git").exists():
            return min(minors, default=None)
    return None


def _minors(file: Path) -> list[int]:
    try:
        with file.open(encoding="utf-8", errors="replace") as opened:
            text = opened.read(_MAX_CHARS)
    except OSError:
        return []
    return [int(minor) for value in _NAMED_IN[file.name].findall(text) for minor in _FROM.findall(value.strip())]
