"""What a step trains on: rows of text, and holes cut from them; a batch depends on seed and step alone."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from engine.training.bpe import END_OF_GAP, EOS, MASK, MIDDLE, PAD, SUFFIX
from engine.training.shards import ROW, Stream

VOCABULARY = 8192
CANVAS = 64
HEAD = 16  # at most this many tokens of the line before the cursor are pinned in the canvas
GAP_SIZES = (8, 16, 24, 32)
SUFFIX_CHARACTERS = 240
FIM_SUFFIX = (8, 48)  # tokens of suffix shown before a middle in fill-in-the-middle form
FIM_SKIP = (8, 160)  # tokens of plain text between two such middles

NoiseKind = Literal["mask", "uniform"]


class CanvasBatch(NamedTuple):
    """G canvases for each of B rows of text.

    `clean` and `noisy` ids [B, G, C]; `real` bool [B, G, C], False on padding; `starts` [B, G], how many of the
    row's tokens come before the canvas; `slots` [N], where in the flat canvases the free slots are, and their
    loss weights `weights` [N].
    """

    clean: Tensor
    noisy: Tensor
    real: Tensor
    starts: Tensor
    slots: Tensor
    weights: Tensor


@dataclass(frozen=True, slots=True)
class Holes:
    """How canvases are made: how many to a row, what hides the middle, and what its padding weighs in the loss."""

    per_row: int = 10
    noise: NoiseKind = "mask"
    padding_weight: float = 0.05  # of the end-of-gap tokens after the first
    suffix_first: bool = False  # the suffix also in the row, before the prefix (then one hole to a row)
    level: float | None = None  # the share of the slots that is noise; None: drawn for each canvas


@dataclass(frozen=True, slots=True)
class _Canvas:
    """One canvas: head, gap, suffix, padding; `start` is how many tokens of the row come before it."""

    clean: list[int]
    first_slot: int
    weights: list[float]  # of the free slots
    padding: int
    start: int
    suffix: list[int]


def causal_batch(shards: Stream, random: Random, rows: int, fim: float) -> Tensor:
    """Token ids [rows, ROW]; a share `fim` of the rows in fill-in-the-middle form."""
    drawn = [shards.row(random) for _ in range(rows)]
    drawn = [_fim_form(shards, row, random) if random.random() < fim else row for row in drawn]
    return torch.tensor([row[:ROW] for row in drawn])


def _fim_form(shards: Stream, row: list[int], random: Random) -> list[int]:
    """The row with a few places written as `<suffix> what follows <middle> the line up to there <end of gap>`.

    The middle starts with its line, so that one form serves every cursor on that line.
    """
    out: list[int] = []
    done = 0
    while done < ROW:
        line = next(shards.lines(row, min(done + random.randrange(*FIM_SKIP), len(row)), len(row)), len(row))
        permuted = _permuted(shards, row[line:], random) if line < ROW else None
        out += row[done:line]
        done = line
        if permuted:
            ids, used = permuted
            out += ids
            done += used
    return out + row[done:]


def _permuted(shards: Stream, ids: list[int], random: Random) -> tuple[list[int], int] | None:
    """The text of ids in fill-in-the-middle form, and how many of the ids it stands for."""
    text, _ = shards.text(ids)
    cut = _cut_line(text, random)
    if cut is None:
        return None
    middle, data = text[: cut[1]], text.encode()
    ends = list(accumulate(len(shards.bytes_of[i]) for i in ids))
    last = bisect_left(ends, len(middle.encode())) + random.randrange(*FIM_SUFFIX)  # the last token of the suffix
    if last >= len(ids) or ends[last] > len(data):
        return None
    suffix = data[len(middle.encode()) : ends[last]].decode(errors="ignore")
    return [SUFFIX, *shards.bpe.encode(suffix), MIDDLE, *shards.bpe.encode(middle), END_OF_GAP], last + 1


def infill_batch(
    shards: Stream, random: Random, noise: torch.Generator, rows: int, holes: Holes
) -> tuple[Tensor, CanvasBatch]:
    """Token ids [rows, ROW] and `holes.per_row` canvases for each; rows are longer with the suffix before them."""
    ids: list[list[int]] = []
    canvases: list[_Canvas] = []
    while len(ids) < rows:
        row = shards.row(random)
        found = list(_canvases(shards, row, random, holes))
        if len(found) == holes.per_row:
            before = [SUFFIX, *found[0].suffix, MIDDLE] if holes.suffix_first else []
            ids.append([row[0], *before, *row[1:]][: ROW + (FIM_SUFFIX[1] + 2 if holes.suffix_first else 0)])
            canvases += found
    shape = (rows, holes.per_row, CANVAS)
    clean = torch.tensor([canvas.clean for canvas in canvases])
    slots = torch.tensor(
        [i * CANVAS + canvas.first_slot + j for i, canvas in enumerate(canvases) for j in range(len(canvas.weights))]
    )
    batch = CanvasBatch(
        clean=clean.view(shape),
        noisy=noised(clean, slots, holes, noise).view(shape),
        real=torch.tensor([[True] * (CANVAS - c.padding) + [False] * c.padding for c in canvases]).view(shape),
        starts=torch.tensor([c.start for c in canvases]).view(shape[:2]),
        slots=slots,
        weights=torch.tensor([weight for c in canvases for weight in c.weights]),
    )
    return torch.tensor(ids), batch


def noised(clean: Tensor, slots: Tensor, holes: Holes, random: torch.Generator) -> Tensor:
    """Canvases [N, C] with noise in their slots, at a level drawn for each canvas (1 for three in ten)."""
    drawn = torch.rand(len(clean), 1, generator=random)
    level = torch.where(torch.rand(len(clean), 1, generator=random) < 0.3, 1.0, drawn)
    if holes.level is not None:
        level = torch.full_like(level, holes.level)
    gap = torch.zeros(clean.numel(), dtype=torch.bool).index_fill(0, slots, True).view_as(clean)
    hidden = gap & (torch.rand(clean.shape, generator=random) < level)
    noise = torch.randint(VOCABULARY, clean.shape, generator=random)
    return torch.where(hidden, MASK if holes.noise == "mask" else noise, clean)


def _canvases(shards: Stream, row: list[int], random: Random, holes: Holes) -> Iterator[_Canvas]:
    """Up to `holes.per_row` canvases cut from random lines of the row."""
    lines = [*shards.lines(row, 8, ROW - 24)] * 2
    random.shuffle(lines)
    found = 0
    for line in lines:
        canvas = _canvas(shards, row, line, random, holes)
        if canvas:
            yield canvas
            found += 1
            if found == holes.per_row:
                return


def _canvas(shards: Stream, row: list[int], line: int, random: Random, holes: Holes) -> _Canvas | None:
    """A hole in the line that starts at token `line`, laid out; None where nothing fits or there is no code to cut."""
    text, ended = shards.text(row[line:])
    cut = _cut_line(text, random)
    if cut is None:
        return None
    head, middle = shards.bpe.encode(text[: cut[0]]), shards.bpe.encode(text[cut[0] : cut[1]])
    extra = max(0, len(head) - HEAD)  # these stay in the row
    sizes = [size for size in GAP_SIZES if size > len(middle)]
    if not sizes or row[line : line + extra] != head[:extra]:
        return None
    head, size = head[extra:], random.choice(sizes)
    suffix: list[int] = [EOS]
    if random.random() < 0.9:
        rest = text[cut[1] :]
        suffix = shards.bpe.encode(rest[:SUFFIX_CHARACTERS])
        if ended and len(rest) <= SUFFIX_CHARACTERS:
            suffix.append(EOS)  # the end of the document is in sight
    pinned = suffix[: CANVAS - len(head) - size]
    padding = CANVAS - len(head) - size - len(pinned)
    clean = [*head, *middle, *[END_OF_GAP] * (size - len(middle)), *pinned, *[PAD] * padding]
    weights = [1.0] * (len(middle) + 1) + [holes.padding_weight] * (size - len(middle) - 1)
    shown = suffix[: FIM_SUFFIX[1]]
    start = line + extra + (len(shown) + 2 if holes.suffix_first else 0)
    return _Canvas(clean, len(head), weights, padding, start, shown)


def _cut_line(text: str, random: Random) -> tuple[int, int] | None:
    """Start and end of a hole in the line with which a text starts (with its newline); None: no code to cut."""
    ends = [len(text)] if (end := text.find("\n", 1)) < 0 else [end]
    while len(ends) < 5 and (end := text.find("\n", ends[-1] + 1)) >= 0:
        ends.append(end)
    code = ends[0] - len(text[: ends[0]].lstrip())  # newline and indentation
    return None if ends[0] - code < 3 else _cut(code, ends, random)


def _cut(code: int, ends: list[int], random: Random) -> tuple[int, int]:
    """Where a hole starts and ends, in characters from the line's newline; `ends`: where this and later lines end."""
    start = random.randrange(code, ends[0])
    (kind,) = random.choices(["rest", "span", "line", "lines", "empty"], [0.38, 0.25, 0.11, 0.16, 0.10])
    if kind == "rest":
        return start, ends[0]
    if kind == "span":
        return start, random.randrange(start + 1, ends[0] + 1)
    if kind == "line":
        return code, ends[0]
    if kind == "lines":
        return (code if random.random() < 0.5 else start), random.choice(ends[1:] or ends)
    start = ends[0] if random.random() < 0.5 else start
    return start, start
