"""The head of a GGUF file: its metadata and the list of its tensors.

The `gguf` package has a reader too, but it makes an array object of every token, which takes seconds for a
vocabulary of 150,000; this one takes a fraction of a second.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

from engine.weights.checkpoint import CheckpointError

_ARCHITECTURES = ("qwen2", "llama")
_VERSIONS = (2, 3)
_STRING, _ARRAY = 8, 9
_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_ALIGNMENT = 32
_MAX_DIMENSIONS = 4

READABLE = frozenset(
    GGMLQuantizationType[name]
    for name in ("F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K")
)


@dataclass(frozen=True)
class TensorInfo:
    """Where one tensor lies in the file. Its shape is in torch's order, rows first."""

    name: str
    type: GGMLQuantizationType
    shape: tuple[int, ...]
    start: int
    n_bytes: int


@dataclass(frozen=True)
class Header:
    """Everything that stands before the tensors' data, and the mapped file itself."""

    path: Path
    metadata: dict[str, Any]
    tensors: dict[str, TensorInfo]
    data: mmap.mmap

    def value(self, key: str, default: Any = None) -> Any:
        """Returns a value of the metadata, or the default where there is one. Raises `CheckpointError`."""
        value = self.metadata.get(key, default)
        if value is None:
            raise CheckpointError(f"{self.path}: the metadata has no {key}; take another file of this model")
        return value

    def integer(self, key: str, default: int | None = None) -> int:
        """Returns a positive integer of the metadata. Raises `CheckpointError`."""
        value = self.value(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise CheckpointError(f"{self.path}: metadata {key} is {_short(value)}, not a positive integer")
        return value

    def number(self, key: str, default: float | None = None) -> float:
        """Returns a positive number of the metadata, to the digits that float32 holds. Raises `CheckpointError`."""
        value = self.value(key, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
            raise CheckpointError(f"{self.path}: metadata {key} is {_short(value)}, not a positive number")
        return float(f"{value:.7g}")

    def text(self, key: str) -> str:
        """Returns a text of the metadata. Raises `CheckpointError`."""
        value = self.value(key)
        if not isinstance(value, str):
            raise CheckpointError(f"{self.path}: metadata {key} is {_short(value)}, not a text")
        return value

    def entries(self, key: str, kind: type) -> list[Any]:
        """Returns a list of the metadata whose entries are of one kind. Raises `CheckpointError`."""
        value = self.value(key)
        if not isinstance(value, list) or not all(isinstance(entry, kind) for entry in value):
            raise CheckpointError(f"{self.path}: metadata {key} is not a list of {kind.__name__}")
        return value

    def tokens(self) -> tuple[list[str], list[int]]:
        """Returns the tokens of the vocabulary and their types. Raises `CheckpointError`."""
        tokens, types = self.entries("tokenizer.ggml.tokens", str), self.entries("tokenizer.ggml.token_type", int)
        if len(tokens) != len(types):
            raise CheckpointError(f"{self.path}: {len(types)} types of {len(tokens)} tokens; download the model again")
        return tokens, types


def _short(value: Any) -> str:
    return repr(value) if len(repr(value)) <= 40 else repr(value)[:40] + "…"


def read_header(path: Path) -> Header:
    """Map a GGUF file and read its head. Raises `CheckpointError`."""
    try:
        with path.open("rb") as file:
            magic = file.read(4)
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if magic == b"GGUF" else None
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from None
    if data is None:
        raise CheckpointError(f"{path} is not a GGUF file; download the model again")
    try:
        return _Reader(path, data).header()
    except UnicodeDecodeError:
        raise CheckpointError(f"{path} is damaged (a text in it is not UTF-8); download the model again") from None
    except (struct.error, MemoryError, OverflowError):
        raise _truncated(path) from None


def _truncated(path: Path) -> CheckpointError:
    return CheckpointError(f"{path} is truncated; download the model again")


class _Reader:
    """Reads values one after another, from the start of the file."""

    def __init__(self, path: Path, data: mmap.mmap) -> None:
        self.path, self.data, self.at = path, data, 4

    def header(self) -> Header:
        (version,) = self._unpack("I")
        if version not in _VERSIONS:
            raise CheckpointError(
                f"{self.path} is GGUF version {version}; only little-endian versions 2 and 3 are read"
            )
        n_tensors, n_values = self._unpack("QQ")
        metadata = {}
        for _ in range(n_values):
            key = self._string()
            metadata[key] = self._value(key, self._unpack("I")[0])
        self._check_architecture(metadata.get("general.architecture"))
        entries = [self._tensor() for _ in range(n_tensors)]
        alignment = metadata.get("general.alignment", _ALIGNMENT)
        if not isinstance(alignment, int) or alignment < 1:
            raise CheckpointError(f"{self.path}: general.alignment is {alignment}, not a positive integer")
        start = -(-self.at // alignment) * alignment
        return Header(self.path, metadata, {entry[0]: self._place(start, *entry) for entry in entries}, self.data)

    def _check_architecture(self, architecture: Any) -> None:
        if architecture not in _ARCHITECTURES:
            raise CheckpointError(
                f"{self.path} holds a model of architecture {architecture}; "
                f"only {' and '.join(_ARCHITECTURES)} are supported"
            )

    def _unpack(self, format: str) -> tuple[Any, ...]:
        values = struct.unpack_from("<" + format, self.data, self.at)
        self.at += struct.calcsize("<" + format)
        return values

    def _string(self) -> str:
        (length,) = struct.unpack_from("<Q", self.data, self.at)
        start, self.at = self.at + 8, self.at + 8 + length
        if self.at > len(self.data):
            raise _truncated(self.path)
        return self.data[start : self.at].decode("utf-8")

    def _value(self, key: str, kind: int) -> Any:
        if kind == _STRING:
            return self._string()
        if kind in _NUMBERS:
            return self._unpack(_NUMBERS[kind])[0]
        element, count = self._unpack("IQ") if kind == _ARRAY else (kind, 0)
        if element == _STRING:
            return [self._string() for _ in range(count)]
        if element in _NUMBERS:
            return list(self._unpack(f"{count}{_NUMBERS[element]}"))
        raise CheckpointError(f"{self.path}: metadata {key} is of type {element}, which is not read")

    def _tensor(self) -> tuple[str, tuple[int, ...], int, int]:
        name = self._string()
        (n_dimensions,) = self._unpack("I")
        if n_dimensions > _MAX_DIMENSIONS:
            raise CheckpointError(f"{self.path}: tensor {name} has {n_dimensions} dimensions; download the model again")
        shape = self._unpack(f"{n_dimensions}Q")[::-1]
        return name, shape, *self._unpack("IQ")

    def _place(self, data_start: int, name: str, shape: tuple[int, ...], type_id: int, offset: int) -> TensorInfo:
        try:
            kind = GGMLQuantizationType(type_id)
        except ValueError:
            raise CheckpointError(f"{self.path}: tensor {name} has unknown type {type_id}; {_advice()}") from None
        if kind not in READABLE:
            raise CheckpointError(f"{self.path}: tensor {name} has type {kind.name}, which is not read; {_advice()}")
        values, size = GGML_QUANT_SIZES[kind]
        if not prod(shape) or not shape or shape[-1] % values:
            raise CheckpointError(f"{self.path}: tensor {name} of type {kind.name} cannot have shape {list(shape)}")
        info = TensorInfo(name, kind, shape, data_start + offset, prod(shape) // values * size)
        if info.start + info.n_bytes > len(self.data):
            raise CheckpointError(f"{self.path} is truncated in tensor {name}; download the model again")
        return info


def _advice() -> str:
    return "take a file of type Q4_K_M, Q5_K_M, Q6_K, Q8_0, F16 or BF16"
