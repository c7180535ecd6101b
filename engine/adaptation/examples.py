"""Prompts in the product's form, cut from source files, and the blocks of mask rows that are trained behind them.

Everything drawn depends on the `Random` that is given alone, so a run that is cut into pieces sees the same batches.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from random import Random

import torch
from tokenizers import Tokenizer
from torch import Tensor

from engine.model.adapter import Canvas
from engine.training.store import TrainingError

PREFIX_TOKENS = (64, 128, 256, 384)  # at most, of the file before the cursor's line
SUFFIX_TOKENS = (0, 32, 96)
MIDDLE_CHARS = (60, 200, 500, 900)
MIDDLE_TOKENS = 256
WHOLE_LINES = 0.8  # share of the middles that end where a line ends
PINNED = 0.2  # share of the blocks in which some rows are known
_CHARS_A_TOKEN = 6  # more than code has: text to cut tokens from

Texts = dict[str, list[str]]  # by language


@dataclass(frozen=True)
class Example:
    """A prompt with the text that follows it."""

    ids: Tensor  # int64 [T]
    start: int  # index of the first token behind the prompt
    language: str


@dataclass(frozen=True)
class Blocks:
    """Mask rows at several anchors of one example; an anchor is the last token that its rows may know."""

    canvas: Canvas
    wanted: Tensor  # [W]: the rows that predict a token which they cannot see
    targets: Tensor  # [W]: the index in the text of the token that each of them predicts
    distances: Tensor  # [W]: from the anchor; 2 for the first row of a block
    pinned: Tensor  # bool [W]: in a block where some rows are known


class Prompts:
    """Writes prompts with one tokenizer's fill-in-the-middle tokens."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.prefix, self.suffix, self.middle, self.end = (
            _token(tokenizer, name) for name in ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|endoftext|>")
        )

    def encode(self, text: str) -> list[int]:
        """The tokens of plain text."""
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def prompt(self, prefix: list[int], suffix: list[int]) -> list[int]:
        """What stands before the line head and the middle."""
        return [self.prefix, *prefix, self.suffix, *suffix, self.middle]

    def example(self, text: str, language: str, random: Random) -> Example:
        """A hole drawn from a text. The cursor's line head stands behind the prompt, as part of what follows it."""
        cursor = random.randrange(len(text))
        head = text.rfind("\n", 0, cursor) + 1
        end = min(len(text), cursor + random.choice(MIDDLE_CHARS))
        if random.random() < WHOLE_LINES:
            newline = text.find("\n", end)
            end = newline if newline >= 0 else len(text)
        before, after = random.choice(PREFIX_TOKENS), random.choice(SUFFIX_TOKENS)
        from_char = max(0, head - before * _CHARS_A_TOKEN)
        prefix = self.encode(text[text.find("\n", from_char, head) + 1 if from_char else 0 : head])[-before:]
        suffix = self.encode(text[end : end + after * _CHARS_A_TOKEN])[:after]
        middle = [*self.encode(text[head:end]), self.end][:MIDDLE_TOKENS]
        prompt = self.prompt(prefix, suffix)
        return Example(torch.tensor([*prompt, *middle]), len(prompt), language)


def read_texts(path: Path) -> Texts:
    """The texts of a corpus file, by language. Raises `TrainingError`."""
    texts: Texts = defaultdict(list)
    try:
        with path.open(encoding="utf-8") as lines:
            for row in map(json.loads, lines):
                texts[row["language"]].append(row["text"])
    except FileNotFoundError:
        raise TrainingError(f"{path} is missing: build the corpus with python -m engine.adaptation.corpus") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"{path} is not a corpus: {error}; build it again") from None
    return dict(texts)


def blocks(example: Example, anchors: int, block: int, random: Random, pinned: float = PINNED) -> Blocks:
    """Blocks of rows at up to `anchors` drawn places behind the prompt; a share of them has known rows."""
    length = len(example.ids)
    places = range(example.start - 1, length - 2)  # the first row of the last one still has a token to predict
    chosen = sorted(random.sample(places, min(anchors, len(places))))
    anchor = torch.tensor(chosen).repeat_interleave(block)  # [R]
    offsets = torch.arange(block).repeat(len(chosen))
    positions = anchor + 1 + offsets
    is_mask = torch.tensor([mask for _ in chosen for mask in _masks(block, random, pinned)])
    is_mask |= positions >= length
    same_block = anchor[:, None] == anchor
    visible = torch.cat([torch.arange(length) <= anchor[:, None], same_block], dim=1)
    next_is_hidden = torch.cat([is_mask[1:], torch.tensor([True])]) | (offsets == block - 1)
    wanted = (is_mask & next_is_hidden & (positions + 1 < length)).nonzero()[:, 0]
    canvas = Canvas(example.ids[positions.clamp(max=length - 1)], is_mask, offsets, positions, visible)
    has_known = (~is_mask).view(-1, block).any(dim=1).repeat_interleave(block)
    return Blocks(canvas, wanted, positions[wanted] + 1, offsets[wanted] + 2, has_known[wanted])


def _masks(block: int, random: Random, pinned: float) -> list[bool]:
    """True for each row of a block that is a mask; never all known."""
    known = random.random() if random.random() < pinned else 0.0
    masks = [random.random() >= known for _ in range(block)]
    return masks if any(masks) else [True] * block


def _token(tokenizer: Tokenizer, name: str) -> int:
    token: int | None = tokenizer.token_to_id(name)
    if token is None:
        raise TrainingError(f"the model's tokenizer has no {name}: an adapter needs a model that fills in the middle")
    return token
