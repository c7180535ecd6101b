"""The default model's tokenizer: byte-level BPE made for code, lossless on any text.

One pre-token is a newline with the indentation after it, a word with the space or underscores before it, one digit, or
a run of punctuation. Merges never cross pre-tokens, so an indentation depth is one token and a number is its digits.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from engine.training.bpe import BOS, DEFAULT_PATH, END_OF_GAP, EOS, MASK, MIDDLE, PAD, SPECIAL_TOKENS, SUFFIX

__all__ = [
    "BOS",
    "DEFAULT_PATH",
    "END_OF_GAP",
    "EOS",
    "MASK",
    "MIDDLE",
    "PAD",
    "SPECIAL_TOKENS",
    "SUFFIX",
    "load",
    "train",
]

VOCABULARY_SIZE = 8192

_PRE_TOKEN = "|".join(
    (
        r"\r?\n[ \t]*",
        r" ?_*[\p{L}\p{M}]+",
        r" ?\p{N}",
        r" ?_+",
        r" ?[^\s\p{L}\p{M}\p{N}_]+",
        r"[^\S\r\n]+(?!\S)",
        r"\s",
    )
)


def train(texts: Iterable[str]) -> Tokenizer:
    """Train on texts; the special tokens take the first ids, in the order of `SPECIAL_TOKENS`."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PRE_TOKEN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY_SIZE,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return as_plain_text(tokenizer)


def as_plain_text(tokenizer: Tokenizer) -> Tokenizer:
    """Make encoding read a literal `<mask>` in a text as five characters and not as the special token.

    `tokenizers` does not save this switch in tokenizer.json: set it after every load.
    """
    tokenizer.encode_special_tokens = True
    return tokenizer


def load(path: Path = DEFAULT_PATH) -> Tokenizer:
    """Load a tokenizer.json; encoding never answers with a special token, whatever the text."""
    return as_plain_text(Tokenizer.from_file(str(path)))
