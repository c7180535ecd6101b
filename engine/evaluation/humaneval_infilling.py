"""OpenAI's HumanEval-Infilling: four sets of holes in the solutions of HumanEval's 164 problems.

The files are OpenAI's own, as published in github.com/openai/human-eval-infilling; the package of that name on PyPI is
an empty placeholder.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
from rich.console import Console
from rich.progress import Progress

from engine.evaluation.tasks import SAMPLED, EvaluationError, Task, Unreachable, choose

_COMMIT = "88062ff9859c875d04db115b698ed4b0f0395170"
_URL = f"https://raw.githubusercontent.com/openai/human-eval-infilling/{_COMMIT}/data/"
FILES = {  # set: file, sha256
    "single-line": (
        "HumanEval-SingleLineInfilling.jsonl.gz",
        "1277073e7ddce163ef68598c2bca777f688a53df99422f097e37362090f88e1f",
    ),
    "multi-line": (
        "HumanEval-MultiLineInfilling.jsonl.gz",
        "2f341612eee1d35da1357a4f365e0c0b3ba6e2b62eb491e88aaefa4855af0349",
    ),
    "random-span": (
        "HumanEval-RandomSpanInfilling.jsonl.gz",
        "b4f330d8a8ff97bf85d9def497dffcae4d741e506449386a877236e422e33e8d",
    ),
    "random-span-light": (
        "HumanEval-RandomSpanInfillingLight.jsonl.gz",
        "1432250ecac0cb56e6f97f8faf0970419ef892a98fda7e1f5aa4c4b87209b760",
    ),
}

SAMPLE, SAMPLE_SEED = 300, 0  # tasks of the long sets that are drawn for the short ones, the same for everybody


def cache_folder() -> Path:
    """Where downloaded files are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "dg-lsp" / "human-eval-infilling"


def tasks(name: str, data: Path | None) -> list[Task]:
    """The tasks of one set, from the folder `data`, else the cache, else downloaded. Raises `EvaluationError`."""
    whole = SAMPLED.get(name, name)
    found = list(read(find(whole, data), whole))
    if name == whole:
        return found
    return [replace(task, set=name) for task in choose(found, SAMPLE, SAMPLE_SEED)]


def find(name: str, data: Path | None) -> Path:
    """The set's file, checked by its hash. Raises `EvaluationError`."""
    file, sha256 = FILES[name]
    cached = cache_folder() / file
    places = [*([data / file] if data else []), cached]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        _download(file, sha256, cached)
        return cached
    if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
        raise EvaluationError(f"{path} is not OpenAI's file (its sha256 differs): replace it by {_URL}{file}")
    return path


def read(path: Path, name: str) -> Iterator[Task]:
    """The tasks in one of OpenAI's files. Raises `EvaluationError`."""
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                yield Task(
                    id=row["task_id"],
                    set=name,
                    kind=name,
                    prefix=row["prompt"],
                    middle=row["canonical_solution"],
                    suffix=row["suffix"],
                    test=row["test"],
                    entry_point=row["entry_point"],
                )
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
        raise EvaluationError(f"{path} cannot be read as HumanEval-Infilling: {type(error).__name__} {error}") from None


def _download(file: str, sha256: str, target: Path) -> None:
    """Fetch one file into its place, whole and right or not at all."""
    console = Console(stderr=True)
    try:
        with httpx.stream("GET", _URL + file, timeout=20.0, follow_redirects=True) as answer:
            answer.raise_for_status()
            total = int(answer.headers.get("content-length", 0)) or None
            content = bytearray()
            with Progress(console=console, transient=True) as progress:
                bar = progress.add_task(f"fetching {file}", total=total)
                for part in answer.iter_bytes():
                    content += part
                    progress.update(bar, completed=answer.num_bytes_downloaded)
    except httpx.HTTPError as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise Unreachable(
            f"{file} could not be downloaded ({reason}): put {_URL}{file} into {target.parent}, "
            "or into a folder that you name by --data"
        ) from None
    if hashlib.sha256(content).hexdigest() != sha256:
        raise EvaluationError(f"what {_URL}{file} sent is not the expected file (its sha256 differs): try again")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".part")
    partial.write_bytes(content)
    partial.replace(target)
