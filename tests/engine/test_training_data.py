"""The corpus filters and the default model's tokenizer."""

import gzip
import json
import string
import zipfile
from collections import Counter
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from safetensors.numpy import load_file

from engine.training import corpus, filters, packages, tokenizer

GOOD = "".join(
    f"def function_{word}(value):\n    return value + len('{word}')\n\n\n" for word in string.ascii_lowercase
)
CODE = tokenizer.load()
NO_BENCHMARK = filters.Benchmark([])


@pytest.mark.parametrize(
    "path", ["pkg/_vendor/six.py", "pkg/vendored/a.py", "app/migrations/0001.py", "conf/locale/de.py", "api/x_pb2.py"]
)
def test_vendored_generated_and_locale_paths_are_left_out(path: str) -> None:
    assert filters.rejected_by_path(path) == "path"


def test_ordinary_paths_stay() -> None:
    assert filters.rejected_by_path("pkg/vendors_of_goods.py") is None
    assert filters.rejected_by_path("pkg/sub/module.py") is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (GOOD, None),
        ("x = 1\n", "size"),
        (GOOD * 300, "size"),
        ("# Automatically generated, do not edit\n" + GOOD, "generated"),
        (GOOD + "x = '" + "y" * 400 + "'\n", "long line"),
        (GOOD + "# " + "é" * 60 + "\n", "non-ASCII"),
        ("x = [\n" + "    1, 2, 3, 4,\n" * 100 + "]\n", "few letters"),
        (GOOD + "def broken(:\n", "does not parse"),
        (GOOD + "x = '\0'\n", "does not parse"),
    ],
)
def test_texts_are_rejected_with_their_reason(text: str, reason: str | None) -> None:
    assert filters.rejected_by_text(text) == reason


def test_clean_takes_off_byte_order_mark_carriage_returns_and_licence() -> None:
    data = b"\xef\xbb\xbf# Copyright 2020 Somebody\r\n# All rights reserved.\r\n\r\nimport os\r\n"
    assert filters.clean(data) == "import os\n"


def test_clean_keeps_a_comment_that_is_no_licence() -> None:
    assert filters.clean(b"# Reads a file.\nimport os\n") == "# Reads a file.\nimport os\n"


def test_clean_answers_nothing_for_other_encodings() -> None:
    assert filters.clean(b"x = '\xff'\n") == ""


def test_a_text_whose_lines_were_mostly_seen_is_a_duplicate() -> None:
    seen = filters.NearDuplicates()
    assert seen.reject(GOOD) is None
    assert seen.reject(GOOD.replace("\n\n\n", "\n") + "one = 1\ntwo = 2\n") == "duplicate"
    assert seen.reject(GOOD.replace("value", "other")) is None


def test_accept_counts_what_it_drops() -> None:
    dropped: Counter[str] = Counter()
    sources = [("p/a.py", GOOD.encode()), ("p/b.py", GOOD.encode()), ("p/_vendor/c.py", GOOD.encode()), ("p/d.py", b"")]
    documents = corpus.accept("p", sources, NO_BENCHMARK, filters.NearDuplicates(), dropped)
    assert [d.text for d in documents] == [GOOD]
    assert dropped == {"duplicate": 1, "path": 1, "size": 1}


def test_thirteen_words_of_the_benchmark_are_an_overlap_and_twelve_are_none() -> None:
    benchmark = filters.Benchmark(
        ["def add_all(numbers):\n    # One two three, four: five six seven eight nine ten.\n"]
    )
    assert benchmark.shared("# DEF add_all numbers -- one/two/three four\nfive six seven eight nine ten") == {
        ("def", "add_all", "numbers", *["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"])
    }
    assert not benchmark.shared("add_all numbers one two three four five six seven eight nine ten")


def test_what_shares_words_with_the_benchmark_is_dropped_and_not_remembered_as_seen() -> None:
    dropped: Counter[str] = Counter()
    words = "one two three four five six seven eight nine ten eleven twelve thirteen"
    sources = [("p/a.py", f"{GOOD}# {words}\n".encode())]
    seen = filters.NearDuplicates()
    assert corpus.accept("p", sources, filters.Benchmark([words]), seen, dropped) == []
    assert dropped == {"benchmark": 1}
    assert seen.reject(GOOD) is None


def human_eval(folder: Path) -> Path:
    path = folder / "HumanEval.jsonl.gz"
    with gzip.open(path, "wt") as file:
        row = {"prompt": "def f(a, b, c):\n", "canonical_solution": "    return a + b * c - a - b - c + a + c\n"}
        file.write(json.dumps(row) + "\n")
    return path


