"""An engine that answers at once and always the same, so that what is timed is the server."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from threading import Thread
from typing import Any

from engine.protocol import Candidate, FillResult, Health, to_json

MIDDLE = "print(first, second)"


@contextmanager
def instant_engine() -> Iterator[dict[str, str]]:
    """The environment of a server that finds this engine."""
    with tempfile.TemporaryDirectory(prefix="dg") as folder:
        server = _Server(str(Path(folder) / "engine.sock"), _Handler)
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield {**os.environ, "DG_RUNTIME_DIR": folder}
        finally:
            server.shutdown()
            server.server_close()


class _Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        health = Health(state="ready", progress=1.0, model="instant", device="none", version="0", pid=os.getpid())
        self._answer("application/json", json.dumps(to_json(health)))

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        candidate = Candidate(middle=MIDDLE, source="copied", confidence=1.0)
        result = FillResult(candidates=(candidate,), finish_reason="stop", steps=1, model="instant")
        self._answer("text/event-stream", f"event: done\ndata: {json.dumps(to_json(result))}\n\n")

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""

    def _answer(self, kind: str, text: str) -> None:
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
