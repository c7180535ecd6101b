"""The tokenizer built from a GGUF file cuts text as transformers' conversion of the same file does."""

from __future__ import annotations

import os
import random
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, normalizers
from transformers import AutoTokenizer

from engine.weights.gguf import GGUFFile
from tests.engine.weights.gguf_files import (
    PLAIN,
    SPECIAL,
    USER_DEFINED,
    byte_level_metadata,
    gguf_tensors,
    metadata,
    network,
    sentencepiece_metadata,
    write_gguf,
)

REAL = Path("qwen2.5-coder-0.5b", "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf")
CODE = (
    "def add(a, b):\n    return a + b\n",
    "for (int i = 0; i < n; ++i) {\n\tx[i] += 1;\n}\n",
    "import numpy as np\r\n\r\n",
    "self._cache",
    "x've'LL't",
    "// TODO: naïve",
    '"""Returns the sum."""',
    "fn main() -> Result<(), Box<dyn Error>>",
)
CHARACTERS = "äßéñ中文字日本語한국어русскийالعربيةहिन्दी🙂👩‍👩‍👧\u0301\u0338\u00a0\u3000\u2028ﬁ①²Å\x00\x7f"


def random_text(draw: random.Random) -> str:
    """Returns code, unicode, runs of whitespace, digits and spellings of special tokens, one after another."""
    kinds: tuple[Callable[[], str], ...] = (
        lambda: draw.choice(CODE),
        lambda: "".join(draw.choices(CHARACTERS, k=draw.randint(1, 8))),
        lambda: chr(draw.choice([draw.randint(0, 0xD7FF), draw.randint(0xE000, 0x10FFFF)])),
        lambda: "".join(draw.choices(" \t\n\r", k=draw.randint(1, 12))),
        lambda: "".join(draw.choices("0123456789_.xe", k=draw.randint(1, 12))),
        lambda: draw.choice([*SPECIAL, *PLAIN, "<s>", "</s>", "<unk>", "<0x41>", "<|fim_", "|>", "▁"]),
        lambda: "".join(draw.choices("abcdefXYZ (){}[]<>;:,.!=+-*/'\"#@", k=draw.randint(1, 16))),
    )
    return "".join(draw.choice(kinds)() for _ in range(draw.randint(0, 8)))


@pytest.fixture(scope="module")
def texts() -> list[str]:
    draw = random.Random(11)
    return [random_text(draw) for _ in range(10_000)]


def ids(tokenizer: Tokenizer, texts: list[str]) -> list[list[int]]:
    return [encoding.ids for encoding in tokenizer.encode_batch(texts)]


def of_transformers(path: Path) -> Tokenizer:
    tokenizer: Tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name).backend_tokenizer
    return tokenizer


def written(path: Path, values: dict[str, Any], architecture: str = "llama") -> Path:
    """Writes a model whose vocabulary is that of `values`."""
    tensors = gguf_tensors(network(architecture), architecture)
    rows, hidden = len(values["tokenizer.ggml.tokens"]), tensors["token_embd.weight"].shape[1]
    tensors["token_embd.weight"] = torch.zeros(rows, hidden)
    own = dict.fromkeys(key for key in metadata(architecture) if key.startswith("tokenizer."))
    return write_gguf(path, tensors, architecture, own | values)


def assert_same(ours: Tokenizer, theirs: Tokenizer, texts: list[str]) -> None:
    """Compares the ids of all texts, and what the ids are decoded to."""
    found, expected = ids(ours, texts), ids(theirs, texts)
    assert found == expected
    assert ours.decode_batch(found, False) == theirs.decode_batch(expected, False)
    assert ours.decode_batch(found, True) == theirs.decode_batch(expected, True)
    assert ours.get_vocab() == theirs.get_vocab()


def assert_same_as_qwen2(ours: Tokenizer, theirs: Tokenizer, texts: list[str]) -> None:
    """Compares with transformers' conversion, which forgets that Qwen's own tokenizer composes characters (NFC)."""
    composed = [text for text in texts if unicodedata.is_normalized("NFC", text)]
    assert ids(ours, composed) == ids(theirs, composed)
    theirs.normalizer = normalizers.NFC()
    assert_same(ours, theirs, texts)


