"""A user's repository as text to train on: which of its files, which of them are held out, and their tokens."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from engine.evaluation.held_out import SourceFile, holes, task
from engine.evaluation.tasks import EvaluationError, Task
from engine.training.bpe import BOS, EOS, Bpe
from engine.training.filters import MAX_BYTES, NearDuplicates, clean, rejected_by_path, rejected_by_text
from engine.training.shards import Stream
from engine.training.store import TrainingError

HELD_OUT = 0.15  # of the files
HOLES = 100  # of each kind, in held-out files
LEAST_TOKENS = {"train": 10_000, "held-out": 1_000}

_PYTHON = {".py", ".pyi"}
_C = {".c", ".h", ".cc", ".cpp", ".hpp"}
_SOURCE = _PYTHON | _C | {".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".rs", ".go", ".java"}
_LEFT_OUT_FOLDERS = {"node_modules", "venv", "env", "build", "dist", "target", "site-packages", "__pycache__"}
_HIDDEN_OR_SECRET = re.compile(
    r"(^|/)(\.|[^/]*(secrets?|credentials?|passwords?|local_settings|settings_local)\.[a-z]+$)", re.IGNORECASE
)
_SECRET = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY|\b(AKIA[0-9A-Z]{16}|gh[pousr]_\w{36}|github_pat_\w{22}|xox[abprs]-[\w-]{10}"
    r"|sk-[\w-]{32}|AIza[\w-]{35}|glpat-[\w-]{20})"
)

Texts = dict[str, str]  # by path


@dataclass(frozen=True, slots=True)
class Repository:
    """What there is to train on, and what is kept to see whether that helps: no file is in both."""

    train: Texts
    held_out: Texts

    def streams(self, bpe: Bpe) -> tuple[Stream, Stream]:
        """The tokens of both. Raises `TrainingError` where they are too few."""
        return _stream("train", self.train, bpe), _stream("held-out", self.held_out, bpe)

    def tasks(self) -> list[Task]:
        """Holes in lines of the held-out files. Raises `TrainingError` where they have too few."""
        files = [SourceFile("", path, text) for path, text in self.held_out.items()]
        try:
            return [task(file, kind, *span) for kind in ("line", "span") for file, span in holes(kind, files, HOLES)]
        except EvaluationError as error:
            raise TrainingError(f"too little code is held out: {error}") from None


def read(folder: Path) -> Repository:
    """Read the source files of a repository, without generated ones, copies and those that hold secrets.

    A file is held out by the hash of its path, so that the next run holds out the same ones. Raises `TrainingError`.
    """
    if not folder.is_dir():
        raise TrainingError(f"{folder} is no folder: name that of a repository")
    found = {path: text for path in _paths(folder) if (text := _text(folder, path))}
    order = sorted(found, key=lambda path: hashlib.sha256(path.encode()).digest())
    held_out = max(1, round(HELD_OUT * len(order)))
    seen = NearDuplicates()  # the held-out files come first, so that no copy of them is trained on
    fresh = [path for path in order[:held_out] if not seen.reject(found[path])]
    train = [path for path in order[held_out:] if not seen.reject(found[path])]
    return Repository({path: found[path] for path in train}, {path: found[path] for path in fresh})


def _paths(folder: Path) -> list[str]:
    """The files that git tracks; without git, all but those in hidden folders and folders of builds."""
    try:
        listed = subprocess.run(["git", "-C", str(folder), "ls-files", "-z"], capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        listed = b""
    return sorted(os.fsdecode(path) for path in listed.split(b"\0") if path) or sorted(_walk(folder))


def _walk(folder: Path) -> Iterator[str]:
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in _LEFT_OUT_FOLDERS and not name.startswith(".")]
        yield from ((Path(place) / name).relative_to(folder).as_posix() for name in files)


def _text(folder: Path, path: str) -> str | None:
    """The text of a file that is worth training on, or None."""
    file = folder / path
    if file.suffix not in _SOURCE or rejected_by_path(path) or _HIDDEN_OR_SECRET.search(path):
        return None
    try:
        if file.is_symlink() or not file.is_file() or file.stat().st_size > MAX_BYTES:
            return None
        text = clean(file.read_bytes())
    except OSError:  # deleted but still tracked, or not ours to read
        return None
    return None if rejected_by_text(text, python=file.suffix in _PYTHON) or _SECRET.search(text) else text


def _stream(name: str, texts: Texts, bpe: Bpe) -> Stream:
    ids = list(_ids(texts.values(), bpe))
    if len(ids) < LEAST_TOKENS[name]:
        raise TrainingError(
            f"too little code: {len(texts)} {name} files with {len(ids):,} tokens, at least "
            f"{LEAST_TOKENS[name]:,} are needed"
        )
    return Stream([torch.tensor(ids, dtype=torch.int32)], bpe)


def _ids(texts: Iterable[str], bpe: Bpe) -> Iterator[int]:
    for text in texts:
        yield from (BOS, *bpe.encode(text), EOS)
