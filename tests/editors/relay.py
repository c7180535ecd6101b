"""Stands between an editor and the language server: `python relay.py NOTES COMMAND...`.

Every request for ghost text and every answer to one adds a line to NOTES: ["request" or "answer", id, ns since 1970].
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import IO, Any

_METHOD = "textDocument/inlineCompletion"


def relay(notes: Path, command: list[str]) -> int:
    """Run the server and pass all messages on; its exit status."""
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert server.stdin
    assert server.stdout
    asked: set[object] = set()
    with notes.open("a", buffering=1) as log:

        def request(message: dict[str, Any]) -> None:
            if message.get("method") == _METHOD:
                asked.add(message["id"])
                log.write(json.dumps(["request", message["id"], time.time_ns()]) + "\n")

        def answer(message: dict[str, Any]) -> None:
            if "method" not in message and message.get("id") in asked:
                log.write(json.dumps(["answer", message["id"], time.time_ns()]) + "\n")

        Thread(target=_pass_on, args=(sys.stdin.buffer, server.stdin, request), daemon=True).start()
        _pass_on(server.stdout, sys.stdout.buffer, answer)
    return server.wait()


def _pass_on(source: IO[bytes], target: IO[bytes], note: Callable[[dict[str, Any]], None]) -> None:
    while header := source.readline():
        while (line := source.readline()).strip():
            header += line
        size = int(header.lower().partition(b"content-length:")[2].split()[0])
        body = source.read(size)
        note(json.loads(body))
        target.write(header + b"\r\n" + body)
        target.flush()
    target.close()


if __name__ == "__main__":
    sys.exit(relay(Path(sys.argv[1]), sys.argv[2:]))
