"""The adapter's corpus: what its manifest promises, which files it takes, and the prompts that are cut from them."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from random import Random

import pytest

from engine.adaptation import archives, corpus
from engine.adaptation.archives import Archive
from engine.adaptation.examples import Prompts
from engine.evaluation import recent
from engine.training.filters import clean
from engine.training.packages import COPYLEFT, CorpusError, read_manifest, sha256
from tests.engine import tiny_decoder


def test_every_language_has_packages_in_both_splits() -> None:
    for split in ("train", "held_out"):
        languages = {archive.language for archive in archives.read_manifest() if archive.split == split}
        assert languages | {"python"} == set(corpus.ENDINGS)
        assert any(wheel.split == split for wheel in read_manifest())


def test_the_manifest_is_pinned_permissive_and_keeps_the_splits_apart() -> None:
    entries = archives.read_manifest()
    assert all(len(entry.sha256) == 64 and entry.version and entry.licence for entry in entries)
    assert not [entry.name for entry in entries if COPYLEFT.search(entry.licence)]
    splits = {(entry.name, entry.split) for entry in entries}
    assert len({name for name, _ in splits}) == len(splits)


def test_nothing_that_evaluation_holds_out_is_trained_on() -> None:
    held_out = {entry["name"] for entry in json.loads(recent.PACKAGES.read_text())}
    assert held_out.isdisjoint(entry.name for entry in archives.read_manifest())


def test_the_notice_is_that_of_the_manifests() -> None:
    assert corpus.NOTICE.read_text() == corpus.notice()


def packed(folder: Path, files: dict[str, bytes]) -> Archive:
    path = folder / "package-1.0.tgz"
    with tarfile.open(path, "w:gz") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return Archive("typescript", "npm", "package", "1.0", path.name, sha256(path), "MIT", "train")


def test_only_source_code_under_permissive_licences_is_taken(tmp_path: Path) -> None:
    archive = packed(
        tmp_path,
        {
            "src/a.ts": b"export const a = 1\n",
            "src/a.d.ts": b"export declare const a: number\n",
            "dist/a.ts": b"export const a = 1\n",
            "src/gpl.ts": b"// GNU General Public License\n",
            "src/compiled.ts": b"Object.defineProperty(exports, '__esModule', {})\n",
            "README.md": b"# a\n",
        },
    )
    assert [path for path, _ in corpus._permitted(archive, tmp_path)] == ["src/a.ts"]


def test_an_archive_that_is_not_the_pinned_one_is_refused(tmp_path: Path) -> None:
    archive = packed(tmp_path, {"src/a.ts": b"export const a = 1\n"})
    (tmp_path / archive.file).write_bytes(b"another")
    with pytest.raises(CorpusError, match="is not what the manifest pins"):
        archives.fetch(archive, tmp_path)


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("/* Copyright A\n * B */\n#include <a.h>\n", "#include <a.h>\n"),
        ("// SPDX-License-Identifier: MIT\n\npackage a\n", "package a\n"),
        ("// Licence: MIT\n#![no_std]\nuse a;\n", "#![no_std]\nuse a;\n"),
        ("// Adds two numbers.\nint add();\n", "// Adds two numbers.\nint add();\n"),
        ("#ifndef A\n#define A  // copyright\n", "#ifndef A\n#define A  // copyright\n"),
    ],
)
def test_leading_licences_of_all_languages_are_cut(text: str, rest: str) -> None:
    assert clean(text.encode()) == rest


def test_a_prompt_has_the_products_form() -> None:
    prompts = Prompts(tiny_decoder.tokenizer())
    text = "".join(f"line {number} of a file\n" for number in range(40))
    for seed in range(20):
        example = prompts.example(text, "python", Random(seed))
        ids = example.ids.tolist()
        suffix_at, middle_at = ids.index(prompts.suffix), ids.index(prompts.middle)
        prefix, suffix, rest = ids[1:suffix_at], ids[suffix_at + 1 : middle_at], ids[middle_at + 1 :]
        assert (ids[0], example.start) == (prompts.prefix, middle_at + 1)
        before = prompts.tokenizer.decode(prefix)
        assert not before or before.endswith("\n")
        middle = prompts.tokenizer.decode(rest)  # without the end of the text
        assert middle.startswith("line ")  # the cursor's line from its start
        assert before + middle in text
        if rest[-1] == prompts.end and suffix:
            assert middle + prompts.tokenizer.decode(suffix) in text
