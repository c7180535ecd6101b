"""The default model's tokenizer in plain Python, for short pieces of text while training.

Training runs where `tokenizers` is not installed. The answers are those of `tokenizers` but for text that Python's
regular expressions class otherwise: combining marks, numerals that are no decimal digits (`²`, `Ⅷ`), and the
separators U+001C to U+001F. Nothing is lost there either, only cut at other places.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

PAD, EOS, BOS, END_OF_GAP, MASK, SUFFIX, MIDDLE = range(7)
SPECIAL_TOKENS = ("<pad>", "<eos>", "<bos>", "<end_of_gap>", "<mask>", *(f"<reserved_{i}>" for i in range(5, 16)))
DEFAULT_PATH = Path(__file__).parent.parent / "default_model" / "tokenizer.json"

_PRE_TOKEN = re.compile(
    "|".join(
        (
            r"\r?\n[ \t]*",
            r" ?_*[^\W\d_]+",
            r" ?\d",
            r" ?_+",
            r" ?[^\s\w]+",
            r"[^\S\r\n]+(?!\S)",
            r"\s",
        )
    )
)
_CACHED_WORDS = 1 << 16
_PRINTABLE = [*range(33, 127), *range(161, 173), *range(174, 256)]
_OTHERS = [b for b in range(256) if b not in set(_PRINTABLE)]
_CHARACTER_OF = {**{b: chr(b) for b in _PRINTABLE}, **{b: chr(256 + i) for i, b in enumerate(_OTHERS)}}
_BYTE_OF = {c: b for b, c in _CHARACTER_OF.items()}  # GPT-2's printable stand-ins for bytes


class Bpe:
    """A tokenizer.json of ours: text to ids, ids to bytes."""

    def __init__(self, path: Path = DEFAULT_PATH) -> None:
        model = json.loads(path.read_text("utf-8"))["model"]
        self.vocabulary: dict[str, int] = model["vocab"]
        self.ranks = {(left, right): rank for rank, (left, right) in enumerate(model["merges"])}
        self.bytes_of = [b""] * len(self.vocabulary)
        for token, index in self.vocabulary.items():
            if index >= len(SPECIAL_TOKENS):
                self.bytes_of[index] = bytes(_BYTE_OF[c] for c in token)
        self._word = lru_cache(_CACHED_WORDS)(self._merge)

    def encode(self, text: str) -> list[int]:
        """Token ids of a text; never a special token."""
        return [index for word in _PRE_TOKEN.findall(text) for index in self._word(word)]

    def _merge(self, word: str) -> tuple[int, ...]:
        """The ids of one pre-token: its bytes, of which the pair that was learnt first is merged until none is left."""
        parts = [_CHARACTER_OF[b] for b in word.encode()]
        while len(parts) > 1:
            pairs = list(pairwise(parts))
            best = min(pairs, key=lambda pair: self.ranks.get(pair, len(self.ranks)))
            if best not in self.ranks:
                break
            merged: list[str] = []
            for part in parts:
                if merged and (merged[-1], part) == best:
                    merged[-1] += part
                else:
                    merged.append(part)
            parts = merged
        return tuple(self.vocabulary[part] for part in parts)
