"""`dg-lsp doctor`: checks the installation, a line for each fact, with the command that mends what is wrong."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import platform
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.status import Status
from rich.text import Text

import engine.protocol
from dg_lsp.client.launch import ready_engine
from dg_lsp.client.local import EngineUnavailable
from dg_lsp.lsp_client import LspError, server_process
from dg_lsp.syntax.languages import LANGUAGES, query
from engine.protocol import Health, log_path, runtime_folder, socket_path

_FAILED, _INTERRUPTED = 1, 130
_STYLES = {"ok": "green", "warn": "yellow", "FAIL": "bold red"}
_ROUND_TRIP_WITHIN_S = 60.0
_MODEL = Path(engine.protocol.__file__).parent / "default_model"
_MODEL_FILES = ("config.json", "generation_config.json", "model.safetensors", "tokenizer.json")
_OWN_FOLDER = 'export DG_RUNTIME_DIR="$HOME/.cache/dg-lsp"'
_CLONE = Path(__file__).parents[1]
_CLONED = (_CLONE / "requirements" / "engine.txt").exists()
_INSTALL = (
    f"{sys.executable} -m pip install --force-reinstall -r {_CLONE / 'requirements' / 'engine.txt'}"
    if _CLONED
    else "pip install --force-reinstall 'dg-lsp[engine]'"
)
_RESTORE = f"git -C {_CLONE} checkout -- engine/default_model" if _CLONED else _INSTALL

# Run by another process, because importing torch takes seconds and hundreds of megabytes.
_ASK_TORCH = """\
import json, torch
cuda = torch.cuda.is_available()
gpu = torch.cuda.get_device_properties(0) if cuda else None
print(json.dumps([torch.__version__, torch.version.cuda, gpu and gpu.name, gpu and gpu.total_memory]))
"""


@dataclass(frozen=True, slots=True)
class Check:
    """One fact about the installation, and the command that mends it when it is wrong."""

    level: Literal["ok", "warn", "FAIL"]
    name: str
    fact: str
    remedy: str = ""


def run(url: str = "") -> int:
    """Print every check; returns the exit status: 0 when none failed, 1 else, 130 after Ctrl-C.

    With a `url` the engine there is looked at, and nothing that only an engine on this machine needs.
    """
    console = Console(highlight=False)
    failed = False
    try:
        with console.status("Checking") as status:
            for check in _checks(status, url):
                failed = failed or check.level == "FAIL"
                line = Text().append(f"{check.level:4}", _STYLES[check.level]).append(f"  {check.name:15} {check.fact}")
                console.print(line.append(f"; run: {check.remedy}" if check.remedy else ""), soft_wrap=True)
    except KeyboardInterrupt:
        return _INTERRUPTED
    return _FAILED if failed else 0


def _checks(status: Status, url: str) -> Iterator[Check]:
    yield Check("ok", "system", platform.platform())
    yield Check("ok", "Python", f"{platform.python_version()}, {sys.executable}")
    yield check_command()
    if not url:
        status.update("Asking torch")
        yield check_torch()
        yield from check_model(_MODEL)
    yield check_grammars()
    if url:
        # What the checks of an engine advise is for one on this machine.
        yield from (replace(check, remedy="") for check in _check_use(status, url))
        return
    folder = check_runtime_folder(runtime_folder())
    yield folder
    if folder.level == "FAIL":
        yield Check("warn", "engine", "not tried without a runtime folder")
    else:
        yield from _check_use(status, url)


def _check_use(status: Status, url: str) -> Iterator[Check]:
    """The engine, and the language server with it."""
    status.update(f"Asking {url}" if url else "Starting the engine")
    yield (started := asyncio.run(_check_engine(status, url)))
    if started.level != "FAIL":
        status.update("Filling a hole")
        yield asyncio.run(_check_round_trip(url))


def check_command() -> Check:
    """The version of dg-lsp, and whether an editor finds the command."""
    fact = f"{version('dg-lsp')}, {Path(__file__).parent}"
    if shutil.which("dg-lsp"):
        return Check("ok", "dg-lsp", fact)
    return Check("warn", "dg-lsp", f"{fact}; no dg-lsp on PATH", f'export PATH="{Path(sys.executable).parent}:$PATH"')


def check_torch() -> Check:
    """torch, what it was built for, and the device it will use."""
    command = [sys.executable, "-c", _ASK_TORCH]
    answer = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", errors="replace")
    if answer.returncode:
        why = (answer.stderr.strip().splitlines() or [f"exit status {answer.returncode}"])[-1]
        return Check("FAIL", "torch", f"cannot be imported ({why})", _INSTALL)
    torch, cuda, gpu, gpu_memory = json.loads(answer.stdout.splitlines()[-1])
    build = f"{torch}, built for CUDA {cuda}" if cuda else f"{torch}, built without CUDA"
    if gpu:
        return Check("ok", "torch", f"{build}; device: {gpu} with {gpu_memory / 2**30:.0f} GiB")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    fact = f"{build}; device: CPU, {os.cpu_count()} cores with {memory:.0f} GiB of memory"
    if shutil.which("nvidia-smi"):
        return Check("warn", "torch", f"{fact}, although there is an NVIDIA GPU", "pip install --force-reinstall torch")
    return Check("ok", "torch", fact)


def check_model(folder: Path) -> Iterator[Check]:
    """Every file of the default model: there, and the same as in its list of hashes."""
    recorded = _recorded_hashes(folder / "SHA256SUMS")
    for name in sorted({*_MODEL_FILES, *recorded}):
        try:
            data = (folder / name).read_bytes()
        except OSError as error:
            yield Check("FAIL", "model", f"{folder / name} cannot be read ({error.strerror})", _RESTORE)
            continue
        digest = hashlib.sha256(data).hexdigest()
        fact = f"{name}, {_size(len(data))}, sha256 {digest[:12]}"
        if name in recorded and recorded[name] != digest:
            yield Check("FAIL", "model", f"{fact}, but it should be {recorded[name][:12]}", _RESTORE)
        else:
            yield Check("ok", "model", fact if name in recorded else f"{fact} (not in SHA256SUMS)")


def _recorded_hashes(sums: Path) -> dict[str, str]:
    """File name to hash, from a list as `sha256sum` writes it; empty when there is none."""
    lines = sums.read_text(encoding="utf-8").splitlines() if sums.exists() else []
    pairs = (line.split(maxsplit=1) for line in lines if line.strip())
    return {name.lstrip("*"): digest for digest, name in pairs}


def _size(count: int) -> str:
    return f"{count / 2**20:.1f} MiB" if count >= 2**20 else f"{count / 2**10:.1f} KiB"


def check_grammars() -> Check:
    """Every language: its grammar loads and fits its query."""
    for language in LANGUAGES:
        try:
            query(language)
        except Exception as error:  # a grammar that does not fit fails in ways of its own
            why = f"{language}: {type(error).__name__}: {error}"
            package = f"tree-sitter-{language.removesuffix('react')}"
            return Check("FAIL", "grammars", why, f"pip install --force-reinstall tree-sitter {package}")
    return Check("ok", "grammars", ", ".join(LANGUAGES))


def check_runtime_folder(folder: Path) -> Check:
    """The folder for the engine's socket: there or made now, ours and writable, open to nobody else."""
    name = "runtime folder"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
    except OSError as error:
        return Check("FAIL", name, f"{folder} cannot be made ({error.strerror})", _OWN_FOLDER)
    if found.st_uid != os.getuid():
        return Check("FAIL", name, f"{folder} belongs to another user", _OWN_FOLDER)
    if not os.access(folder, os.W_OK | os.X_OK):
        return Check("FAIL", name, f"{folder} cannot be written to", f"chmod 700 {folder}")
    mode = stat.S_IMODE(found.st_mode)
    socket = f"socket {socket_path().name} {'is there' if socket_path().is_socket() else 'is not there yet'}"
    if mode & 0o022:
        return Check("FAIL", name, f"{folder} can be written to by others (mode {mode:04o})", f"chmod 700 {folder}")
    return Check("ok", name, f"{folder}, mode {mode:04o}, {socket}")


