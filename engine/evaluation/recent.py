"""Held-out code that a pretrained model cannot have read: packages first published in 2025 or later.

    python -m engine.evaluation.recent fetch          the files of recent_packages.json into var/recent
    python -m engine.evaluation.recent draw           draw recent_holes.jsonl anew from these files

Python comes from PyPI, TypeScript from npm, Go and Rust from Debian. The texts are not committed; the list of holes has
each file's hash, and a file that has changed is left out and named.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.evaluation.archives import sources
from engine.evaluation.held_out import SourceFile, holes, listing, tasks_of
from engine.evaluation.tasks import RECENT, EvaluationError, Task
from engine.evaluation.tree_file import TreeFile
from engine.training.filters import clean, rejected_by_path, rejected_by_text

PACKAGES = Path(__file__).with_name("recent_packages.json")
HOLES = Path(__file__).with_name("recent_holes.jsonl")
FOLDER = Path("var/recent")
FILES = "recent_files.jsonl"
KINDS = ("line", "span", "whole-line", "lines", "arguments", "body")
COUNT = 100  # holes of each kind in each language
MAX_FILES = 25  # of a package, drawn by its name: no package is most of the set

_ENDINGS = {"python": (".py",), "typescript": (".ts",), "go": (".go",), "rust": (".rs",)}
_UNWANTED = ("test", "bench", "example", "docs", "build.rs", ".d.ts", "generated", "/dist/", "_examples", "conftest")

_HEADER = re.compile(r"\s*(?:/\*.*?\*/|(?://[^\n]*\n)+)\s*", re.DOTALL)
_LICENCE = re.compile(r"copyright|licen[sc]e|spdx", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Package:
    """One pinned package of a registry."""

    language: str
    registry: str
    name: str
    version: str
    first_published: str
    licence: str


def packages(file: Path = PACKAGES) -> list[Package]:
    """The packages of recent_packages.json, or of another list in its form."""
    return [Package(**row) for row in json.loads(file.read_text("utf-8"))]


def files_of(package: Package) -> list[SourceFile]:
    """The package's files that are worth filling. Raises `EvaluationError`."""
    found = []
    for path, data in sources(package.registry, package.name, package.version):
        if path.endswith(_ENDINGS[package.language]) and not any(part in path.lower() for part in _UNWANTED):
            text = _without_header(clean(data))
            python = package.language == "python"
            if not rejected_by_path(path) and not rejected_by_text(text, python=python):
                found.append(made({"language": package.language, "package": package.name, "path": path, "text": text}))
    usable = [file for file in sorted(found, key=lambda file: file.path) if getattr(file, "parses", True)]
    return random.Random(package.name).sample(usable, min(MAX_FILES, len(usable)))


def _without_header(text: str) -> str:
    """A text without the comment of a licence at its beginning."""
    head = _HEADER.match(text)
    return text[head.end() :] if head and _LICENCE.search(head[0]) else text


def made(row: dict[str, Any]) -> SourceFile:
    """A file from a row of recent_files.jsonl."""
    kind = SourceFile if row["language"] == "python" else TreeFile
    return kind(row["package"], row["path"], row["text"], row["language"])


def tasks(name: str, data: Path | None) -> tuple[list[Task], list[str]]:
    """The tasks of one set of `RECENT`, and the files that are missing or changed. Raises `EvaluationError`."""
    place = next((folder / FILES for folder in (data, FOLDER) if folder and (folder / FILES).is_file()), None)
    if place is None:
        raise EvaluationError(
            f"{FOLDER / FILES} is not here: run python -m engine.evaluation.recent fetch, or name its folder by --data"
        )
    own = place.with_name(HOLES.name)
    listed = own if own.is_file() else HOLES
    return tasks_of(name, [file for file in read(place) if file.language == RECENT[name]], listed, RECENT[name])


def read(path: Path) -> list[SourceFile]:
    """The files that `fetch` wrote. Raises `EvaluationError`."""
    try:
        return [made(json.loads(line)) for line in path.read_text("utf-8").split("\n") if line]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EvaluationError(f"{path} cannot be read: {type(error).__name__} {error}") from None


def fetch(folder: Path, wanted: Iterable[Package]) -> None:
    """Write the files of packages, whole or not at all; packages that cannot be fetched are named and left out."""
    rows = []
    for package in wanted:
        try:
            found = files_of(package)
        except EvaluationError as error:
            print(f"left out: {package.name} {package.version}: {error}")
            continue
        print(f"{package.name}: {len(found)} files", flush=True)
        rows += [
            {"language": file.language, "package": file.package, "path": file.path, "text": file.text} for file in found
        ]
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{FILES}.part"
    partial.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    partial.replace(folder / FILES)


def drawn(files: list[SourceFile], count: int = COUNT) -> Iterator[tuple[str, SourceFile, tuple[int, int]]]:
    """The holes of each language and kind. Raises `EvaluationError`."""
    for language in RECENT.values():
        of_language = [file for file in files if file.language == language]
        for kind in KINDS if of_language else ():
            for hole in holes(kind, of_language, count):
                yield kind, *hole


def main(argv: list[str] | None = None) -> None:
    """Fetch the files, or draw the list of holes."""
    parser = argparse.ArgumentParser(prog="python -m engine.evaluation.recent", description=__doc__.split("\n")[0])
    parser.add_argument("--folder", type=Path, default=FOLDER, help="of the files; default: %(default)s")
    commands = parser.add_subparsers(dest="command", required=True)
    fetching = commands.add_parser("fetch", help="fetch the packages' files")
    fetching.add_argument("--language", choices=tuple(RECENT.values()), help="only one language's; default: all")
    drawing = commands.add_parser("draw", help="draw the list of holes anew")
    drawing.add_argument("--to", type=Path, default=HOLES, help="the list; default: the committed one")
    drawing.add_argument(
        "--limit", type=int, default=COUNT, metavar="N", help="holes of each kind; default: %(default)s"
    )
    arguments = parser.parse_args(argv)
    try:
        if arguments.command == "fetch":
            language = arguments.language
            fetch(arguments.folder, [one for one in packages() if language in (None, one.language)])
        else:
            rows = list(drawn(read(arguments.folder / FILES), arguments.limit))
            arguments.to.write_text(listing(rows), "utf-8")
            print(f"{len(rows)} holes: {arguments.to}")
    except EvaluationError as error:
        parser.exit(2, f"{error}\n")
    except OSError as error:
        parser.exit(2, f"{error.filename} cannot be written: {error.strerror}\n")


if __name__ == "__main__":
    main()
