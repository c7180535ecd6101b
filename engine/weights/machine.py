"""What this machine has for a model: memory, a GPU, cores. Found out without torch, which takes seconds to import."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

MEMINFO = Path("/proc/meminfo")


@dataclass(frozen=True, slots=True)
class Machine:
    """Free memory in bytes (`gpu_bytes` is None without a usable GPU) and the cores that this process may use."""

    ram_bytes: int
    gpu_bytes: int | None
    cores: int


def this_machine() -> Machine:
    """The machine as it is now."""
    return Machine(_free_ram(), _free_gpu(), _cores())


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _free_ram() -> int:
    """Memory that programs can have without swapping; all of the machine's where the system does not tell."""
    with contextlib.suppress(OSError, ValueError):
        for line in MEMINFO.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _free_gpu() -> int | None:
    """Free memory of the first GPU; None without one, or where torch is built for the CPU alone."""
    program = shutil.which("nvidia-smi")
    if program is None or os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1") or _torch_is_cpu_only():
        return None
    command = [program, "--query-gpu=memory.free", "--format=csv,noheader,nounits"]
    try:
        lines = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.splitlines()
        return int(lines[0]) * 2**20
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None


def _torch_is_cpu_only() -> bool:
    try:
        return importlib.metadata.version("torch").endswith("+cpu")
    except importlib.metadata.PackageNotFoundError:
        return False