def test_overlap_finds_in_the_shards_what_the_benchmark_has(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copied = "import os\n\ndef f(a, b, c):\n    return a + b * c - a - b - c + a\n"
    corpus.write_shards([corpus.Document("p", "a.py", t) for t in (GOOD, copied)], CODE, tmp_path, "train")
    corpus.write_shards([corpus.Document("q", "b.py", GOOD)], CODE, tmp_path, "held_out")
    corpus.write_shards([corpus.Document("r", "c.py", copied)], CODE, tmp_path, "calibration")
    corpus.overlap(tmp_path, corpus.read_benchmark(human_eval(tmp_path)))
    assert capsys.readouterr().out.splitlines() == [
        "train: 1 of 2 documents share 1 runs of 13 words",
        "     1 def f a b c return a b c a b c a",
        "held_out: 0 of 1 documents share 0 runs of 13 words",
        "calibration: 1 of 1 documents share 1 runs of 13 words",
        "     1 def f a b c return a b c a b c a",
    ]


@pytest.mark.parametrize(
    ("content", "message"), [(None, "is missing: get it"), (b"text", "cannot be read as HumanEval")]
)
def test_a_benchmark_that_cannot_be_read_is_reported(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "HumanEval.jsonl.gz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(packages.CorpusError, match=message):
        corpus.read_benchmark(path)


@pytest.mark.parametrize("there", [True, False])
def test_the_statistics_say_whether_the_files_were_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    document = corpus.Document("p", "a.py", GOOD)
    monkeypatch.setattr(corpus, "collect", lambda *_: {split: [document] for split in get_args(packages.Split)})
    benchmark = human_eval(tmp_path) if there else tmp_path / "absent"
    corpus.build(tmp_path, tmp_path, benchmark)
    said = json.loads((tmp_path / "stats.json").read_text())["benchmark"]
    assert said.startswith("sha256 ") if there else said == "not checked"


def test_wheel_tags_name_the_platform_of_the_pinned_file() -> None:
    assert packages.wheel_tags("a-1.0-py3-none-any.whl") == []
    options = packages.wheel_tags("a-1.0-cp311-abi3-manylinux2014_x86_64.manylinux_2_17_x86_64.whl")
    assert options[:6] == ["--implementation", "cp", "--python-version", "3.11", "--abi", "abi3"]
    assert options[6:] == ["--platform", "manylinux2014_x86_64", "--platform", "manylinux_2_17_x86_64"]


def wheel(folder: Path, licence: str) -> Path:
    path = folder / "a-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a-1.0.dist-info/METADATA", f"Name: a\nVersion: 1.0\nLicense-Expression: {licence}\n")
    return path


def test_a_wheel_is_described_by_its_metadata(tmp_path: Path) -> None:
    package = packages.describe(wheel(tmp_path, "MIT"), "train")
    assert (package.name, package.version, package.licence) == ("a", "1.0", "MIT")
    assert packages.fetch(package, tmp_path) == tmp_path / package.file


@pytest.mark.parametrize("licence", ["GPL-3.0-or-later", "LGPL-2.1-only", "MPL-2.0"])
def test_copyleft_is_refused(tmp_path: Path, licence: str) -> None:
    with pytest.raises(packages.CorpusError, match=licence):
        packages.describe(wheel(tmp_path, licence), "train")


def test_a_wheel_with_another_hash_is_refused(tmp_path: Path) -> None:
    file = wheel(tmp_path, "MIT").name
    package = packages.Package("a", "1.0", file, "0" * 64, "MIT", "train")
    with pytest.raises(packages.CorpusError, match="not what the manifest pins"):
        packages.fetch(package, tmp_path)


def test_the_manifest_pins_permissive_packages_of_each_split() -> None:
    pinned = packages.read_manifest()
    assert {p.split for p in pinned} == set(get_args(packages.Split))
    assert not [p for p in pinned if packages.COPYLEFT.search(p.licence) or len(p.sha256) != 64]
    assert len({p.name.lower() for p in pinned}) == len(pinned)


def test_shards_hold_each_document_between_bos_and_eos(tmp_path: Path) -> None:
    documents = [corpus.Document("p", f"{i}.py", text) for i, text in enumerate([GOOD, "import os\n"])]
    total = corpus.write_shards(documents, CODE, tmp_path, "train")
    ids = load_file(tmp_path / "train_00.safetensors")["ids"]
    assert ids.dtype == np.uint16
    assert len(ids) == total
    ends = np.flatnonzero(ids == tokenizer.EOS)
    assert list(np.flatnonzero(ids == tokenizer.BOS)) == [0, ends[0] + 1]
    assert CODE.decode(ids[ends[0] + 2 : ends[1]].tolist()) == "import os\n"


def test_special_tokens_have_the_first_ids() -> None:
    assert [CODE.token_to_id(token) for token in tokenizer.SPECIAL_TOKENS] == list(range(16))
    assert CODE.token_to_id("<mask>") == tokenizer.MASK
    assert CODE.get_vocab_size() == tokenizer.VOCABULARY_SIZE


@given(st.text())
@example("a\fb\u2028c\r\n\td\U0001f600\x00")
@example("".join(tokenizer.SPECIAL_TOKENS))
def test_decoding_gives_back_any_text_and_no_special_token_comes_out(text: str) -> None:
    ids = CODE.encode(text).ids
    assert CODE.decode(ids, skip_special_tokens=False) == text
    assert min(ids, default=16) >= len(tokenizer.SPECIAL_TOKENS)


@pytest.mark.parametrize("level", range(7))
def test_newline_and_indentation_are_one_token(level: int) -> None:
    ids = CODE.encode("x\n" + "    " * level + "y").ids
    assert len(ids) == 3
    assert CODE.decode([ids[1]]) == "\n" + "    " * level


def test_names_split_at_underscores_and_numbers_into_digits() -> None:
    assert CODE.encode("self.read_line = 120").tokens == ["self", ".", "read", "_line", "Ġ=", "Ġ1", "2", "0"]
