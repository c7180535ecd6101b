"""A small LSP client for `dg-lsp`'s own commands: it starts a server and speaks JSON-RPC over its stdio."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from dg_lsp.client.local import EngineUnavailable
from engine.protocol import runtime_folder

Message = dict[str, Any]

_LEAVES_WITHIN_S = 5.0
_CAPABILITIES: Message = {
    "general": {"positionEncodings": ["utf-16"]},
    "workspace": {"workspaceEdit": {"documentChanges": True}},
    "textDocument": {
        "inlineCompletion": {},
        "codeAction": {
            "codeActionLiteralSupport": {"codeActionKind": {"valueSet": [""]}},
            "dataSupport": True,
            "resolveSupport": {"properties": ["edit"]},
        },
    },
}


class LspError(Exception):
    """The server refused a request or ended; one line."""


@asynccontextmanager
async def server_process() -> AsyncIterator[LspClient]:
    """A client of a new `dg-lsp` process, which is ended with the block."""
    # A session of its own: Ctrl-C is for the command, which then ends the server. In the root folder, because with
    # `-m` Python would import modules that lie in the user's.
    environment = {**os.environ, "DG_RUNTIME_DIR": str(runtime_folder().absolute())}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "dg_lsp", cwd="/", env=environment, stdin=PIPE, stdout=PIPE, start_new_session=True
    )
    client = LspClient(process)
    try:
        yield client
    finally:
        await client.close()


class LspClient:
    """Requests, notifications and what the server says unasked. Bound to one event loop."""

    def __init__(self, process: Process) -> None:
        self.status_kind = ""  # of the last `didChangeStatus`: Normal, Warning, Error or Inactive
        self._process = process
        self._requests: dict[int, asyncio.Future[Any]] = {}
        self._unasked: asyncio.Queue[Message | None] = asyncio.Queue()
        self._reader = asyncio.create_task(self._read())

    async def initialize(self, settings: Message | None = None) -> None:
        """`initialize` and `initialized`."""
        options = {**(settings or {}), "statistics": False}  # nobody accepts what these commands ask for
        params = {
            "processId": os.getpid(),
            "rootUri": None,
            "capabilities": _CAPABILITIES,
            "initializationOptions": options,
        }
        await self.request("initialize", params)
        self.notify("initialized", {})

    async def until_ready(self, on_status: Callable[[str], object]) -> str:
        """Wait until the server's engine is ready; `on_status` hears how far it is. Answers with the last status.

        Raises `EngineUnavailable` when the server has none.
        """
        while message := await self._unasked.get():
            if message["method"] == "didChangeStatus":
                kind, status = message["params"]["kind"], str(message["params"]["message"])
                if kind == "Error":
                    raise EngineUnavailable(status)
                on_status(status)
                if status.startswith("Ready"):
                    return status
        raise self._ended()

    async def request(self, method: str, params: Any = None) -> Any:
        """The server's result. Raises `LspError`."""
        if self._reader.done():
            raise self._ended()
        number = len(self._requests)
        self._requests[number] = asyncio.get_running_loop().create_future()
        self._write({"id": number, "method": method, "params": params})
        return await self._requests[number]

    def notify(self, method: str, params: Any = None) -> None:
        """Send a notification."""
        self._write({"method": method, "params": params})

    def said(self) -> list[str]:
        """The lines that the server logged or showed since the last call."""
        messages = [self._unasked.get_nowait() for _ in range(self._unasked.qsize())]
        told = ("window/logMessage", "window/showMessage")
        return [message["params"]["message"] for message in messages if message and message["method"] in told]

    async def close(self) -> None:
        """Leave in good order where the server still listens, else end it."""
        try:
            await asyncio.wait_for(self._leave(), _LEAVES_WITHIN_S)
        except (LspError, asyncio.TimeoutError):
            pass
        finally:
            if self._process.returncode is None:
                self._process.kill()
            await self._process.wait()
            self._reader.cancel()

    async def _leave(self) -> None:
        await self.request("shutdown")
        self.notify("exit")
        await self._process.wait()

    def _write(self, message: Message) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._process.stdin
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))

    async def _read(self) -> None:
        stdout = self._process.stdout
        assert stdout
        while header := await stdout.readline():
            name, _, value = header.partition(b":")
            if name.lower() == b"content-length":
                while (await stdout.readline()).strip():
                    pass  # further headers
                self._take(json.loads(await stdout.readexactly(int(value))))
        for request in self._requests.values():
            if not request.done():
                request.set_exception(self._ended())
        self._unasked.put_nowait(None)

    def _take(self, message: Message) -> None:
        if "method" in message:
            self._unasked.put_nowait(message)
            if message["method"] == "didChangeStatus":
                self.status_kind = message["params"]["kind"]
            if "id" in message:
                self._write({"id": message["id"], "result": None})
            return
        request = self._requests[message["id"]]
        if request.done():  # cancelled
            return
        if "error" in message:
            request.set_exception(LspError(f"dg-lsp answered with an error: {message['error']['message']}"))
        else:
            request.set_result(message["result"])

    def _ended(self) -> LspError:
        return LspError("the dg-lsp process ended: run `dg-lsp` by hand to see why")
