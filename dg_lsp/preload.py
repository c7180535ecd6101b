"""What first requests need and what takes tens of milliseconds to load, loaded in threads: the event loop goes on."""

from __future__ import annotations

import asyncio
import gc
import sys
from importlib import import_module

from dg_lsp.context.secrets import is_secret_file
from dg_lsp.syntax.languages import query

_SWITCH_S = 0.001
"""How long a thread may keep the interpreter from the event loop; a request goes through several such waits."""


def share_interpreter() -> None:
    """Let the event loop come to its turn soon while a thread parses or loads (Python's own interval is 5 ms)."""
    sys.setswitchinterval(_SWITCH_S)


async def preload() -> None:
    """Load what every session needs: modules that others import when first used, and the names of secret files."""
    await asyncio.to_thread(_load)


def preload_language(language_id: str) -> None:
    """Begin to load the grammar and the query of a language."""
    asyncio.get_running_loop().run_in_executor(None, query, language_id)


def _load() -> None:
    for module in ("httpcore", "anyio._backends._asyncio"):
        import_module(module)
    is_secret_file(("some.py",))
    gc.freeze()  # what is loaded stays: to look through all of it again takes 30 ms
