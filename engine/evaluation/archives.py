"""Source files of published packages, fetched by the registries' own clients: pip, npm, apt-get."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from engine.evaluation.tasks import EvaluationError

Sources = Iterator[tuple[str, bytes]]
"""Paths inside an archive, and what the files hold."""

_SUITE = "forky"
_KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
_URL = re.compile(r"^(?:URIs:|deb\b.*?)\s*(https?://\S+)", re.MULTILINE)


def sources(registry: str, name: str, version: str) -> Sources:
    """The files of a package. Raises `EvaluationError` when it cannot be fetched."""
    with TemporaryDirectory(prefix="dg-archive-") as folder:
        yield from _READERS[registry](name, version, Path(folder))


def _pypi(name: str, version: str, folder: Path) -> Sources:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
    _run([*pip, "--only-binary", ":all:", f"{name}=={version}"], folder)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        for path in wheel.namelist():
            yield path, wheel.read(path)


def _npm(name: str, version: str, folder: Path) -> Sources:
    _run(["npm", "pack", "--silent", "--ignore-scripts", f"{name}@{version}"], folder)
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        yield from _members(archive)


def _debian(name: str, version: str, folder: Path) -> Sources:
    """From a newer suite than the machine's; through a private apt, so that nothing of the system is touched."""
    for part in ("lists/partial", "cache/archives/partial"):
        (folder / part).mkdir(parents=True)
    (folder / "status").touch()
    (folder / "sources.list").write_text(f"deb [signed-by={_KEYS}] {_mirror()} {_SUITE} main\n")
    places = {
        "Etc::SourceList": "sources.list",
        "Etc::SourceParts": "none",
        "State::Lists": "lists",
        "State::status": "status",
        "Cache": "cache",
    }
    options = [f"-oDir::{key}={folder / place}" for key, place in places.items()]
    apt = ["apt-get", "-qq", *options, "-oAcquire::Languages=none", "-oDebug::NoLocking=1", "-oAPT::Sandbox::User=root"]
    _run([*apt, "update"], folder)
    _run([*apt, "download", f"{name}={version}"], folder)
    _run(["dpkg-deb", "--fsys-tarfile", str(next(folder.glob("*.deb")))], folder, output="data.tar")
    with tarfile.open(folder / "data.tar") as archive:
        yield from _members(archive)


def _mirror() -> str:
    """The Debian mirror that the machine itself uses."""
    if named := os.environ.get("DEBIAN_MIRROR"):
        return named
    lists = [*Path("/etc/apt/sources.list.d").glob("*.sources"), Path("/etc/apt/sources.list")]
    found: list[str] = [address for file in lists if file.is_file() for address in _URL.findall(file.read_text())]
    if not found:
        raise EvaluationError("no Debian mirror found: set DEBIAN_MIRROR, or leave Go and Rust out by --language")
    return found[0]


def _members(archive: tarfile.TarFile) -> Sources:
    for member in archive:
        if member.isfile() and (content := archive.extractfile(member)):
            yield member.name.removeprefix("./"), content.read()


def _run(command: Sequence[str], folder: Path, output: str = "output.txt") -> None:
    """Run a client in a folder. Raises `EvaluationError` with the last line that it printed to stderr."""
    if shutil.which(command[0]) is None:
        raise EvaluationError(f"{command[0]} is not installed: install it, or leave its languages out by --language")
    with (folder / output).open("wb") as out:
        done = subprocess.run(command, cwd=folder, stdout=out, stderr=subprocess.PIPE, check=False)
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise EvaluationError(f"{Path(command[0]).name}: {lines[-1] if lines else 'failed without a word'}")


_READERS: dict[str, Callable[[str, str, Path], Sources]] = {"pypi": _pypi, "npm": _npm, "debian": _debian}
