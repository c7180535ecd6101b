"""The command `dg-lsp`: the language server, one fill, a check-up, a demonstration.

Exit status: 0 done, 1 nothing to offer, 2 bad usage or bad input, 3 engine unavailable, 130 interrupted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dg_lsp.client.launch import OnHealth, ready_engine
from dg_lsp.client.local import EngineError, EngineUnavailable
from dg_lsp.completion.fill import Filled, Wanted, fill
from dg_lsp.documents import Snapshot
from dg_lsp.files import DocumentError, read_document
from dg_lsp.syntax.holes import Hole, cursor_hole, function_hole
from engine.protocol import FillResult, Health, to_json

NOTHING, BAD_INPUT, NO_ENGINE, INTERRUPTED = 1, 2, 3, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    if options.command == "fill":
        return _run_fill(options)
    if options.command == "doctor":
        from dg_lsp.doctor import run as run_doctor

        return run_doctor()
    if options.command == "demo":
        from dg_lsp.demo import run as run_demo

        return run_demo()
    return _run_server()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dg-lsp", description="A language server that fills gaps in code. Without a command: serve on stdio."
    )
    parser.add_argument("--version", action="version", version=f"dg-lsp {version('dg-lsp')}")
    parser.add_argument("--stdio", action="store_true", help="serve on stdio (what it does anyway; editors pass it)")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    fill_parser = commands.add_parser("fill", help="print the middle for one place in a file")
    fill_parser.add_argument(
        "place", metavar="PATH:LINE:COLUMN", type=_place, help="both numbers from 1, in characters"
    )
    fill_parser.add_argument("--json", action="store_true", help="print a JSON object instead of the text")
    fill_parser.add_argument("--max-tokens", metavar="N", type=_positive, default=64, help="length bound (default 64)")
    fill_parser.add_argument("--candidates", metavar="N", type=_positive, default=1, help="middles to choose from")
    fill_parser.add_argument("--seed", metavar="N", type=int, default=0, help="same seed, same answer (default 0)")
    commands.add_parser("doctor", help="check the installation, line by line")
    commands.add_parser("demo", help="watch real code being filled")
    return parser


def _place(text: str) -> tuple[Path, int, int]:
    path, *numbers = text.rsplit(":", 2)
    if path and len(numbers) == 2 and all(number.isdecimal() and int(number) > 0 for number in numbers):
        return Path(path), int(numbers[0]), int(numbers[1])
    raise argparse.ArgumentTypeError(f"{text!r} is not PATH:LINE:COLUMN with both numbers from 1 up")


def _positive(text: str) -> int:
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")


def _run_server() -> int:
    from dg_lsp.server import serve

    # The default action, because Python's would wait for the thread that reads stdin.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if sys.stdin.isatty():
        print("dg-lsp serves an editor on stdin and stdout; try `dg-lsp --help`. Ctrl-C ends it.", file=sys.stderr)
    return serve()


def _run_fill(options: argparse.Namespace) -> int:
    try:
        snapshot = read_document(options.place[0])
        hole = _hole(snapshot, *options.place[1:])
        wanted = Wanted(max_tokens=options.max_tokens, candidates=options.candidates, seed=options.seed)
        result = asyncio.run(_filled(snapshot, hole, wanted))
    except DocumentError as error:
        return _stop(BAD_INPUT, str(error))
    except EngineUnavailable as error:
        return _stop(NO_ENGINE, str(error))
    except EngineError as error:
        return _stop(BAD_INPUT if error.code == "bad_request" else NO_ENGINE, error.message)
    except KeyboardInterrupt:
        return INTERRUPTED
    if not result.candidates:
        return _stop(NOTHING, f"nothing to offer: {result.why_nothing}")
    print(json.dumps(_as_json(snapshot, hole, result)) if options.json else result.middle)
    return 0


def _stop(status: int, message: str) -> int:
    print(f"dg-lsp: {message}", file=sys.stderr)
    return status


def _hole(snapshot: Snapshot, line: int, column: int) -> Hole:
    """The stub around the place, where it lies in one, else the place itself. Raises `DocumentError`."""
    if line > snapshot.line_count:
        raise DocumentError(f"line {line} is beyond the end of the file, which has {snapshot.line_count} lines")
    length = len(snapshot.line_text(line - 1))
    if column > length + 1:
        raise DocumentError(f"column {column} is beyond the end of line {line}, which has {length} characters")
    offset = snapshot.line_start(line - 1) + column - 1
    stub = function_hole(snapshot, offset)
    if stub and offset <= stub.end and not snapshot.text[offset : stub.start].strip(" \t"):
        return stub
    return cursor_hole(snapshot, offset)


async def _filled(snapshot: Snapshot, hole: Hole, wanted: Wanted) -> Filled:
    async with _load_bar() as on_health:
        engine = await ready_engine(on_health)
    try:
        return await fill(engine, snapshot, hole, wanted)
    finally:
        await engine.close()


@asynccontextmanager
async def _load_bar() -> AsyncIterator[OnHealth]:
    """A bar on a terminal while the engine starts and loads, if that takes longer than a second."""
    from rich.console import Console
    from rich.progress import Progress

    bar = Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())
    load = bar.add_task("Starting the engine", total=None)

    async def on_health(health: Health) -> None:
        bar.update(load, description=f"Loading {health.model or 'model'}", total=1.0, completed=health.progress)

    show = asyncio.get_running_loop().call_later(1.0, bar.start)
    try:
        yield on_health
    finally:
        show.cancel()
        bar.stop()


def _as_json(snapshot: Snapshot, hole: Hole, result: FillResult) -> dict[str, Any]:
    start, end = snapshot.position_at(hole.start, "utf-16"), snapshot.position_at(hole.end, "utf-16")
    return {
        "middle": result.middle,
        "range": {
            "start": {"line": start.line, "character": start.character},
            "end": {"line": end.line, "character": end.character},
        },
        "finish_reason": result.finish_reason,
        "steps": result.steps,
        "confidence": result.confidence,
        "source": result.candidates[0].source,
        "candidates": [to_json(candidate) for candidate in result.candidates],
        "model": result.model,
        "timings_ms": result.timings_ms,
    }
