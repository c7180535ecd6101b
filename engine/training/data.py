"""Training rows and gaps, cut from token shards; the same seed and step always give the same batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from engine.training.objective import CanvasBatch
from engine.training.tokenizer import BOS, END_OF_GAP, EOS, MIDDLE, PAD, SPECIAL_TOKENS, SUFFIX

ROW = 448  # tokens of context in a row
TAIL = 160  # tokens behind a row, for suffixes
CANVAS = 64
HEAD = 16  # at most this many tokens of the line before the cursor are pinned in the canvas
GAP_SIZES = (8, 16, 24, 32)
SUFFIX_CHARACTERS = 240
FILL_WEIGHT = 0.05  # loss weight of the end-of-gap tokens after the first
FIM_SUFFIX = (8, 48)  # tokens of suffix shown before a middle in fill-in-the-middle form
FIM_SKIP = 160  # at most this many tokens of plain text between two such middles

_BYTE_OF = {
    c: b
    for b, c in zip(
        [*range(33, 127), *range(161, 173), *range(174, 256), *range(33), *range(127, 161), 173],
        [*map(chr, [*range(33, 127), *range(161, 173), *range(174, 256), *range(256, 256 + 68)])],
        strict=True,
    )
}  # GPT-2's printable stand-ins for bytes


@dataclass(frozen=True, slots=True)
class Gap:
    """One hole: the text of its line before it, what belongs in it, what follows."""

    line: int  # index in the row of the token that starts the line
    head: str
    middle: str
    suffix: str


class Shards:
    """Token shards of one split, read as if they were one long stream."""

    def __init__(self, folder: Path, split: str, tokenizer: Tokenizer) -> None:
        self.arrays = [np.load(path, mmap_mode="r") for path in sorted(folder.glob(f"{split}_*.npy"))]
        if not self.arrays:
            raise FileNotFoundError(f"{folder} has no {split}_*.npy: build the corpus first (make corpus)")
        self.sizes = np.array([max(0, len(a) - ROW - TAIL) for a in self.arrays], dtype=np.float64)
        self.tokenizer = tokenizer
        self.bytes_of = [_token_bytes(tokenizer, i) for i in range(tokenizer.get_vocab_size())]
        self.is_newline = np.array([b.startswith((b"\n", b"\r\n")) for b in self.bytes_of])

    def row(self, random: np.random.Generator) -> np.ndarray:
        """ROW + TAIL token ids: `<bos>`, then a text that starts at a line (or a document)."""
        array = self.arrays[random.choice(len(self.arrays), p=self.sizes / self.sizes.sum())]
        start = int(random.integers(0, len(array) - ROW - TAIL - 64))
        window = np.asarray(array[start : start + 64])
        lines = np.flatnonzero(self.is_newline[window])
        start += int(lines[0]) if len(lines) else 0
        return np.concatenate([[BOS], array[start : start + ROW + TAIL - 1]]).astype(np.int64)

    def causal_batch(self, seed: int, step: int, rows: int, fim: float = 0.0) -> Tensor:
        """Token ids [rows, ROW]; a share `fim` of the rows in fill-in-the-middle form."""
        random = np.random.default_rng((seed, step))
        drawn = [self.row(random) for _ in range(rows)]
        drawn = [self._fim_form(row, random) if random.random() < fim else row for row in drawn]
        return torch.from_numpy(np.stack([row[:ROW] for row in drawn]))

    def _fim_form(self, row: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """The row with a few places written as `<suffix> what follows <middle> the line up to there <end of gap>`.

        The middle starts with its line, so that one form serves every cursor on that line.
        """
        parts: list[np.ndarray] = []
        done = 0
        while done < ROW:
            skip = int(random.integers(8, FIM_SKIP))
            lines = np.flatnonzero(self.is_newline[row[done + skip :]])
            line = done + skip + int(lines[0]) if len(lines) else len(row)
            permuted = self._permuted(row, line, random) if line < ROW else None
            parts.append(row[done:line])
            done = line
            if permuted is not None:
                ids, done = permuted
                parts.append(ids)
        return np.concatenate([*parts, row[done:]])

    def _permuted(self, row: np.ndarray, line: int, random: np.random.Generator) -> tuple[np.ndarray, int] | None:
        """The text from token `line` on in fill-in-the-middle form, and the token up to which it reaches."""
        text = self._text(row[line:])
        cut = text and _cut_line(text, random)
        if not text or not cut:
            return None
        end, shown = cut[1], int(random.integers(*FIM_SUFFIX))
        lengths = np.cumsum([len(self.bytes_of[i]) for i in row[line:]])
        last = int(np.searchsorted(lengths, len(text[:end].encode()))) + shown  # the last token of the suffix
        if line + last >= len(row) or lengths[last] > len(text.encode()):
            return None
        suffix = text.encode()[len(text[:end].encode()) : lengths[last]].decode(errors="ignore")
        parts = self.tokenizer.encode_batch([suffix, text[:end]], add_special_tokens=False)
        ids = [SUFFIX, *parts[0].ids, MIDDLE, *parts[1].ids, END_OF_GAP]
        return np.array(ids, dtype=np.int64), line + last + 1

    def infill_batch(self, seed: int, step: int, rows: int, gaps: int) -> tuple[Tensor, CanvasBatch]:
        """Token ids [rows, ROW] and `gaps` canvases for each."""
        random = np.random.default_rng((seed, step))
        ids: list[Tensor] = []
        canvases = []
        while len(ids) < rows:
            row = self.row(random)
            found = list(self._canvases(row, random, gaps))
            if len(found) == gaps:
                ids.append(torch.from_numpy(row[:ROW]))
                canvases.append([torch.stack(parts) for parts in zip(*found, strict=True)])
        return torch.stack(ids), CanvasBatch(*(torch.stack(parts) for parts in zip(*canvases, strict=True)))

    def _canvases(self, row: np.ndarray, random: np.random.Generator, gaps: int) -> Iterator[tuple[Tensor, ...]]:
        """Up to `gaps` canvases cut from random lines of the row."""
        lines = np.flatnonzero(self.is_newline[row[:ROW]])
        lines = lines[(lines >= 8) & (lines < ROW - 24)]
        found = 0
        for line in random.permutation(np.repeat(lines, 2)):
            gap = self._gap(row, int(line), random)
            canvas = gap and self._canvas(row, gap, random)
            if canvas:
                yield canvas
                found += 1
                if found == gaps:
                    return

    def _gap(self, row: np.ndarray, line: int, random: np.random.Generator) -> Gap | None:
        """A hole in the line that starts at token `line`; None where there is no code to cut."""
        text = self._text(row[line:])
        cut = text and _cut_line(text, random)
        if not text or not cut:
            return None
        start, end = cut
        suffix = text[end : end + SUFFIX_CHARACTERS] if random.random() < 0.9 else ""
        return Gap(line, text[:start], text[start:end], suffix)

    def _text(self, ids: np.ndarray) -> str | None:
        """The text of ids up to the first special token; None where that is not whole characters."""
        specials = np.flatnonzero(ids < len(SPECIAL_TOKENS))
        ids = ids[: int(specials[0])] if len(specials) else ids
        try:
            return b"".join(self.bytes_of[i] for i in ids).decode("utf-8")
        except UnicodeDecodeError:
            return None

    def _canvas(self, row: np.ndarray, gap: Gap, random: np.random.Generator) -> tuple[Tensor, ...] | None:
        """clean, gap, weight, real [CANVAS] and the start; None when the middle is too long."""
        parts = self.tokenizer.encode_batch([gap.head, gap.middle, gap.suffix], add_special_tokens=False)
        head, middle, suffix = (part.ids for part in parts)
        extra = max(0, len(head) - HEAD)
        sizes = [size for size in GAP_SIZES if size > len(middle)]
        if not sizes or list(row[gap.line : gap.line + extra]) != head[:extra]:
            return None
        head, size = head[extra:], int(random.choice(sizes))
        if len(gap.suffix) < SUFFIX_CHARACTERS:
            suffix = [*suffix, EOS]  # the end of the document is in sight
        pinned = suffix[: CANVAS - len(head) - size]
        free = [*middle, *[END_OF_GAP] * (size - len(middle))]
        weight = [1.0] * (len(middle) + 1) + [FILL_WEIGHT] * (size - len(middle) - 1)
        padding = CANVAS - len(head) - size - len(pinned)
        clean = [*head, *free, *pinned, *[PAD] * padding]
        return (
            torch.tensor(clean),
            torch.tensor([False] * len(head) + [True] * size + [False] * (len(pinned) + padding)),
            torch.tensor([0.0] * len(head) + weight + [0.0] * (len(pinned) + padding)),
            torch.tensor([True] * (CANVAS - padding) + [False] * padding),
            torch.tensor(gap.line + extra),
        )


def _cut_line(text: str, random: np.random.Generator) -> tuple[int, int] | None:
    """Start and end of a hole in the line with which a text starts (with its newline); None: no code to cut."""
    ends = [*[i for i, c in enumerate(text) if c == "\n"][1:6], len(text)]
    code = len(text[: ends[0]]) - len(text[: ends[0]].lstrip())  # newline and indentation
    return None if ends[0] - code < 3 else _cut(code, ends, random)


def _cut(code: int, ends: list[int], random: np.random.Generator) -> tuple[int, int]:
    """Where a hole starts and ends, in characters from the line's newline; `ends`: where this and later lines end."""
    start = int(random.integers(code, ends[0]))
    kind = random.choice(["rest", "span", "line", "lines", "empty"], p=[0.38, 0.25, 0.11, 0.16, 0.10])
    if kind == "rest":
        return start, ends[0]
    if kind == "span":
        return start, int(random.integers(start + 1, ends[0] + 1))
    if kind == "line":
        return code, ends[0]
    if kind == "lines":
        return (code if random.random() < 0.5 else start), int(random.choice(ends[1:] or ends))
    start = ends[0] if random.random() < 0.5 else start
    return start, start


def noised(canvases: CanvasBatch, mask_id: int, random: torch.Generator) -> Tensor:
    """The canvases with noise in their gaps: masks, at a level t drawn per canvas (t = 1 for three in ten)."""
    b, g, c = canvases.clean.shape
    level = torch.where(torch.rand(b, g, 1, generator=random) < 0.3, 1.0, torch.rand(b, g, 1, generator=random))
    hidden = canvases.gap & (torch.rand(b, g, c, generator=random) < level)
    return torch.where(hidden, mask_id, canvases.clean)


def _token_bytes(tokenizer: Tokenizer, index: int) -> bytes:
    token = tokenizer.id_to_token(index) or ""
    return b"" if index < len(SPECIAL_TOKENS) else bytes(_BYTE_OF[c] for c in token)
