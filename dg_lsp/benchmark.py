"""Times the document store beside pygls's own, and a key's way through this server beside a bare pygls server.

`python -m dg_lsp.benchmark [--repeats N] [--seed N]`. The two stores, and the two servers, get the same edits in turns,
so that a disturbance of the machine hits both; the stores' texts have to be equal in the end. No engine is started.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from typing import Any

from lsprotocol import converters, types
from pygls.lsp.server import LanguageServer
from pygls.workspace import Workspace
from rich.console import Console
from rich.table import Table

from dg_lsp.documents import DocumentStore

URI = "file:///benchmark.py"
MANY = 200
_LINE = "    value = compute(first, second)  # naïve, 한국\n"
DOCUMENTS = {
    "5,000 lines": _LINE * 5_000,
    "50,000 lines": _LINE * 50_000,
    "1 MB line": "x=compute(1);" * (2**20 // 13),
    "1 MB line, not ASCII": "x='é한';" * (2**20 // 11),
}
_SERVERS = {"dg-lsp": ["dg_lsp"], "pygls": ["dg_lsp.benchmark", "--bare"]}
_REPEATS_OF_MANY = 3  # pygls takes seconds for each, in one long line a minute: there it is left out

Change = types.TextDocumentContentChangePartial
Apply = Callable[[types.VersionedTextDocumentIdentifier, Sequence[Change]], object]


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m dg_lsp.benchmark", description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=30, help=f"keys timed; of {MANY} edits {_REPEATS_OF_MANY}")
    parser.add_argument("--seed", type=int, default=0, help="of the places that are edited")
    parser.add_argument("--bare", action="store_true", help=argparse.SUPPRESS)  # be the server that we compare with
    arguments = parser.parse_args()
    if arguments.bare:
        LanguageServer("bare", "1").start_io()
        return 0
    if arguments.repeats < 1:
        parser.error("--repeats takes 1 or more")
    console = Console(highlight=False)
    packages = ", ".join(f"{name} {version(name)}" for name in ("dg-lsp", "pygls", "lsprotocol"))
    console.print(f"machine   {_cpu()}, {os.cpu_count()} CPUs, {platform.system()} {platform.release()}")
    console.print(f"versions  {packages}, Python {platform.python_version()}")
    console.print(f"seed      {arguments.seed}, {arguments.repeats} keys, {_REPEATS_OF_MANY} times {MANY} edits")
    table = Table("work", "document", "ms", "median", "95 %", "min", box=None)
    for column in table.columns[3:]:
        column.justify = "right"
    with console.status("timing ...") as status:
        for name, text in DOCUMENTS.items():
            status.update(f"timing {name} ...")
            source = random.Random(arguments.seed)
            works = (("store, one key", 1, arguments.repeats), (f"store, {MANY} edits", MANY, _REPEATS_OF_MANY))
            for work, count, repeats in works if "\n" in text else works[:1]:
                _add(table, work, name, _stores(text, _script(text, source, repeats, count)))
            script = _script(text, source, arguments.repeats, 1)
            _add(table, "server, one key", name, _servers(text, script))
    console.print(table)
    return 0


def _script(text: str, source: random.Random, messages: int, count: int) -> list[list[Change]]:
    """Messages of `count` edits each, at random places: a letter is put in, or one is replaced by two."""
    lines = text.split("\n")  # without characters beyond U+FFFF, so that every column is a place between two

    def edit() -> Change:
        line = source.randrange(max(len(lines) - 1, 1))
        start = source.randrange(len(lines[line]))
        where = types.Range(types.Position(line, start), types.Position(line, start + (count > 1)))
        return Change(where, "a" if count == 1 else "ab")

    return [[edit() for _ in range(count)] for _ in range(messages)]


def _stores(text: str, script: list[list[Change]]) -> dict[str, list[float]]:
    """The milliseconds of each message in our store and in that of pygls."""
    ours, theirs = DocumentStore(), Workspace(None)
    item = types.TextDocumentItem(URI, "python", 0, text)
    ours.open(item)
    theirs.put_text_document(item)

    def change_theirs(document: types.VersionedTextDocumentIdentifier, changes: Sequence[Change]) -> None:
        for change in changes:  # as its handler of didChange does
            theirs.update_text_document(document, change)

    applies: dict[str, Apply] = {
        "dg-lsp": lambda document, changes: ours.change(document, changes, "utf-16"),
        "pygls": change_theirs,
    }
    times: dict[str, list[float]] = {name: [] for name in applies}
    for number, changes in enumerate(script, 1):
        for name, apply in applies.items():
            document = types.VersionedTextDocumentIdentifier(number, URI)
            times[name].append(_timed(partial(apply, document, changes)))
    snapshot = ours.get(URI)
    if snapshot is None or snapshot.text != theirs.get_text_document(URI).source:
        raise SystemExit("The two stores hold different texts: the benchmark compares nothing")
    return times


def _servers(text: str, script: list[list[Change]]) -> dict[str, list[float]]:
    """The milliseconds from a didChange to the answer of a request behind it, over stdio.

    The request is one that both refuse, so that what is timed is the change and the way there and back.
    """
    processes = {
        name: subprocess.Popen(
            [sys.executable, "-m", *module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        for name, module in _SERVERS.items()
    }
    times: dict[str, list[float]] = {name: [] for name in processes}
    plain = converters.get_converter().unstructure
    try:
        for process in processes.values():
            # Without `initialized`: dg-lsp would start an engine.
            _ask(process, "initialize", {"processId": None, "rootUri": None, "capabilities": {}})
            item = {"uri": URI, "languageId": "python", "version": 0, "text": text}
            _send(process, "textDocument/didOpen", {"textDocument": item})
            _ask(process, "benchmark/echo", {})
        for number, changes in enumerate(script, 1):
            params = {"textDocument": {"uri": URI, "version": number}, "contentChanges": plain(changes)}
            for name, process in processes.items():
                times[name].append(_timed(partial(_change, process, params)))
    finally:
        for process in processes.values():
            process.kill()
            process.wait()
    return times


def _change(process: subprocess.Popen[bytes], params: Any) -> None:
    _send(process, "textDocument/didChange", params)
    _ask(process, "benchmark/echo", {})


def _send(process: subprocess.Popen[bytes], method: str, params: Any, **identity: int) -> None:
    body = json.dumps({"jsonrpc": "2.0", **identity, "method": method, "params": params}).encode()
    assert process.stdin
    process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
    process.stdin.flush()


def _ask(process: subprocess.Popen[bytes], method: str, params: Any) -> None:
    """Send a request and wait for its answer, past the server's notifications."""
    _send(process, method, params, id=1)
    assert process.stdout
    while header := process.stdout.readline():
        name, _, length = header.partition(b":")
        if name.lower() == b"content-length":
            while process.stdout.readline().strip():
                pass
            if "id" in json.loads(process.stdout.read(int(length))):
                return
    raise SystemExit(f"{process.args!r} ended: run it by hand to see why")


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1e3


def _add(table: Table, work: str, document: str, times: dict[str, list[float]]) -> None:
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
