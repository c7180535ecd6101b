"""What a run keeps: a folder `checkpoint-STEP` of safetensors files of at most 16 MiB, and what they mean in run.json.

A checkpoint is written beside the one before it and given its name when it is whole, so that whatever ends the
process leaves one that can be used. Exporting needs its run.json, network-* and ema-* alone.
"""

from __future__ import annotations

import ctypes
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

PIECE = 2_000_000  # elements of a tensor in one piece
FILE = 14_000_000  # bytes in a file, unless one piece is more

_DTYPES = {torch.float32: "F32", torch.bfloat16: "BF16", torch.int64: "I64"}

Groups = Mapping[str, Mapping[str, Tensor]]  # "network", "ema", … : the tensors of each


class TrainingError(RuntimeError):
    """Training cannot go on; one line that says why and what to do."""


def latest(run: Path) -> Path | None:
    """The folder of the run's last checkpoint."""
    return max(run.glob("checkpoint-*"), default=None, key=lambda path: path.name)


def save_checkpoint(run: Path, step: int, groups: Groups, facts: dict[str, Any]) -> None:
    """Write the run's state at a step in place of the one before it. Raises `TrainingError`."""
    folder, fresh = run / f"checkpoint-{step:09d}", run / "unfinished"
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        for group, tensors in groups.items():
            for number, content in enumerate(_files(tensors)):
                (fresh / f"{group}-{number:02d}.safetensors").write_bytes(_safetensors(content))
        shapes = {group: {name: list(t.shape) for name, t in tensors.items()} for group, tensors in groups.items()}
        (fresh / "run.json").write_text(json.dumps({"step": step, **facts, "tensors": shapes}) + "\n", "utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        fresh.rename(folder)
    except OSError as error:
        shutil.rmtree(fresh, ignore_errors=True)
        kept = latest(run)
        stays = f"{kept.name} stays" if kept else "nothing is saved"
        raise TrainingError(
            f"{folder} cannot be written: {error.strerror}; {stays}. Make room and run the same command again"
        ) from None
    for old in run.glob("checkpoint-*"):
        if old != folder:
            shutil.rmtree(old, ignore_errors=True)


def facts_of(run: Path) -> dict[str, Any]:
    """What run.json of the last checkpoint says. Raises `TrainingError`."""
    folder = latest(run)
    if folder is None:
        raise TrainingError(f"{run} holds no checkpoint: train first")
    facts: dict[str, Any] = json.loads((folder / "run.json").read_text("utf-8"))
    return facts


def read_group(run: Path, group: str, device: torch.device) -> dict[str, Tensor]:
    """One group of the last checkpoint's tensors. Raises `TrainingError`."""
    shapes, folder = facts_of(run)["tensors"][group], latest(run)
    assert folder is not None
    pieces: dict[str, list[Tensor]] = {name: [] for name in shapes}
    for path in sorted(folder.glob(f"{group}-*.safetensors")):
        content = load_file(path, device=str(device))
        for key in sorted(content):
            pieces[key.rpartition("#")[0]].append(content[key])
    try:
        return {name: torch.cat(pieces[name]).view(shape) for name, shape in shapes.items()}
    except RuntimeError:
        raise TrainingError(f"{folder} is not whole: its {group}-* files are not all there") from None


def _files(tensors: Mapping[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """The pieces of tensors, as many in a dictionary as go into one file."""
    content: dict[str, Tensor] = {}
    size = 0
    for name, piece in _pieces(tensors.items()):
        if content and size + piece.nbytes > FILE:
            yield content
            content, size = {}, 0
        content[name] = piece
        size += piece.nbytes
    if content:
        yield content


def _pieces(tensors: Iterable[tuple[str, Tensor]]) -> Iterator[tuple[str, Tensor]]:
    """Each tensor flat, cut into pieces named `name#NNN`."""
    for name, tensor in tensors:
        flat = tensor.detach().cpu().flatten()
        for number, piece in enumerate(flat.split(PIECE)):
            yield f"{name}#{number:03d}", piece.clone()


def _safetensors(tensors: Mapping[str, Tensor]) -> bytes:
    """Flat tensors in the safetensors format; the library itself cannot write without numpy."""
    header: dict[str, Any] = {}
    end = 0
    for name, tensor in tensors.items():
        start, end = end, end + tensor.nbytes
        header[name] = {"dtype": _DTYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    data = (ctypes.string_at(tensor.data_ptr(), tensor.nbytes) for tensor in tensors.values())
    return b"".join([len(text).to_bytes(8, "little"), text, *data])
