"""The tokenizer of a checkpoint, as the layout and the drafts need it."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from functools import cached_property, lru_cache

import torch
from tokenizers import Tokenizer
from torch import Tensor

FENCE = "```"
_UNUSED = re.compile(r"\[PAD\d+\]")  # how GGUF files name ids that the vocabulary leaves free


class Tokens:
    """The tokenizer of a checkpoint, as the layout needs it."""

    def __init__(self, tokenizer: Tokenizer, stop_ids: tuple[int, ...]) -> None:
        tokenizer.encode_special_tokens = True  # a literal "<mask>" in the user's code is five characters
        self.tokenizer, self.stop_ids = tokenizer, stop_ids
        self.bos = self.id_of("<bos>")
        self.encode_kept = lru_cache(maxsize=16)(self.encode)  # for the same long text at every keystroke
        self.spelling = lru_cache(maxsize=256)(self._spelling)

    def id_of(self, token: str) -> int | None:
        """The id of a special token; None when the vocabulary lacks it."""
        found: int | None = self.tokenizer.token_to_id(token)
        return found

    @cached_property
    def pieces(self) -> list[str]:
        """The text of every token, by id; empty for one that stands for no text."""
        size = self.tokenizer.get_vocab_size()
        pieces = self.tokenizer.decode_batch([[i] for i in range(size)], skip_special_tokens=True)
        return ["" if _UNUSED.fullmatch(piece) else piece for piece in pieces]

    @cached_property
    def special_ids(self) -> list[int]:
        """The tokens that stand for no text."""
        return [i for i, piece in enumerate(self.pieces) if not piece]

    @cached_property
    def newline_ids(self) -> list[int]:
        """The tokens that end a line: those whose text begins with a newline, blanks aside."""
        return [i for i, piece in enumerate(self.pieces) if piece.lstrip(" \t").startswith("\n")]

    @cached_property
    def fence_ids(self) -> list[int]:
        """The tokens that may begin a code fence's end."""
        return [i for i, piece in enumerate(self.pieces) if piece.startswith(FENCE)]

    @cached_property
    def _by_text(self) -> tuple[list[str], list[int]]:
        """The texts of all tokens that have one, in order, and their ids."""
        ordered = sorted((piece, i) for i, piece in enumerate(self.pieces) if piece)
        return [piece for piece, _ in ordered], [i for _, i in ordered]

    def prepare(self) -> None:
        """Build the tables now rather than in the first request."""
        _ = self.special_ids, self.newline_ids, self._by_text

    def encode(self, text: str) -> list[int]:
        """The ids of plain text; never a special token."""
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def _spelling(self, text: str) -> Tensor:
        """The ids, int64 [N], whose text starts with `text`, or is a beginning of it."""
        beginnings = torch.tensor(self.beginnings(text[:-1]), dtype=torch.long)
        return torch.cat([self.starting_with(text), beginnings])

    def starting_with(self, text: str) -> Tensor:
        """The ids, int64 [N], whose text starts with `text`."""
        texts, ids = self._by_text
        places = range(bisect_left(texts, text), bisect_right(texts, text, key=lambda piece: piece[: len(text)]))
        return torch.tensor([ids[place] for place in places], dtype=torch.long)

    def beginnings(self, text: str) -> list[int]:
        """The ids whose text is a beginning of `text`, or all of it."""
        texts, ids = self._by_text
        places = (range(bisect_left(texts, text[:n]), bisect_right(texts, text[:n])) for n in range(1, len(text) + 1))
        return [ids[place] for some in places for place in some]

    def decode(self, ids: list[int]) -> str:
        """The text of ids; special tokens are left out."""
        return str(self.tokenizer.decode(ids, skip_special_tokens=True))
