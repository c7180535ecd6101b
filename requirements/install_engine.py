"""Installs the engine's packages with the PyTorch that suits this machine, and says what is downloaded.

PyPI's PyTorch for Linux brings CUDA: several GB, of no use without an NVIDIA GPU. PyTorch's own index of CPU wheels,
named on the command line, has a small one; where it cannot be reached, PyTorch comes from pip's own index.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

PACKAGES = Path(__file__).with_name("engine.txt")
WAIT_S = 3.0


def main() -> int:
    """Install everything; returns pip's exit status."""
    cpu_index = sys.argv[1]
    if shutil.which("nvidia-smi"):
        say("NVIDIA GPU found: installing PyTorch with CUDA, about 3 GB, once.")
    elif reachable(f"{cpu_index}/torch/"):
        say("No NVIDIA GPU: installing the CPU build of PyTorch, about 200 MB, once.")
        if status := pip("--no-deps", "--index-url", cpu_index, torch()):
            return status
    else:
        say(
            "No NVIDIA GPU, and PyTorch's index of CPU wheels does not answer: installing PyTorch from pip's own index,"
        )
        say("about 200 MB where that has the CPU build, about 3 GB where it has the CUDA build. Once.")
    return pip("--requirement", str(PACKAGES))


def torch() -> str:
    """Returns the pinned requirement for PyTorch."""
    return next(line for line in PACKAGES.read_text("utf-8").splitlines() if line.startswith("torch=="))


def reachable(url: str) -> bool:
    """True when the address answers within a few seconds."""
    try:
        urllib.request.urlopen(url, timeout=WAIT_S).close()
    except (OSError, ValueError):
        return False
    return True


def pip(*arguments: str) -> int:
    """Run `pip install`; of its output, only the downloads with their sizes and the errors are shown."""
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar=off", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for line in process.stdout:
            words = line.split()
            if words[:1] == ["Downloading"] and words[-1:] == ["MB)"]:
                say(f"  {words[1].rpartition('/')[2]} {words[-2]} {words[-1]}")
    return process.returncode


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
