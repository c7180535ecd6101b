"""`dg-lsp fill`: one fill from the command line, printed or written into the file. Exit status: as in `cli`."""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from lsprotocol import types

from dg_lsp import fill_output as output
from dg_lsp.client.launch import ready_engine, serve_command
from dg_lsp.client.local import BadAddress, EngineError, EngineUnavailable
from dg_lsp.completion.choice import SPARE
from dg_lsp.completion.fill import Filled, Wanted, answer, question
from dg_lsp.completion.several import alike
from dg_lsp.completion.sites import Site, site_of
from dg_lsp.context.exclusions import Exclusions
from dg_lsp.context.related import Related
from dg_lsp.documents import DocumentStore, Snapshot
from dg_lsp.files import DocumentError, read_document, text_of, write_document
from dg_lsp.language_ids import language_of
from dg_lsp.settings import Device, EngineSettings, Settings
from dg_lsp.syntax.holes import Hole, HoleKind, cursor_hole, function_hole, hole_at, selection_hole
from engine.protocol import ProtocolError

NOTHING, BAD_INPUT, NO_ENGINE, INTERRUPTED = 1, 2, 3, 130

STDIN = "/dev/stdin"
"""What a place is called that is in the text from stdin."""

_HOLES = ("function", "todo", "arguments", "condition", "arm", "docstring", "cursor")
_SHORT = ("cursor", "arguments", "condition")
_PLACE = re.compile(r"(.+):0*([1-9]\d*):0*([1-9]\d*)(?:-0*([1-9]\d*):0*([1-9]\d*))?", re.DOTALL)
_RELATED_S = 0.5
Spot = tuple[int, int]
"""Line and column, both from 1, in characters."""


@dataclass(frozen=True, slots=True)
class Place:
    """A file, or `STDIN`, and a cursor in it, or a selection up to `end`."""

    path: str
    start: Spot
    end: Spot | None


class _Nothing(Exception):
    """There is nothing to offer, or it is not wanted; the text says so."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add, lengths = parser.add_argument, f"{Settings().inline.max_tokens}, for blocks {Settings().function.max_tokens}"
    place = "a cursor, or a selection to rewrite; numbers from 1, in characters; - is stdin"
    add("place", metavar="PATH:LINE:COLUMN[-LINE:COLUMN]", type=_place, help=place)
    add("--hole", choices=_HOLES, help="what to fill at the cursor (default: an empty function, else the cursor)")
    add("--apply", action="store_true", help="show the change and write it; text from stdin is printed with it")
    add("--yes", action="store_true", help="with --apply: do not ask")
    add("--json", action="store_true", help="print a JSON object instead of the text")
    add("--candidates", metavar="N", type=_positive, default=1, help="print up to N different middles, best first")
    add("--max-tokens", metavar="N", type=_positive, help=f"length bound (default {lengths})")
    add("--seed", metavar="N", type=int, default=0, help="same seed, same answer (default 0)")
    add("--language", metavar="ID", help="what an editor calls it: python, typescriptreact, ... (default: by the name)")
    add("--path", metavar="NAME", help="the name of the text from stdin")
    add("--any-file", action="store_true", help="also a file that is ignored, secret, or not written by hand")
    add("--exclude", metavar="GLOB", action="append", default=[], help="leave such files out; may be given again")
    add("--model", default="", help="of an engine that has to be started: a checkpoint folder or a downloaded model")
    add("--device", choices=get_args(Device), default="auto", help="of an engine that has to be started")


def _place(text: str) -> Place:
    if found := _PLACE.fullmatch(text):
        path, *numbers = found.groups()
        line, column, last, behind = (int(number) if number else 0 for number in numbers)
        return Place(path, (line, column), (last, behind) if last else None)
    raise argparse.ArgumentTypeError(f"{text!r} is not PATH:LINE:COLUMN with both numbers from 1 up")


def _positive(text: str) -> int:
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")


def run(options: argparse.Namespace) -> int:
    """Fill, and show or write the answer; returns the exit status.

    A text from stdin that is to be printed with its middle is printed as it came when there is none.
    """
    given = None
    try:
        if options.place.path == STDIN:
            given = sys.stdin.buffer.read() if sys.stdin else b""  # None: it is closed
        _check(options)
        _fill_and_show(options, given)
        return 0
    except _Nothing as why:
        status, message = NOTHING, str(why)
    except (DocumentError, BadAddress, ProtocolError) as error:
        status, message = BAD_INPUT, str(error)
    except EngineUnavailable as error:
        status, message = NO_ENGINE, str(error)
    except EngineError as error:
        status, message = BAD_INPUT if error.code == "bad_request" else NO_ENGINE, error.message
    except KeyboardInterrupt:
        status, message = INTERRUPTED, ""
    if given is not None and options.apply:
        sys.stdout.buffer.write(given)
    if message:
        print(f"dg-lsp: {message}", file=sys.stderr)
    return status


def _check(options: argparse.Namespace) -> None:
    """Refuse options that do not go together, before anything is done."""
    from_stdin = options.place.path == STDIN
    if options.path and not from_stdin:
        raise DocumentError("--path is for a text from stdin (-:LINE:COLUMN)")
    if options.hole and options.place.end:
        raise DocumentError("a selection is what is to be filled: leave out --hole, or give one place")
    if options.yes and not options.apply:
        raise DocumentError("--yes goes with --apply")
    if options.apply and options.candidates > 1:
        raise DocumentError("--apply writes the best middle: leave out --candidates")
    if options.apply and options.json and from_stdin:
        raise DocumentError("--apply prints the text from stdin: leave out --json")
    asks = options.apply and not (options.yes or from_stdin)
    if asks and (options.json or not (sys.stdin and sys.stdin.isatty())):
        raise DocumentError("--apply asks before it writes, and nobody is there to answer: add --yes")


def _fill_and_show(options: argparse.Namespace, given: bytes | None) -> None:
    name = options.path or ("stdin" if given is not None else options.place.path)
    folder, settings = _project(_real(name)), _settings(options)
    documents, exclusions = DocumentStore(), Exclusions(lambda: [folder], lambda: settings.exclude)
    snapshot = _open(options, name, given, documents)
    hole = _hole(snapshot, options.place, options.hole)
    reason = exclusions.of_document(snapshot, snapshot.line_at(hole.start))
    if reason and not options.any_file:
        raise DocumentError(f"{reason}: add --any-file to have it filled all the same")
    site = site_of(snapshot, hole)
    result = asyncio.run(_filled(snapshot, site, options, settings, Related(documents, exclusions)))
    if not result.candidates:
        raise _Nothing(f"nothing to offer: {result.why_nothing}")
    old = snapshot.text[site.start : site.end]
    new = [candidate for candidate in result.candidates if not alike(output.text_at(site, candidate.middle), old)]
    if not new:
        raise _Nothing("nothing to offer: the model has no other answer")
    result = replace(result, candidates=tuple(new[: options.candidates]))
    with output.printing():
        if options.json:
            output.print_json(snapshot, site, result)
        elif not options.apply:
            output.print_middles(snapshot, site, result.candidates, numbered=options.candidates > 1)
        if options.apply:
            _apply(options, snapshot, site, result.middle)


def _settings(options: argparse.Namespace) -> Settings:
    """An editor's settings, as far as there are options for them."""
    engine = EngineSettings(url=options.engine_url, model=options.model, device=options.device)
    return Settings(engine=engine, exclude=tuple(options.exclude))


