"""`python -m dg_lsp.benchmark [--repeats N] [--seed N]`: prints the figures."""

from __future__ import annotations

import argparse
import os
import platform
import random
import statistics
from collections.abc import Callable
from functools import partial
from importlib.metadata import version

from rich.console import Console
from rich.table import Table

from dg_lsp import benchmark
from dg_lsp.benchmark import measures
from dg_lsp.benchmark.engine import instant_engine
from dg_lsp.benchmark.servers import serve_bare, serve_watched
from dg_lsp.benchmark.stores import Times, script, stores

MANY = 200
_LINE = "    value = compute(first, second)  # naïve, 한국\n"
_FUNCTION = "def work_{0}(first, second):\n    value = compute(first, {0})\n    return value\n\n\n"
DOCUMENTS = {
    "5,000 lines": _LINE * 5_000,
    "50,000 lines": _LINE * 50_000,
    "1 MB line": "x=compute(1);" * (2**20 // 13),
    "1 MB line, not ASCII": "x='é한';" * (2**20 // 11),
}
_REPEATS_OF_MANY = 3  # pygls takes seconds for each, in one long line a minute: there it is left out
_STARTS = 5


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m dg_lsp.benchmark", description=benchmark.__doc__)
    parser.add_argument("--repeats", type=int, default=30, help=f"keys timed; of {MANY} edits {_REPEATS_OF_MANY}")
    parser.add_argument("--seed", type=int, default=0, help="of the places that are edited")
    parser.add_argument("--bare", action="store_true", help=argparse.SUPPRESS)  # be the server that we compare with
    parser.add_argument("--watched", action="store_true", help=argparse.SUPPRESS)  # be ours, with a clock
    arguments = parser.parse_args()
    if arguments.bare or arguments.watched:
        (serve_bare if arguments.bare else serve_watched)()
        return 0
    if arguments.repeats < 1:
        parser.error("--repeats takes 1 or more")
    console = Console(highlight=False)
    packages = ", ".join(f"{name} {version(name)}" for name in ("dg-lsp", "pygls", "lsprotocol"))
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    console.print(f"machine   {_cpu()}, {os.cpu_count()} CPUs{load}, {platform.system()} {platform.release()}")
    console.print(f"versions  {packages}, Python {platform.python_version()}")
    console.print(f"seed      {arguments.seed}, {arguments.repeats} keys, {_REPEATS_OF_MANY} times {MANY} edits")
    with console.status("timing ...") as status:
        tables = [
            _beside_pygls(arguments.repeats, arguments.seed, lambda what: status.update(f"timing {what} ...")),
            _freezes(arguments.repeats, lambda what: status.update(f"timing {what} ...")),
        ]
    for table in tables:
        console.print(table)
    return 0


def _beside_pygls(repeats: int, seed: int, on_work: Callable[[str], None]) -> Table:
    table = _table("work", "document", "ms", "median", "95 %", "min")
    for name, text in DOCUMENTS.items():
        on_work(name)
        source = random.Random(seed)
        works = (("store, one key", 1, repeats), (f"store, {MANY} edits", MANY, _REPEATS_OF_MANY))
        for work, count, messages in works if "\n" in text else works[:1]:
            _add(table, work, name, stores(text, script(text, source, messages, count)))
        _add(table, "server, one key", name, measures.keys(text, script(text, source, repeats, 1)))
    on_work("completions and starts")
    code = _code(5_000)
    with instant_engine() as environment:
        _add(table, "completion by hand", "5,000 lines", measures.completions(code, repeats, environment))
        memory = measures.memory(code, environment)
    _add(table, "start to initialized", "-", measures.starts(_STARTS))
    for name, mib in memory.items():
        table.add_row("memory, MiB", "5,000 lines", name, "-" if mib is None else f"{mib:.0f}", "", "")
    return table


def _freezes(repeats: int, on_work: Callable[[str], None]) -> Table:
    """How long a request waits that can be answered at once, and how long the event loop was held at most."""
    table = _table("pings while", "document", "number", "median", "95 %", "max", "held")
    code = {lines: _code(lines) for lines in (5_000, 50_000)}
    long_line = DOCUMENTS["1 MB line"] + "\n\n"
    works = [
        ("nothing", "5,000 lines", partial(measures.pings, measures.resting, code[5_000], 0)),
        ("typing", "5,000 lines", partial(measures.pings, measures.typing, code[5_000], 2_503)),
        ("typing", "50,000 lines", partial(measures.pings, measures.typing, code[50_000], 25_003)),
        ("typing", "below a 1 MB line", partial(measures.pings, measures.typing, long_line, 1)),
        ("typing", "in a 1 MB line", partial(measures.pings, measures.typing, long_line, 0)),
        ("it is rewritten", "5,000 lines", partial(measures.pings, measures.rewriting, code[5_000], 2_503)),
        ("it is rewritten", "50,000 lines", partial(measures.pings, measures.rewriting, code[50_000], 25_003)),
    ]
    with instant_engine() as environment:
        for work, name, pings in works:
            on_work(f"{work}, {name}")
            times, held = pings(repeats, environment)
            ordered = sorted(times)
            figures = (statistics.median(ordered), ordered[round(0.95 * (len(ordered) - 1))], ordered[-1], held)
            table.add_row(work, name, str(len(ordered)), *(f"{figure:.2f}" for figure in figures))
    return table


def _code(lines: int) -> str:
    return "".join(map(_FUNCTION.format, range(lines // 5)))


def _table(*columns: str) -> Table:
    table = Table(*columns, box=None)
    for column in table.columns[3:]:
        column.justify = "right"
    return table


def _add(table: Table, work: str, document: str, times: Times) -> None:
    for name, values in times.items():
        ordered = sorted(values)
        figures = (statistics.median(ordered), ordered[round(0.95 * (len(ordered) - 1))], ordered[0])
        table.add_row(work, document, name, *(f"{figure:.3f}" for figure in figures))


def _cpu() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    raise SystemExit(main())
