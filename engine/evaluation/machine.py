"""What measurements name beside their figures: the machine and the versions."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any


def machine() -> dict[str, Any]:
    """The processor's name, how many there are, and the system."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = (line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line)
        cpu = next(names, cpu)
    return {"cpu": cpu, "cpus": os.cpu_count(), "system": f"{platform.system()} {platform.release()}"}


def versions(*packages: str) -> dict[str, str]:
    """The installed versions of dg-lsp, of `packages` and of Python."""
    installed = {name: importlib.metadata.version(name) for name in ("dg-lsp", *packages)}
    return installed | {"Python": platform.python_version()}
