"""The model for `dg-lsp demo`: the smallest that is worth a download is fetched, once, unless DG_MODEL names one."""

from __future__ import annotations

import os
from typing import Any

from dg_lsp.client.models import ModelsError, download_model, list_models
from dg_lsp.demo_view import Screen

_VARIABLE = "DG_MODEL"


async def wanted_model(screen: Screen) -> str:
    """Returns the model that the engine has to run: the one in DG_MODEL, or the one fetched now.

    Returns "" where the engine chooses among those on this machine.
    """
    if named := os.environ.get(_VARIABLE):
        return named
    try:
        row = _to_fetch(await list_models())
        return await _fetched(row, screen) if row else ""
    except ModelsError as error:
        screen.say(f"{error}.")
        screen.say("The demo goes on with dg-default, the weak model in the package.", "bold")
        return ""


def _to_fetch(rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Returns the smallest model to download; None where one that suits this machine is here.

    Up to the recommended one, every model that fits is quick enough, too. Raises `ModelsError` where none fits.
    """
    best = next(place for place, row in enumerate(rows) if row["recommended"])
    downloads = [row for row in rows if row["size_bytes"]]
    suitable = [row for row in rows[: best + 1] if row["size_bytes"] and row["fits"]]
    if not suitable:
        raise ModelsError(f"{downloads[0]['name']} does not fit this machine: it {downloads[0]['why_not']}")
    return None if any(row["downloaded"] for row in suitable) else suitable[0]


async def _fetched(row: dict[str, Any], screen: Screen) -> str:
    """Download a model, its size said first; returns its name. Raises `ModelsError`."""
    name, size = row["name"], row["size_bytes"]
    screen.say(f"Downloading the model {name}: {size / 1e6:.0f} MB, once.", "bold")
    screen.say(f"Ctrl-C interrupts, and the next start goes on from there. {_VARIABLE}=dg-default does without.", "dim")
    with screen.downloading(name, size) as progress:
        await download_model(name, progress)
    return str(name)
