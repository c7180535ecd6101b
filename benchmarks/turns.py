"""Both systems do the same work in turns, so that a disturbance of the machine hits both."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass

from benchmarks.fim_servers import Memory, Server
from benchmarks.greedy import Continued, Worker
from benchmarks.typing_session import Kind, Request

_STARTS, _ROUNDS = 3, 2

StartServer = Callable[[], AbstractContextManager[Server]]
Times = dict[str, list[float]]
"""Milliseconds, by system."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of a server, the time it took and the kind of its request."""

    kind: Kind
    ms: float
    text: str


def continue_in_turns(
    workers: Sequence[Callable[[], Worker]], texts: Sequence[str]
) -> tuple[dict[str, list[Continued]], dict[str, str]]:
    """What each network made of each text, `_ROUNDS` times, and what computed there."""
    _say("starting both networks ...")
    with ExitStack() as stack:
        running = [stack.enter_context(start()) for start in workers]
        found: dict[str, list[Continued]] = {worker.name: [] for worker in running}
        for number in range(_ROUNDS + 1):
            _say(f"continuing texts, round {number} of {_ROUNDS} ..." if number else "warming up ...")
            for text in texts if number else texts[:1]:
                for worker in running:
                    continued = worker.continued(text)
                    if number:
                        found[worker.name].append(continued)
        return found, {worker.name: worker.version for worker in running}


def start_in_turns(systems: Sequence[StartServer]) -> Times:
    """How long each server took to be ready."""
    found: Times = {}
    for number in range(1, _STARTS + 1):
        _say(f"starting both servers, {number} of {_STARTS} ...")
        for start in systems:
            with start() as server:
                found.setdefault(server.name, []).append(server.load_ms)
    return found


def complete_in_turns(
    systems: Sequence[StartServer], typed: Sequence[Sequence[Request]]
) -> tuple[dict[str, list[Answer]], dict[str, Memory]]:
    """Every request's answer by each server, and their memory in the end."""
    with ExitStack() as stack:
        servers = [stack.enter_context(start()) for start in systems]
        found: dict[str, list[Answer]] = {server.name: [] for server in servers}
        for number, requests in enumerate(typed, 1):
            _say(f"typing, session {number} of {len(typed)} ...")
            for request in requests:
                for server in servers:
                    begun = time.perf_counter()
                    text = server.complete(request)
                    found[server.name].append(Answer(request.kind, 1e3 * (time.perf_counter() - begun), text))
        return found, {server.name: server.memory() for server in servers}


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