def _open(options: argparse.Namespace, name: str, given: bytes | None, documents: DocumentStore) -> Snapshot:
    text = read_document(Path(name)).text if given is None else text_of(given, name)
    language = options.language or language_of(name)
    return documents.open(types.TextDocumentItem(_real(name).as_uri(), language, 0, text))


def _apply(options: argparse.Namespace, before: Snapshot, site: Site, middle: str) -> None:
    """Print the whole text from stdin; show the change of a file, and write it if the user wants it."""
    text = before.text[: site.start] + output.text_at(site, middle) + before.text[site.end :]
    after = Snapshot(before.uri, before.language_id, before.version, text)
    path = options.place.path
    if path == STDIN:
        sys.stdout.buffer.write(after.text.encode("utf-8", "replace"))
        return
    if not options.json:
        output.print_change(path, before, site, after)
    if not (options.yes or output.confirmed(path)):
        raise _Nothing(f"{path} stays as it is")
    write_document(Path(path), after.text, instead_of=before.text)


def _hole(snapshot: Snapshot, place: Place, kind: HoleKind | None) -> Hole:
    """The hole of that kind; without one the stub around the place, else the place. Raises `DocumentError`."""
    start = _offset(snapshot, place.start)
    if place.end:
        return selection_hole(snapshot, start, _offset(snapshot, place.end))
    if kind:
        if hole := hole_at(snapshot, start, kind):
            return hole
        raise DocumentError(f"there is no hole of the kind {kind!r} at line {place.start[0]}, column {place.start[1]}")
    stub = function_hole(snapshot, start)
    if stub and start <= stub.end and not snapshot.text[start : stub.start].strip(" \t"):
        return stub
    return cursor_hole(snapshot, start)


def _offset(snapshot: Snapshot, spot: Spot) -> int:
    line, column = spot
    if line > snapshot.line_count:
        raise DocumentError(f"line {line} is beyond the end of the file, which has {snapshot.line_count} lines")
    length = len(snapshot.line_text(line - 1))
    if column > length + 1:
        raise DocumentError(f"column {column} is beyond the end of line {line}, which has {length} characters")
    return snapshot.line_start(line - 1) + column - 1


async def _filled(
    snapshot: Snapshot, site: Site, options: argparse.Namespace, settings: Settings, related: Related
) -> Filled:
    hole, wished = site.hole, settings.engine
    length = settings.inline.max_tokens if hole.kind in _SHORT else settings.function.max_tokens
    give_up = time.monotonic() + _RELATED_S
    while not await related.read() and time.monotonic() < give_up:
        pass
    wanted = Wanted(
        max_tokens=options.max_tokens or length,
        candidates=options.candidates + SPARE,
        seed=options.seed,
        related=related.snippets(snapshot, site.start),
    )
    asked = question(site.snapshot, hole, wanted)
    with output.Bar() as bar:
        command = serve_command(wished.model, wished.device)
        engine = await ready_engine(bar.load, command=command, url=wished.url)
        try:
            return await answer(engine, asked, bar.draft)
        finally:
            await engine.close()


def _project(path: Path) -> Path:
    """The folder whose .gitignore counts: the repository around a file, else the folder that the file is in."""
    return next((folder for folder in path.parents if (folder / ".git").exists()), path.parents[0])


def _real(name: str) -> Path:
    """Where a name leads to; some Pythons' `Path.resolve` fails where links go round in a circle."""
    return Path(os.path.realpath(name))
