"""The models that can be had, listed and downloaded by `dg-engine` in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from dg_lsp.client.launch import engine_command, engine_environment

OnProgress = Callable[[int, int], None]

_NEUTRAL_FOLDER = "/"
"""Not the workspace: with `-m`, Python imports what lies in its folder."""


class ModelsError(Exception):
    """What was asked for cannot be had; one line that says why and what to do."""


async def list_models() -> list[dict[str, Any]]:
    """The rows of `dg-engine models --json`. Raises `ModelsError`."""
    async with _running("models", "--json") as process:
        output, errors = await process.communicate()
        if process.returncode:
            raise ModelsError(_last_line(errors) or f"dg-engine models ended with status {process.returncode}")
    try:
        rows: list[dict[str, Any]] = json.loads(output)
    except ValueError:
        raise ModelsError("dg-engine models printed no JSON: is it of another version?") from None
    return rows


async def download_model(name: str, on_progress: OnProgress) -> str:
    """Download a model; its path. `on_progress` hears the bytes done and all of them.

    A cancelled download stops, and the next one resumes it. Raises `ModelsError`.
    """
    async with _running("download", name, "--json") as process:
        assert process.stdout
        assert process.stderr
        errors = asyncio.ensure_future(process.stderr.read())
        path = ""
        async for line in process.stdout:
            with contextlib.suppress(ValueError, KeyError, TypeError):  # something else was printed
                told = json.loads(line)
                if "path" in told:
                    path = str(told["path"])
                else:
                    on_progress(int(told["done"]), int(told["total"]))
        status, why = await process.wait(), _last_line(await errors)
    if status or not path:
        raise ModelsError(why or f"the download of {name} ended with status {status}")
    return path


@contextlib.asynccontextmanager
async def _running(*words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A `dg-engine` command, which does not outlive the block."""
    process = await asyncio.create_subprocess_exec(
        *engine_command(*words),
        cwd=_NEUTRAL_FOLDER,
        env=engine_environment(),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await asyncio.shield(process.wait())


def _last_line(output: bytes) -> str:
    lines = output.decode(errors="replace").strip().splitlines()
    return lines[-1].strip().removeprefix("dg-engine: ") if lines else ""
