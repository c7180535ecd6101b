"""`dg-engine models` and `dg-engine download`."""

from __future__ import annotations

import argparse
import dataclasses
import json
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

from engine import process
from engine.commands import BAD_INPUT, DONE, INTERRUPTED, UNAVAILABLE, complain
from engine.weights import catalogue
from engine.weights.catalogue import Entry, ModelError, Unreachable, gigabytes
from engine.weights.machine import Machine, this_machine
from engine.weights.progress import Progress, note, print_json, shown

_WIDTH = 200  # of the table where no terminal has a width


@dataclass(frozen=True, slots=True)
class Row:
    """What `dg-engine models --json` tells of a model."""

    name: str
    parameters: int
    size_bytes: int
    memory_bytes: int
    license: str
    languages: tuple[str, ...]
    purpose: str
    fits: bool
    why_not: str
    downloaded: bool
    path: str | None
    loaded: bool
    recommended: bool


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the two commands to the parser of `dg-engine`."""
    listing = commands.add_parser("models", help="list the known models: which fit this machine, which are here")
    listing.add_argument("--json", action="store_true", help="for machines")
    listing.set_defaults(command=models)

    fetching = commands.add_parser("download", help="fetch a model, or go on where that was interrupted")
    fetching.add_argument("model", metavar="NAME|OWNER/NAME[@REVISION]", help="of the list, or of the Hugging Face Hub")
    fetching.add_argument("--from", dest="source", type=Path, metavar="PATH", help="use this file instead of a network")
    fetching.add_argument("--json", action="store_true", help="print the progress as JSON, one object a line")
    fetching.set_defaults(command=download)


def models(arguments: argparse.Namespace) -> int:
    """Print the catalogue as seen from this machine."""
    health = process.ask_health() if process.running() else None
    found = rows(this_machine(), health.model if health and health.state != "error" else None)
    if arguments.json:
        print(json.dumps([dataclasses.asdict(row) for row in found]))
    else:
        _print_table(found)
    return DONE


def rows(machine: Machine, loaded: str | None) -> list[Row]:
    """The catalogue's rows on a machine, where the engine runs the model `loaded`."""
    best = catalogue.best(machine, downloaded=False)
    return [_row(entry, machine, entry.name == loaded, entry is best) for entry in catalogue.CATALOGUE]


def _row(entry: Entry, machine: Machine, loaded: bool, recommended: bool) -> Row:
    why_not = "" if loaded else catalogue.why_not(entry, machine)  # a loaded model has its memory already
    return Row(
        name=entry.name,
        parameters=entry.parameters,
        size_bytes=entry.size_bytes,
        memory_bytes=entry.cpu_bytes if machine.gpu_bytes is None else entry.gpu_bytes,
        license=entry.license,
        languages=entry.languages,
        purpose=entry.purpose,
        fits=not why_not,
        why_not=why_not,
        downloaded=entry.downloaded,
        path=str(entry.path) if entry.downloaded else None,
        loaded=loaded,
        recommended=recommended,
    )


def _print_table(found: list[Row]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("model", "what for", "download", "memory", "fits", "here", box=None, pad_edge=False)
    for row in found:
        table.add_row(
            row.name + (" (recommended)" if row.recommended else ""),
            row.purpose,
            gigabytes(row.size_bytes) if row.size_bytes else "none",
            gigabytes(row.memory_bytes),
            "yes" if row.fits else f"no: {row.why_not}",
            "loaded" if row.loaded else "yes" if row.downloaded else "no",
        )
    Console(width=None if sys.stdout.isatty() else _WIDTH).print(table)
    print("\nFetch one with `dg-engine download NAME`; run it with `dg-engine serve --model NAME`.")
    print(f"Downloaded models are in {catalogue.models_folder()}.")


def download(arguments: argparse.Namespace) -> int:
    """Fetch a model and print where it is."""
    signal.signal(signal.SIGTERM, _end)  # an orderly end, so that pip ends too
    name = arguments.model
    try:
        with shown(name, arguments.json) as progress:
            path, commit = _download(name, arguments.source, progress)
    except Unreachable as error:
        return complain(str(error), UNAVAILABLE)
    except ModelError as error:
        return complain(str(error), BAD_INPUT)
    if arguments.json:
        print_json(name=name, path=str(path))
    else:
        print(f"{commit}{'folder' if path.is_dir() else 'file'} {path}")
    return DONE


def _download(name: str, source: Path | None, progress: Progress) -> tuple[Path, str]:
    """The model's path, and a line with its commit where it is one of the hub."""
    entry = catalogue.find(name)
    if entry is None and source is not None:
        raise ModelError(f"{name} is not in the catalogue: use a file at hand by dg-engine serve --model {source}")
    if entry is None:
        from engine.weights import hub

        folder, commit = hub.download(name, progress)
        return folder, f"commit {commit}\n"
    if reason := catalogue.why_not(entry, this_machine()):
        note(f"{name} does not fit this machine as it is: it {reason}")
    from engine.weights import download

    return download.take(entry, source, progress) if source else download.download(entry, progress), ""


def _end(_: int, __: FrameType | None) -> NoReturn:
    raise SystemExit(INTERRUPTED)
