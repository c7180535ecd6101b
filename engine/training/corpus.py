"""The training corpus: permissively licensed Python packages, filtered and tokenized into shards.

    python -m engine.training.corpus pin          resolve the packages into manifest.json and NOTICE
    python -m engine.training.corpus build OUT    download what the manifest names and write the shards to OUT
    python -m engine.training.corpus overlap OUT  show what the shards in OUT share with the benchmark

The benchmark is HumanEval: a file that shares 13 successive words with one of its prompts with solution is left out.
HumanEval.jsonl.gz is OpenAI's own, from the folder data of github.com/openai/human-eval; without it the build goes on,
and stats.json says "not checked".

OUT then holds train_NN.safetensors and held_out_NN.safetensors (uint16 token ids `ids`, each document as
`<bos> tokens <eos>`), held_out_files.jsonl and calibration_files.jsonl ({"package", "path", "text"} a line) and
stats.json. The text itself is never committed.
"""

from __future__ import annotations

import argparse
import dataclasses
import gzip
import hashlib
import json
import random
import sysconfig
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
from rich.console import Console
from rich.progress import track
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer

from engine.training import tokenizer as tokenizers_of_code
from engine.training.filters import (
    BENCHMARK_WORDS,
    Benchmark,
    NearDuplicates,
    Words,
    clean,
    rejected_by_path,
    rejected_by_text,
)
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


def wheel_sources(package: Package, cache: Path) -> Iterator[tuple[str, bytes]]:
    """The Python files of a pinned wheel."""
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


def read_benchmark(path: Path) -> Benchmark:
    """HumanEval's prompts, each with its solution. Raises `CorpusError`."""
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines]
        return Benchmark(row["prompt"] + row["canonical_solution"] for row in rows)
    except FileNotFoundError:
        raise CorpusError(
            f"{path} is missing: get it from github.com/openai/human-eval, or name it by --benchmark"
        ) from None
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
        raise CorpusError(f"{path} cannot be read as HumanEval: {type(error).__name__} {error}") from None


def accept(
    package: str,
    sources: Iterable[tuple[str, bytes]],
    benchmark: Benchmark,
    seen: NearDuplicates,
    dropped: Counter[str],
    *,
    max_chars: int = MAX_PACKAGE_CHARS,
    python: bool = True,
) -> list[Document]:
    """The files of one package that pass every filter, up to `max_chars`; `dropped` counts why others fail."""
    files = list(sources)
    random.Random(f"{SEED} {package}").shuffle(files)
    accepted: list[Document] = []
    chars = 0
    for path, data in files:
        reason = rejected_by_path(path)
        text = "" if reason else clean(data)
        reason = reason or ("package cap" if chars + len(text) > max_chars else None)
        reason = reason or rejected_by_text(text, python) or benchmark.reject(text) or seen.reject(text)
        if reason:
            dropped[reason] += 1
        else:
            accepted.append(Document(package, path, text))
            chars += len(text)
    return accepted


