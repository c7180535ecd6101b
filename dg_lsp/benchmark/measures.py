"""What is timed through the servers, each in a process of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

from lsprotocol import converters, types

from dg_lsp.benchmark.servers import MODULES, URI, WATCHED, ServerProcess, encoded, server
from dg_lsp.benchmark.stores import Change, Times, timed

_KEY_S = 0.05
"""Between two keys of a fast typist, and two texts of a program that rewrites a file."""
_plain = converters.get_converter().unstructure

Environment = Mapping[str, str]


def keys(text: str, messages: list[list[Change]]) -> Times:
    """From a didChange to the answer of a request behind it, which both servers refuse."""

    def key(process: ServerProcess, params: Any) -> None:
        process.send("textDocument/didChange", params)
        process.ping()

    return _in_turns(text, messages, key)


def completions(text: str, repeats: int, environment: Environment) -> Times:
    """From a new line in a function to the answer of a request by hand there; functions are five lines long."""

    def complete(process: ServerProcess, params: Any) -> None:
        process.send("textDocument/didChange", params)
        line = params["contentChanges"][0]["range"]["end"]["line"]
        assert process.ask("textDocument/inlineCompletion", _inline(line + 1, 4, trigger=1))

    # From below upwards, so that what is put in moves none of the places that follow.
    ends = [types.Position(line, 2**31 - 1) for line in range(text.count("\n") - 4, 0, -5)][:repeats]
    return _in_turns(text, [[Change(types.Range(end, end), "\n    ")] for end in ends], complete, environment)


def starts(repeats: int) -> Times:
    """From the start of a process to its answer to `initialize`."""
    times: Times = {name: [] for name in MODULES}
    for _ in range(repeats):
        for name, values in times.items():
            with server(MODULES[name]) as process:
                values.append(process.start_ms)
    return times


def memory(text: str, environment: Environment) -> dict[str, float | None]:
    """MiB of each server with one document open and one completion given."""
    found: dict[str, float | None] = {}
    for name in MODULES:
        with server(MODULES[name], environment) as process:
            _prepare(name, process, text)
            process.ask("textDocument/inlineCompletion", _inline(0, 0, trigger=1))
            found[name] = process.memory_mib()
    return found


def typing(process: ServerProcess, text: str, line: int, keys: int) -> None:
    """Keys at a place, each with the requests that an editor sends behind it."""
    process.open(text)
    for number in range(1, keys + 1):
        here = {"line": line, "character": number - 1}
        change = {"range": {"start": here, "end": here}, "text": "a"}
        process.send("textDocument/didChange", _changed(number, change))
        place = {"start": here, "end": here}
        process.send("textDocument/codeAction", {**_document(), "range": place, "context": {"diagnostics": []}}, id=-1)
        process.ask("textDocument/inlineCompletion", _inline(line, number, trigger=2))
        time.sleep(_KEY_S)


def rewriting(process: ServerProcess, text: str, line: int, times: int) -> None:
    """Whole new texts from another program, and an automatic request behind each."""
    # Made before the first is sent, so that this process does not hold up its own pings.
    texts = [encoded("textDocument/didChange", _changed(n, {"text": f"{text}# {n}\n"})) for n in range(1, times + 1)]
    process.open(text)
    for message in texts:
        process.raw(message)
        process.ask("textDocument/inlineCompletion", _inline(line, 0, trigger=2))
        time.sleep(_KEY_S)


def resting(process: ServerProcess, text: str, line: int, times: int) -> None:
    """Nothing: how late pings are on this machine anyway."""
    process.open(text)
    time.sleep(times * _KEY_S)


def pings(
    work: Callable[[ServerProcess, str, int, int], None], text: str, line: int, times: int, environment: Environment
) -> tuple[list[float], float]:
    """The milliseconds of pings to this server while it is kept at work, and those that its event loop was held."""
    with server(WATCHED, environment) as process:
        process.until_ready()
        process.held_ms()
        with process.pinged() as found:
            work(process, text, line, times)
        return found, process.held_ms()


def _in_turns(
    text: str,
    messages: list[list[Change]],
    work: Callable[[ServerProcess, Any], None],
    environment: Environment | None = None,
) -> Times:
    """The times of `work` with the parameters of each change, by all servers in turns."""
    with ExitStack() as stack:
        processes = {name: stack.enter_context(server(module, environment)) for name, module in MODULES.items()}
        for name, process in processes.items():
            _prepare(name if environment else "", process, text)
        times: Times = {name: [] for name in processes}
        for number, changes in enumerate(messages, 1):
            params = {"textDocument": {"uri": URI, "version": number}, "contentChanges": _plain(changes)}
            for name, process in processes.items():
                times[name].append(timed(lambda process=process, params=params: work(process, params)))  # type: ignore[misc]
    return times


def _prepare(name: str, process: ServerProcess, text: str) -> None:
    """Without `initialized` dg-lsp looks for no engine."""
    if name == "dg-lsp":
        process.until_ready()
    process.open(text)


def _document() -> dict[str, Any]:
    return {"textDocument": {"uri": URI}}


def _changed(version: int, change: Any) -> dict[str, Any]:
    return {"textDocument": {"uri": URI, "version": version}, "contentChanges": [change]}


def _inline(line: int, character: int, trigger: int) -> dict[str, Any]:
    place = {"line": line, "character": character}
    return {**_document(), "position": place, "context": {"triggerKind": trigger}}
