"""The archives that the adapter's corpus is made of: npm packages and Debian source packages, pinned by hash.

Rust and Go come from Debian's binary packages, which are source code; C, C++ and Java from its source packages.

Python comes from the wheels of the default model's own manifest (`engine.training.packages`).
"""

from __future__ import annotations

import dataclasses
import io
import json
import re
import subprocess
import sys
import tarfile
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.training.packages import COPYLEFT, CorpusError, sha256

Language = Literal["javascript", "typescript", "rust", "go", "c", "cpp", "java"]
Registry = Literal["npm", "debian", "debian-source"]
Split = Literal["train", "held_out"]

MANIFEST = Path(__file__).with_name("manifest.json")
NAMES = Path(__file__).with_name("packages.json")  # {language: {split: "name name …"}}

_SOURCES = Path("/etc/apt/sources.list.d/debian.sources")
_LICENCE_FIELD = re.compile(r"^License:[ \t]*(\S.*)$", re.MULTILINE)
_REGISTRIES: dict[Language, Registry] = {"javascript": "npm", "typescript": "npm", "rust": "debian", "go": "debian"}
_AT_ONCE = 4  # downloads
_updating = threading.Lock()
_ALL_FILES = re.compile(r"^Files:[ \t]*\*.*?(?=\n[ \t]*\n|\Z)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Archive:
    """One pinned archive: where it is from, its file's name and hash, and its licence as the package states it."""

    language: Language
    registry: Registry
    name: str
    version: str
    file: str
    sha256: str
    licence: str
    split: Split


def pin(cache: Path) -> None:
    """Resolve the names of packages.json to their newest archives; write manifest.json. Failures are skipped."""

    def described(language: Language, split: Split, name: str) -> Archive | None:
        try:
            return _described(language, split, name, cache)
        except CorpusError as error:
            print(f"skipped {name}: {error}", file=sys.stderr)
            return None

    names = [
        (language, split, name)
        for language, splits in json.loads(NAMES.read_text()).items()
        for split, names in splits.items()
        for name in names.split()
    ]
    with ThreadPoolExecutor(_AT_ONCE) as downloads:
        archives = [archive for archive in downloads.map(lambda wanted: described(*wanted), names) if archive]
    MANIFEST.write_text(json.dumps([dataclasses.asdict(a) for a in archives], indent=1) + "\n")


def read_manifest() -> list[Archive]:
    """The pinned archives, in the order of manifest.json."""
    return [Archive(**entry) for entry in json.loads(MANIFEST.read_text())]


def fetch(archive: Archive, cache: Path) -> Path:
    """The pinned archive in `cache`, downloaded if absent; raises `CorpusError` when its hash is not the manifest's."""
    path = cache / archive.file
    if not path.exists():
        _download(archive.registry, archive.name, archive.version, cache)
    if not path.exists() or sha256(path) != archive.sha256:
        raise CorpusError(f"{archive.file} is not what the manifest pins; delete it from {cache}, or run `pin` again")
    return path


def sources(path: Path, endings: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """The files of an archive whose names have one of these endings, in the order of their names."""
    found: dict[str, bytes] = {}
    with _opened(path) as tar:
        for member in tar:  # in their own order: going back means decompressing from the start
            if member.isfile() and member.name.endswith(tuple(endings)) and (file := tar.extractfile(member)):
                found[member.name.removeprefix("./").partition("/")[2]] = file.read()
    yield from sorted(found.items())


def _opened(path: Path) -> tarfile.TarFile:
    """An archive, or the files of a Debian binary package, as a tar file."""
    if path.suffix != ".deb":
        return tarfile.open(path)
    content = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(path)], capture_output=True, check=True).stdout
    return tarfile.open(fileobj=io.BytesIO(content))


def _described(language: Language, split: Split, name: str, cache: Path) -> Archive:
    registry = _REGISTRIES.get(language, "debian-source")
    path, version, licence = _download(registry, name, None, cache)
    if COPYLEFT.search(licence):
        raise CorpusError(f"its licence is {licence}")
    return Archive(language, registry, name, version, path.name, sha256(path), licence, split)