def test_tokenizer_of_qwen2(tmp_path: Path, texts: list[str]) -> None:
    path = written(tmp_path / "model.gguf", byte_level_metadata("qwen2"), "qwen2")

    assert_same_as_qwen2(GGUFFile(path).tokenizer(), of_transformers(path), texts)


def test_tokenizer_of_llama_3(tmp_path: Path, texts: list[str]) -> None:
    path = written(tmp_path / "model.gguf", byte_level_metadata("llama-bpe") | {"tokenizer.ggml.add_bos_token": True})

    assert_same(GGUFFile(path).tokenizer(), of_transformers(path), texts)


def test_tokenizer_of_llama_2(tmp_path: Path, texts: list[str]) -> None:
    path = written(tmp_path / "model.gguf", sentencepiece_metadata())

    assert_same(GGUFFile(path).tokenizer(), of_transformers(path), texts)


def test_tokenizer_of_llama_2_without_a_space_before_the_text(tmp_path: Path) -> None:
    values = sentencepiece_metadata() | {"tokenizer.ggml.add_space_prefix": False}
    tokenizer = GGUFFile(written(tmp_path / "model.gguf", values)).tokenizer()

    encoding = tokenizer.encode("import os", add_special_tokens=False)

    assert not encoding.tokens[0].startswith("▁")
    assert tokenizer.decode(encoding.ids) == "import os"


def test_special_tokens_are_kept_whole_and_decoded_only_on_demand(tmp_path: Path) -> None:
    values = byte_level_metadata("qwen2")
    tokenizer = GGUFFile(written(tmp_path / "model.gguf", values, "qwen2")).tokenizer()

    encoding = tokenizer.encode("a<|fim_middle|>b<tool_call>")

    assert encoding.tokens == ["a", "<|fim_middle|>", "b", "<tool_call>"]
    assert tokenizer.decode(encoding.ids) == "ab<tool_call>"
    assert tokenizer.decode(encoding.ids, skip_special_tokens=False) == "a<|fim_middle|>b<tool_call>"


def test_tokens_beyond_the_alphabet_of_bytes_are_kept_whole(tmp_path: Path) -> None:
    values = byte_level_metadata("qwen2")
    values["tokenizer.ggml.tokens"] = [*values["tokenizer.ggml.tokens"], "<｜hole▁here｜>"]
    values["tokenizer.ggml.token_type"] = [*values["tokenizer.ggml.token_type"], USER_DEFINED]
    tokenizer = GGUFFile(written(tmp_path / "model.gguf", values, "qwen2")).tokenizer()

    assert tokenizer.encode("a<｜hole▁here｜>").ids[1:] == [len(values["tokenizer.ggml.tokens"]) - 1]


@pytest.fixture(scope="module")
def real() -> Path:
    """The published file, where this machine has it."""
    named = os.environ.get("DG_MODEL_FILE")
    folder = Path(os.environ.get("DG_MODELS_DIR", Path.home() / ".cache" / "dg-lsp" / "models"))
    path = Path(named) if named else folder / REAL
    if not path.is_file():
        pytest.skip(f"{path} is missing; name the file in DG_MODEL_FILE")
    return path


@pytest.mark.timeout(600)  # transformers alone takes 15 seconds and more for this vocabulary
def test_tokenizer_of_the_published_model(real: Path, texts: list[str]) -> None:
    file = GGUFFile(real)
    tokenizer = file.tokenizer()

    assert tokenizer.get_vocab_size() == file.config()["vocab_size"] == 151_936
    marks = ("<|endoftext|>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|repo_name|>", "<|file_sep|>")
    assert [tokenizer.token_to_id(mark) for mark in marks] == [151_643, 151_659, 151_660, 151_661, 151_663, 151_664]
    assert_same_as_qwen2(tokenizer, of_transformers(real), texts)
