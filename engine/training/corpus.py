"""The training corpus: permissively licensed Python packages, filtered and tokenized into shards.

    python -m engine.training.corpus pin          resolve the packages into manifest.json and NOTICE
    python -m engine.training.corpus build OUT    download what the manifest names and write the shards to OUT

OUT then holds train_NN.npy and held_out_NN.npy (uint16 token ids, each document as `<bos> tokens <eos>`),
held_out_files.jsonl ({"package", "path", "text"} a line) and stats.json. The text itself is never committed.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
import sysconfig
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from engine.training import tokenizer as tokenizers_of_code
from engine.training.filters import NearDuplicates, clean, rejected_by_path, rejected_by_text
from engine.training.packages import STDLIB_LICENCE, CorpusError, Package, Split, fetch, pin, read_manifest

STDLIB = "python-standard-library"
STDLIB_LEFT_OUT = {"test", "tests", "idlelib", "idle_test", "lib2to3", "encodings", "site-packages", "dist-packages"}

MAX_PACKAGE_CHARS = 12_000_000
TOKENIZER_SAMPLE_CHARS = 30_000_000
SHARD_TOKENS = 16_000_000
BATCH = 256
SEED = 0


@dataclass(frozen=True, slots=True)
class Document:
    """One accepted source file."""

    package: str
    path: str
    text: str


def _sources(package: Package, cache: Path) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(fetch(package, cache)) as archive:
        for name in sorted(archive.namelist()):
            if name.endswith(".py"):
                yield name, archive.read(name)


def _standard_library() -> Iterator[tuple[str, bytes]]:
    root = Path(sysconfig.get_path("stdlib"))
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).parts
        if STDLIB_LEFT_OUT.isdisjoint(parts):
            yield "/".join(parts), path.read_bytes()


def accept(
    package: str, sources: Iterable[tuple[str, bytes]], seen: NearDuplicates, dropped: Counter[str]
) -> list[Document]:
    """The files of one package that pass every filter, up to `MAX_PACKAGE_CHARS`; `dropped` counts why others fail."""
    files = list(sources)
    random.Random(f"{SEED} {package}").shuffle(files)
    accepted: list[Document] = []
    chars = 0
    for path, data in files:
        reason = rejected_by_path(path)
        text = "" if reason else clean(data)
        reason = reason or ("package cap" if chars + len(text) > MAX_PACKAGE_CHARS else None)
        reason = reason or rejected_by_text(text) or seen.reject(text)
        if reason:
            dropped[reason] += 1
        else:
            accepted.append(Document(package, path, text))
            chars += len(text)
    return accepted


def collect(cache: Path, dropped: Counter[str]) -> dict[Split, list[Document]]:
    """All accepted documents: held-out packages first, so that nothing in train repeats them."""
    manifest = read_manifest()
    seen = NearDuplicates()
    documents: dict[Split, list[Document]] = {"held_out": [], "train": []}
    for package in (p for p in manifest if p.split == "held_out"):
        documents["held_out"] += accept(package.name, _sources(package, cache), seen, dropped)
    documents["train"] += accept(STDLIB, _standard_library(), seen, dropped)
    train = [p for p in manifest if p.split == "train"]
    random.Random(SEED).shuffle(train)
    for package in train:
        documents["train"] += accept(package.name, _sources(package, cache), seen, dropped)
        print(f"{package.name}: {len(documents['train'])} train files so far", flush=True)
    random.Random(SEED).shuffle(documents["train"])
    return documents


def tokenizer_for(documents: Sequence[Document]) -> Tokenizer:
    """The committed tokenizer; where there is none, one trained on a sample of the documents and saved in its place."""
    if not tokenizers_of_code.DEFAULT_PATH.exists():
        print("training the tokenizer", flush=True)
        tokenizers_of_code.train(_sample(documents)).save(str(tokenizers_of_code.DEFAULT_PATH))
    return tokenizers_of_code.load()


def _sample(documents: Sequence[Document]) -> Iterator[str]:
    chars = 0
    for document in documents:
        if chars >= TOKENIZER_SAMPLE_CHARS:
            return
        chars += len(document.text)
        yield document.text


def write_shards(documents: Sequence[Document], tokenizer: Tokenizer, out: Path, split: Split) -> int:
    """Write OUT/<split>_NN.npy, about `SHARD_TOKENS` ids in each; returns the number of ids."""
    shard, size, total = 0, 0, 0
    pending: list[np.ndarray[tuple[int], np.dtype[np.uint16]]] = []
    for start in range(0, len(documents), BATCH):
        for encoding in tokenizer.encode_batch_fast([d.text for d in documents[start : start + BATCH]]):
            pending.append(np.array([tokenizers_of_code.BOS, *encoding.ids, tokenizers_of_code.EOS], dtype=np.uint16))
            size += len(pending[-1])
        if size >= SHARD_TOKENS or start + BATCH >= len(documents):
            np.save(out / f"{split}_{shard:02d}.npy", np.concatenate(pending))
            shard, size, total, pending = shard + 1, 0, total + size, []
    return total


def build(out: Path, cache: Path) -> None:
    """Write the shards, the held-out files and the statistics to `out`."""
    out.mkdir(parents=True, exist_ok=True)
    dropped: Counter[str] = Counter()
    documents = collect(cache, dropped)
    tokenizer = tokenizer_for(documents["train"])
    with (out / "held_out_files.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(dataclasses.asdict(d)) + "\n" for d in documents["held_out"])
    stats: dict[str, object] = {"dropped": dict(dropped.most_common())}
    for split, chosen in documents.items():
        tokens = write_shards(chosen, tokenizer, out, split)
        chars = sum(len(d.text) for d in chosen)
        stats[split] = {"files": len(chosen), "chars": chars, "tokens": tokens, "packages": _per_package(chosen)}
        print(f"{split}: {len(chosen)} files, {tokens} tokens, {chars / tokens:.2f} characters a token")
    stats["licences"] = {p.name: p.licence for p in read_manifest()} | {STDLIB: STDLIB_LICENCE}
    (out / "stats.json").write_text(json.dumps(stats, indent=1) + "\n")


def _per_package(documents: Iterable[Document]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for document in documents:
        entry = counts.setdefault(document.package, {"files": 0, "chars": 0})
        entry["files"] += 1
        entry["chars"] += len(document.text)
    return counts


def main() -> None:
    """The command line, as the module's docstring shows it."""
    parser = argparse.ArgumentParser(prog="python -m engine.training.corpus")
    parser.add_argument("--cache", type=Path, default=Path("var/wheels"), help="folder for downloaded wheels")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("pin", help="resolve the packages into manifest.json and NOTICE")
    commands.add_parser("build", help="write the shards").add_argument("out", type=Path)
    arguments = parser.parse_args()
    try:
        if arguments.command == "pin":
            pin(arguments.cache)
        else:
            build(arguments.out, arguments.cache)
    except CorpusError as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
