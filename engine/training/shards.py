"""Tokens read as one long stream of rows: those of a corpus's shards, or any others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

from safetensors import safe_open
from torch import Tensor

from engine.training.bpe import BOS, SPECIAL_TOKENS, Bpe
from engine.training.packages import CorpusError, Split

ROW = 448  # tokens of context in a row
TAIL = 160  # tokens behind a row, for suffixes
_SEEK = 64  # tokens in which a row looks for a line to start at
_LOOK = 240  # tokens that hold any hole with its suffix


class Stream:
    """Documents as arrays of token ids, and what the sampling of holes asks of their tokens."""

    def __init__(self, arrays: list[Tensor], bpe: Bpe) -> None:
        self.arrays, self.bpe = arrays, bpe
        self.sizes = [max(0, len(array) - ROW - TAIL - _SEEK) for array in arrays]
        self.bytes_of = bpe.bytes_of
        self.is_newline = [b.startswith((b"\n", b"\r\n")) for b in self.bytes_of]

    def row(self, random: Random) -> list[int]:
        """ROW + TAIL token ids: `<bos>`, then a text that starts at a line (or a document)."""
        array = random.choices(self.arrays, self.sizes)[0]
        start = random.randrange(len(array) - ROW - TAIL - _SEEK)
        window: list[int] = array[start : start + _SEEK + ROW + TAIL].tolist()
        skip = next(self.lines(window, 0, _SEEK), 0)
        return [BOS, *window[skip : skip + ROW + TAIL - 1]]

    def lines(self, ids: Sequence[int], start: int, end: int) -> Iterator[int]:
        """Where in ids[start:end] a line starts: the index of its newline."""
        return (i for i in range(start, end) if self.is_newline[ids[i]])

    def text(self, ids: Sequence[int]) -> tuple[str, bool]:
        """The text of ids up to the first special token, as far as a hole reaches, and whether it ends there."""
        ids = ids[:_LOOK]
        end = next((i for i, token in enumerate(ids) if token < len(SPECIAL_TOKENS)), len(ids))
        text = b"".join(self.bytes_of[i] for i in ids[:end]).decode(errors="ignore")  # a last character cut in two
        return text, end < len(ids)


class Shards(Stream):
    """The shards of one split, mapped into memory."""

    def __init__(self, folder: Path, split: Split) -> None:
        super().__init__([_ids(path) for path in sorted(folder.glob(f"{split}_*.safetensors"))], Bpe())
        if not any(self.sizes):
            raise CorpusError(f"{folder} has no {split}_*.safetensors: build the corpus first (make corpus)")


def _ids(path: Path) -> Tensor:
    with safe_open(path, framework="pt") as file:
        ids: Tensor = file.get_tensor("ids")
        return ids
