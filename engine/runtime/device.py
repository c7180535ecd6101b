"""Where and in which number format the model runs."""

from __future__ import annotations

import ctypes
from typing import Literal

import torch

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
Weights = Literal["plain", "int8"]  # how a decoder-only network keeps its matrices
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def choose_device(name: str) -> torch.device:
    """`auto` is the first CUDA device if there is one, else the CPU. Raises ValueError with one line."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(f"unknown device {name!r}; use auto, cpu or cuda") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError("no CUDA device is visible to torch; use --device cpu, or install a CUDA build of torch")
    return device


def choose_dtype(name: str, device: torch.device, weights: Weights = "plain") -> torch.dtype:
    """The dtype of activations and cache, and of plain weights.

    `auto` is bfloat16 on CUDA and on a CPU with units for it, else float32: there bfloat16 is many times slower. Beside
    int8 weights it is float32, which their products take and give: a pass over few tokens is a tenth faster so.
    """
    if name == "auto":
        fast = device.type == "cuda" or (weights == "plain" and torch.cpu._is_avx512_bf16_supported())
        return torch.bfloat16 if fast else torch.float32
    if name == "int8":
        return torch.float32
    if name not in _DTYPES:
        raise ValueError(f"unknown dtype {name!r}; use auto, int8, {' or '.join(_DTYPES)}")
    return _DTYPES[name]


def choose_weights(name: str, device: torch.device) -> Weights:
    """How a decoder-only network keeps its weights: `auto` is int8 on the CPU, where products are bound by memory."""
    return "int8" if name == "int8" or (name == "auto" and device.type == "cpu") else "plain"


def keep_freed_memory() -> None:
    """Let glibc keep large freed blocks: the logits of a large vocabulary are otherwise paged in anew for every pass.

    Measured: an automatic fill of a 0.5B model on two cores takes 15 % less. Elsewhere than with glibc nothing changes.
    """
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    mallopt(_M_MMAP_THRESHOLD, 1 << 30)
    mallopt(_M_TRIM_THRESHOLD, 1 << 28)