def _download(registry: Registry, name: str, version: str | None, cache: Path) -> tuple[Path, str, str]:
    """Download one archive into `cache`; its path, version and licence."""
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        into = Path(folder)
        how = {"npm": _npm, "debian": _debian, "debian-source": _debian_source}[registry]
        found, version, licence = how(name, version, into)
        return found.replace(cache / found.name), version, licence


def _npm(name: str, version: str | None, into: Path) -> tuple[Path, str, str]:
    _run(["npm", "pack", "--silent", "--ignore-scripts", f"{name}@{version or 'latest'}"], into)
    path = next(into.glob("*.tgz"))
    with tarfile.open(path) as tar:
        member = next(m for m in tar.getmembers() if re.fullmatch(r"[^/]+/package\.json", m.name))
        file = tar.extractfile(member)
        about = json.load(file) if file else {}
    return path, about["version"], str(about.get("license", "not stated"))


def _debian(name: str, version: str | None, into: Path) -> tuple[Path, str, str]:
    _run(["apt-get", "download", "--quiet=2", f"{name}={version}" if version else name], into)
    path = next(into.glob("*.deb"))
    with _opened(path) as tar:
        licence = _debian_licence(tar, f"./usr/share/doc/{name}/copyright")
    return path, path.name.split("_")[1].replace("%3a", ":"), licence


def _debian_source(name: str, version: str | None, into: Path) -> tuple[Path, str, str]:
    wanted = f"{name}={version}" if version else name
    _run(["apt-get", *_source_index(into), "source", "--quiet=2", "--download-only", "--only-source", wanted], into)
    original = [path for path in into.glob("*.orig.tar.*") if path.suffix != ".asc"]
    packaging = list(into.glob("*.debian.tar.*"))
    if not original or not packaging:
        raise CorpusError("its source package has no original archive")
    control = next(into.glob("*.dsc")).read_text("utf-8", "replace")
    found = re.search(r"^Version: (\S+)", control, re.MULTILINE)
    with tarfile.open(packaging[0]) as tar:
        licence = _debian_licence(tar, "debian/copyright")
    return original[0], found[1] if found else "", licence


def _source_index(into: Path) -> list[str]:
    """Options under which apt knows the source packages of the suites it has binary packages of."""
    index = into.parent / "apt"
    options = [f"Dir::Etc::SourceList={index}/debian.sources", "Dir::Etc::SourceParts=/nonexistent"]
    options += [f"Dir::State::Lists={index}/lists", "Dir::Cache::pkgcache=", "Dir::Cache::srcpkgcache="]
    options = [word for option in options for word in ("-o", option)]
    with _updating:
        if not (index / "lists").exists():
            (index / "lists" / "partial").mkdir(parents=True)
            text = _SOURCES.read_text()
            (index / "debian.sources").write_text(text.replace("Types: deb\n", "Types: deb-src\n"))
            _run(["apt-get", *options, "update", "--quiet=2"], into)
    return options


def _debian_licence(tar: tarfile.TarFile, copyright_file: str) -> str:
    """The licence of `Files: *` in a package's copyright file."""
    try:
        file = tar.extractfile(copyright_file)
    except KeyError:
        return "not stated"
    text = file.read().decode("utf-8", "replace") if file else ""
    everything = _ALL_FILES.search(text)
    licence = _LICENCE_FIELD.search(everything[0] if everything else text)
    return licence[1].strip() if licence else "not stated"


def _run(command: Sequence[str], folder: Path) -> None:
    try:
        report = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    except FileNotFoundError:
        raise CorpusError(f"{command[0]} is not installed: the corpus is built on Debian with npm") from None
    if report.returncode:
        raise CorpusError((report.stderr.strip().splitlines() or [f"{command[0]} failed"])[-1])