def collect(cache: Path, benchmark: Benchmark, dropped: Counter[str]) -> dict[Split, list[Document]]:
    """All accepted documents: held-out packages first, so that nothing in train repeats them; those for calibration
    last, so that they repeat nothing of the others.
    """
    manifest = read_manifest()
    seen = NearDuplicates()
    documents: dict[Split, list[Document]] = {"held_out": [], "train": [], "calibration": []}
    for package in (p for p in manifest if p.split == "held_out"):
        documents["held_out"] += accept(package.name, wheel_sources(package, cache), benchmark, seen, dropped)
    documents["train"] += accept(STDLIB, _standard_library(), benchmark, seen, dropped)
    train = [p for p in manifest if p.split == "train"]
    random.Random(SEED).shuffle(train)
    for package in train:
        documents["train"] += accept(package.name, wheel_sources(package, cache), benchmark, seen, dropped)
        print(f"{package.name}: {len(documents['train'])} train files so far", flush=True)
    for package in (p for p in manifest if p.split == "calibration"):
        documents["calibration"] += accept(package.name, wheel_sources(package, cache), benchmark, seen, dropped)
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
    """Write OUT/<split>_NN.safetensors, about `SHARD_TOKENS` ids in each; returns the number of ids."""
    shard, size, total = 0, 0, 0
    pending: list[np.ndarray[tuple[int], np.dtype[np.uint16]]] = []
    for start in range(0, len(documents), BATCH):
        for encoding in tokenizer.encode_batch_fast([d.text for d in documents[start : start + BATCH]]):
            pending.append(np.array([tokenizers_of_code.BOS, *encoding.ids, tokenizers_of_code.EOS], dtype=np.uint16))
            size += len(pending[-1])
        if size >= SHARD_TOKENS or start + BATCH >= len(documents):
            save_file({"ids": np.concatenate(pending)}, out / f"{split}_{shard:02d}.safetensors")
            shard, size, total, pending = shard + 1, 0, total + size, []
    return total


def read_shards(out: Path, split: Split, tokenizer: Tokenizer) -> Iterator[str]:
    """The documents of OUT/<split>_NN.safetensors, as text again. Raises `CorpusError`."""
    shards = sorted(out.glob(f"{split}_*.safetensors"))
    if not shards:
        raise CorpusError(f"{out} holds no {split} shards: build the corpus first")
    for shard in track(shards, f"reading {split}", console=Console(stderr=True), transient=True):
        ids = load_file(shard)["ids"]
        for document in np.split(ids, np.flatnonzero(ids == tokenizers_of_code.EOS) + 1):
            yield tokenizer.decode(document.tolist())


def overlap(out: Path, benchmark: Benchmark) -> None:
    """Print, for each split in `out`, how many documents share a run of words with the benchmark, and which runs."""
    tokenizer = tokenizers_of_code.load()
    for split in get_args(Split):
        total, found = 0, 0
        runs: Counter[Words] = Counter()
        for text in read_shards(out, split, tokenizer):
            total += bool(text)
            shared = benchmark.shared(text)
            found += bool(shared)
            runs.update(shared)
        print(f"{split}: {found} of {total} documents share {len(runs)} runs of {BENCHMARK_WORDS} words", flush=True)
        for run, documents in runs.most_common():
            print(f"{documents:6} {' '.join(run)}")


def build(out: Path, cache: Path, benchmark: Path) -> None:
    """Write the shards, the held-out files and the statistics to `out`."""
    out.mkdir(parents=True, exist_ok=True)
    dropped: Counter[str] = Counter()
    checked = benchmark.exists()
    if not checked:
        print(f"no {benchmark}: the files are not checked against it", flush=True)
    documents = collect(cache, read_benchmark(benchmark) if checked else Benchmark([]), dropped)
    tokenizer = tokenizer_for(documents["train"])
    for split in ("held_out", "calibration"):
        with (out / f"{split}_files.jsonl").open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(dataclasses.asdict(d)) + "\n" for d in documents[split])
    stats: dict[str, object] = {
        "benchmark": f"sha256 {hashlib.sha256(benchmark.read_bytes()).hexdigest()}" if checked else "not checked",
        "dropped": dict(dropped.most_common()),
    }
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
    parser.add_argument("--benchmark", type=Path, default=Path("var/benchmarks/HumanEval.jsonl.gz"), help="HumanEval")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("pin", help="resolve the packages into manifest.json and NOTICE")
    commands.add_parser("build", help="write the shards").add_argument("out", type=Path)
    commands.add_parser("overlap", help="compare shards and benchmark").add_argument("out", type=Path)
    arguments = parser.parse_args()
    try:
        if arguments.command == "pin":
            pin(arguments.cache)
        elif arguments.command == "build":
            build(arguments.out, arguments.cache, arguments.benchmark)
        else:
            overlap(arguments.out, read_benchmark(arguments.benchmark))
    except CorpusError as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
