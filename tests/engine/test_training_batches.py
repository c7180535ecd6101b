"""What the network is shown: plain-Python tokens, rows, holes and noise."""

from __future__ import annotations

import string
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from engine.training.batches import Batch, Batches, Recipe
from engine.training.bpe import BOS, END_OF_GAP, MASK, MIDDLE, SPECIAL_TOKENS, SUFFIX, Bpe
from engine.training.data import CANVAS, GAP_SIZES, HEAD, Holes, causal_batch, infill_batch
from engine.training.shards import ROW, Shards
from engine.training.tokenizer import load

ROOT = Path(__file__).parent.parent.parent
BPE, CODE = Bpe(), load()


def tensors(batch: Batch) -> list[torch.Tensor]:
    assert batch.causal is not None
    assert batch.ids is not None
    assert batch.canvases is not None
    return [batch.causal, batch.ids, batch.canvases.clean, batch.canvases.noisy]


def text_of(ids: list[int]) -> str:
    return b"".join(BPE.bytes_of[i] for i in ids).decode(errors="ignore")


@pytest.mark.parametrize("folder", ["engine", "tests", "fixtures"])
def test_real_code_gets_the_same_tokens_as_from_tokenizers(folder: str) -> None:
    for path in (ROOT / folder).rglob("*.*"):
        if (
            path.suffix in (".py", ".ts", ".tsx", ".go", ".rs", ".cpp", ".md", ".json")
            and path.stat().st_size < 200_000
        ):
            text = path.read_bytes().decode()
            assert BPE.encode(text) == CODE.encode(text).ids, path


@given(st.text(string.printable + "äéßЖ中日🙂—…“”\u2028\u00a0\u3000"))
@example("a\r\n\t\tb \n\n  __init__   x=10_000\r")
def test_any_usual_text_gets_the_same_tokens(text: str) -> None:
    assert BPE.encode(text) == CODE.encode(text).ids


@given(st.text())
@example("".join(SPECIAL_TOKENS))
@example("e\u0301 x² Ⅷ \x1c")  # cut at other places
def test_nothing_is_lost_of_any_text(text: str) -> None:
    ids = BPE.encode(text)
    assert text_of(ids) == text
    assert min(ids, default=16) >= len(SPECIAL_TOKENS)


def test_a_batch_depends_on_seed_and_step_alone_whoever_makes_it(corpus: Path) -> None:
    recipe = Recipe(seed=3, rows=2, holes=Holes(per_row=4), causal_rows=1)
    here = Batches(corpus, "train", recipe)
    for step, made in enumerate(here.ahead(range(2, 5), workers=2, pinned=False), 2):
        assert all(map(torch.equal, tensors(made), tensors(here[step])))
        assert made.conditioned == here[step].conditioned
    for other in (here[3], Batches(corpus, "train", replace(recipe, seed=4))[2]):
        assert not any(map(torch.equal, tensors(other), tensors(here[2])))


def test_a_canvas_reads_as_the_text_of_its_row(corpus: Path) -> None:
    shards = Shards(corpus, "train")
    random, noise = Random(1), torch.Generator().manual_seed(1)
    ids, canvases = infill_batch(shards, random, noise, rows=8, holes=Holes(per_row=6))
    free = torch.zeros(canvases.clean.numel(), dtype=torch.bool)
    free[canvases.slots] = True
    for row, cleans, gaps, starts in zip(
        ids, canvases.clean, free.view_as(canvases.clean), canvases.starts, strict=True
    ):
        for clean, gap, start in zip(cleans, gaps, starts, strict=True):
            assert gap.sum() in GAP_SIZES
            first = int(gap.nonzero()[0])
            assert first <= HEAD
            middle = [i for i in clean[gap].tolist() if i != END_OF_GAP]
            assert len(middle) < gap.sum()
            canvas = [*clean[:first].tolist(), *middle, *clean[~gap].tolist()[first:]]
            shown = text_of([i for i in (*row[: int(start)].tolist(), *canvas) if i >= len(SPECIAL_TOKENS)])
            whole = text_of([i for i in row.tolist() if i >= len(SPECIAL_TOKENS)])
            assert whole.startswith(shown) or shown.startswith(whole)


@pytest.mark.parametrize("kind", ["mask", "uniform"])
def test_noise_is_in_the_free_slots_alone_and_of_its_kind(kind: str, corpus: Path) -> None:
    holes = Holes(noise="uniform" if kind == "uniform" else "mask", level=1.0)
    _, canvases = infill_batch(Shards(corpus, "train"), Random(1), torch.Generator().manual_seed(1), 8, holes)
    noisy, clean = canvases.noisy.flatten(), canvases.clean.flatten()
    pinned = torch.ones(len(clean), dtype=torch.bool)
    pinned[canvases.slots] = False
    assert torch.equal(noisy[pinned], clean[pinned])
    if kind == "mask":
        assert set(noisy[canvases.slots].tolist()) == {MASK}
    else:
        assert len(set(noisy[canvases.slots].tolist())) > 500


def test_noise_turns_uniform_at_its_step(corpus: Path) -> None:
    batches = Batches(corpus, "train", Recipe(seed=0, rows=4, holes=Holes(), uniform_from=5))
    masks = [int((batch.canvases.noisy == MASK).sum()) for step in (4, 5) if (batch := batches[step]).canvases]
    assert masks[0] > 200
    assert masks[1] < 5


def test_rows_in_fill_in_the_middle_form_hold_the_same_text(corpus: Path) -> None:
    shards = Shards(corpus, "train")
    rows = causal_batch(shards, Random(2), rows=8, fim=1.0).tolist()
    middles = 0
    for row in rows:
        assert len(row) == ROW
        text, rest = "", row[1:]
        while SUFFIX in rest and END_OF_GAP in rest:
            start, middle, end = rest.index(SUFFIX), rest.index(MIDDLE), rest.index(END_OF_GAP)
            text += text_of([*rest[:start], *rest[middle + 1 : end], *rest[start + 1 : middle]])
            rest = rest[end + 1 :]
            middles += 1
        assert text in "".join(text_of(a.tolist()) for a in shards.arrays)
    assert middles > 8


def test_the_suffix_may_stand_before_the_prefix_too(corpus: Path) -> None:
    holes = Holes(per_row=1, suffix_first=True)
    ids, canvases = infill_batch(Shards(corpus, "train"), Random(1), torch.Generator(), 8, holes)
    for row, clean, start in zip(
        ids.tolist(), canvases.clean[:, 0].tolist(), canvases.starts[:, 0].tolist(), strict=True
    ):
        assert row[:2] == [BOS, SUFFIX]
        suffix = row[2 : row.index(MIDDLE)]
        assert start > row.index(MIDDLE)
        assert text_of(suffix[:8]) in text_of(clean)
        assert len(clean) == CANVAS