async def _check_engine(status: Status, url: str) -> Check:
    """The engine, found or started, or the one at `url`."""

    async def on_health(health: Health) -> None:
        status.update(f"Loading {health.model}, {health.progress:.0%}")

    begin = time.monotonic()
    try:
        client = await ready_engine(on_health, url=url)
        try:
            health = await client.health()
        finally:
            await client.close()
    except EngineUnavailable as error:
        return Check("FAIL", "engine", str(error), f"tail {log_path()}" if log_path().exists() else _INSTALL)
    found = f"{health.model} on {health.device}, context {health.context_tokens} tokens, gap {health.gap_tokens}"
    fact = f"{f'{url}: ' if url else ''}{found}, pid {health.pid}, ready after {time.monotonic() - begin:.1f} s"
    if health.version != version("dg-lsp"):
        return Check("warn", "engine", f"{fact}, but it is of version {health.version}", "dg-engine stop")
    return Check("ok", "engine", fact)


async def _check_round_trip(url: str) -> Check:
    """One fill through a real `dg-lsp` process, as an editor asks for it."""
    begin = time.monotonic()
    try:
        return await asyncio.wait_for(_round_trip(begin, url), _ROUND_TRIP_WITHIN_S)
    except (LspError, EngineUnavailable) as error:
        return Check("FAIL", "round trip", str(error), f"tail {log_path()}")
    except asyncio.TimeoutError:
        return Check("FAIL", "round trip", f"no answer within {_ROUND_TRIP_WITHIN_S:.0f} s", "dg-engine stop")


async def _round_trip(begin: float, url: str) -> Check:
    uri, text = "untitled:doctor.py", "def add(first, second):\n    return first + "
    async with server_process() as client:
        await client.initialize({"engine": {"url": url}})
        await client.until_ready(lambda _: None)
        started = time.monotonic()
        document = {"uri": uri, "languageId": "python", "version": 1, "text": text}
        client.notify("textDocument/didOpen", {"textDocument": document})
        place = {"textDocument": {"uri": uri}, "position": {"line": 1, "character": 19}}
        items = await client.request("textDocument/inlineCompletion", {**place, "context": {"triggerKind": 1}})
        took = f"dg-lsp ready in {started - begin:.2f} s, a fill in {time.monotonic() - started:.2f} s"
        if items:
            return Check("ok", "round trip", took)
        fact = f"{took}, without an answer ({'; '.join(client.said())})"
        if client.status_kind == "Normal":  # the model may have nothing to offer
            return Check("warn", "round trip", fact)
        return Check("FAIL", "round trip", fact, f"tail {log_path()}")
