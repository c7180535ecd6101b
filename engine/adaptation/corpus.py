"""The adapter's corpus: permissively licensed source code in eight languages, filtered, as text.

    python -m engine.adaptation.corpus pin                          resolve packages.json into manifest.json and NOTICE
    python -m engine.adaptation.corpus build OUT --tokenizer FILE   download what the manifests name and write OUT

OUT then holds train.jsonl and held_out.jsonl ({"language", "package", "path", "text"} a line), vocabulary.json (the
most frequent token ids of the training text) and stats.json. Held-out packages are whole packages. HumanEval is kept
out as in `engine.training.corpus`. The text itself is never committed.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tokenizers import Tokenizer

from engine.adaptation.archives import Archive, Split, fetch, pin, read_manifest, sources
from engine.training import packages as wheels
from engine.training.corpus import Document, accept, read_benchmark, wheel_sources
from engine.training.filters import Benchmark, NearDuplicates
from engine.training.packages import COPYLEFT, CorpusError

NOTICE = Path(__file__).with_name("NOTICE")

ENDINGS: dict[str, tuple[str, ...]] = {
    "python": (".py",),
    "javascript": (".js", ".mjs", ".cjs", ".jsx"),
    "typescript": (".ts", ".tsx"),
    "rust": (".rs",),
    "go": (".go",),
    "c": (".c", ".h"),
    "cpp": (".cc", ".cpp", ".cxx", ".hpp", ".hh", ".h"),
    "java": (".java",),
}
MAX_CHARS: dict[Split, dict[str, int]] = {  # of one package
    "train": {"python": 350_000, "javascript": 160_000, "typescript": 220_000, "rust": 130_000, "go": 150_000}
    | {"c": 160_000, "cpp": 180_000, "java": 150_000},
    "held_out": dict.fromkeys(ENDINGS, 100_000),
}
VOCABULARY = 24_000
SAMPLE = 5  # every fifth training text is enough to count tokens in
SEED = 0

_BUILT = re.compile(
    r"(^|/)(dist|build|umd|cjs|commonjs|min|esm|es\d*|third[_-]?party|node_modules|debian)/|\.min\.|\.d\.ts$"
)
_TRANSPILED = re.compile(rb"__importDefault|__esModule|_interopRequire|sourceMappingURL|tslib_1")


def build(out: Path, cache: Path, benchmark: Benchmark, tokenizer: Tokenizer) -> None:
    """Write the texts of both splits, the vocabulary and the statistics to `out`."""
    out.mkdir(parents=True, exist_ok=True)
    seen, dropped = NearDuplicates(), Counter[str]()
    stats: dict[str, object] = {}
    for split in ("held_out", "train"):  # the held-out files first, so that nothing in train repeats them
        documents = list(_collect(split, cache, benchmark, seen, dropped))
        random.Random(SEED).shuffle(documents)
        with (out / f"{split}.jsonl").open("w", encoding="utf-8") as file:
            for language, d in documents:
                row = {"language": language, "package": d.package, "path": d.path, "text": d.text}
                file.write(json.dumps(row) + "\n")
        stats[split] = _sizes(documents)
    ids = vocabulary((d.text for _, d in documents[::SAMPLE]), tokenizer)
    (out / "vocabulary.json").write_text(json.dumps(ids) + "\n")
    stats["dropped"] = dict(dropped.most_common())
    (out / "stats.json").write_text(json.dumps(stats, indent=1) + "\n")
    print(json.dumps(stats))


def vocabulary(texts: Iterable[str], tokenizer: Tokenizer, size: int = VOCABULARY) -> list[int]:
    """The most frequent token ids of the texts, in increasing order."""
    counts: Counter[int] = Counter()
    for text in texts:
        counts.update(tokenizer.encode_batch_fast([text], add_special_tokens=False)[0].ids)
    return sorted(token for token, _ in counts.most_common(size))


def _collect(
    split: Split, cache: Path, benchmark: Benchmark, seen: NearDuplicates, dropped: Counter[str]
) -> Iterator[tuple[str, Document]]:
    """The accepted documents of a split with their languages. A package that cannot be had is an error."""
    for language, name, files in _packages(split, cache):
        limit = MAX_CHARS[split][language]
        for document in accept(name, files, benchmark, seen, dropped, max_chars=limit, python=language == "python"):
            yield language, document


def _packages(split: Split, cache: Path) -> Iterator[tuple[str, str, Iterable[tuple[str, bytes]]]]:
    """Every package of a split: its language, its name and its files."""
    for wheel in wheels.read_manifest():
        if wheel.split == split:
            yield "python", wheel.name, wheel_sources(wheel, cache)
    for archive in read_manifest():
        if archive.split == split:
            yield archive.language, archive.name, _permitted(archive, cache)


def _permitted(archive: Archive, cache: Path) -> Iterator[tuple[str, bytes]]:
    """The files of an archive that are source code, without built ones and those that state a copyleft licence."""
    for path, data in sources(fetch(archive, cache), ENDINGS[archive.language]):
        head = data[:4000].decode("utf-8", "replace")
        if not (_BUILT.search(path) or _TRANSPILED.search(data) or COPYLEFT.search(head)):
            yield path, data


def _sizes(documents: Sequence[tuple[str, Document]]) -> dict[str, dict[str, int]]:
    """Packages, files and characters of each language."""
    sizes: dict[str, dict[str, int]] = {}
    for language in ENDINGS:
        own = [d for other, d in documents if other == language]
        chars = sum(len(d.text) for d in own)
        sizes[language] = {"packages": len({d.package for d in own}), "files": len(own), "chars": chars}
    return sizes


def notice() -> str:
    """The packages of the training split and their licences."""
    rows = [f"{a.name} {a.version} ({a.language}): {a.licence}" for a in read_manifest() if a.split == "train"]
    rows += [f"{w.name} {w.version} (python): {w.licence}" for w in wheels.read_manifest() if w.split == "train"]
    return (
        "The denoising adapter was trained on source files of these packages, under the licences that the packages\n"
        "state. None of that text is part of this distribution.\n\n"
        + "".join(f"{row}\n" for row in sorted(rows, key=str.lower))
    )


def main() -> None:
    """The command line, as the module's docstring shows it."""
    parser = argparse.ArgumentParser(prog="python -m engine.adaptation.corpus")
    parser.add_argument("--cache", type=Path, default=Path("var/archives"), help="folder for downloaded archives")
    parser.add_argument("--benchmark", type=Path, default=Path("var/benchmarks/HumanEval.jsonl.gz"), help="HumanEval")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("pin", help="resolve packages.json into manifest.json and NOTICE")
    building = commands.add_parser("build", help="write the corpus")
    building.add_argument("out", type=Path)
    building.add_argument("--tokenizer", type=Path, required=True, metavar="FILE", help="tokenizer.json of the model")
    arguments = parser.parse_args()
    try:
        if arguments.command == "pin":
            pin(arguments.cache)
            NOTICE.write_text(notice())
        else:
            tokenizer = Tokenizer.from_file(str(arguments.tokenizer))
            build(arguments.out, arguments.cache, read_benchmark(arguments.benchmark), tokenizer)
    except CorpusError as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
