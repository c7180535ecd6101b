"""JSON-RPC on stdio: pygls with its traps closed; T… are their numbers in the comments here. Read for pygls 2.1.1.

T7: a coroutine handler's body may start after later messages were handled.
T13: a request that does not fit its type gets no answer.
T15: nothing ends the server when its editor dies but its stdin stays open.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import os
import sys
from collections.abc import Callable, Coroutine, Generator
from importlib.metadata import version
from typing import Any

import cattrs
from lsprotocol import types
from pygls.exceptions import JsonRpcException, JsonRpcInvalidParams, JsonRpcInvalidRequest, JsonRpcParseError
from pygls.io_ import StdoutWriter
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol, lsp_method
from pygls.protocol.json_rpc import JsonRPCNotification, JsonRPCRequestMessage, JsonRPCResponseMessage
from pygls.uris import from_fs_path, to_fs_path

from dg_lsp.decoding import lenient_converter
from dg_lsp.framing import MalformedHeader, read_message

_log = logging.getLogger(__name__)

_WATCH_EDITOR_S = 1.0
_TURNS = 4
"""Of the event loop between two messages: what waits for an answer goes on before the message behind it is read."""


def plain(handler: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A function, because pygls sets attributes on its handlers and a method takes none."""

    def handle(params: Any) -> Any:
        return handler(params)

    return handle


def at_dispatch(handler: Callable[[Any], Coroutine[Any, Any, Any]]) -> Callable[[Any], Any]:
    """A handler whose own body runs when the message is read and whose coroutine is the task that is cancelled.

    The body of an `async def` may start after later messages were handled (T7).
    """
    handle = plain(handler)
    if sys.version_info >= (3, 12):
        return inspect.markcoroutinefunction(handle)
    setattr(handle, "_is_coroutine", getattr(asyncio.coroutines, "_is_coroutine"))  # noqa: B009, B010
    return handle


_UNFIT_ANSWER = types.ResponseError(JsonRpcInvalidParams.CODE, "the editor's answer does not fit the protocol")
_DOCUMENTS = ("textDocument/", "notebookDocument/")


class _Unfit(Exception):
    """A notification of which something that is used does not fit the protocol."""

    def __init__(self, method: str, details: str) -> None:
        super().__init__(f"{method} does not fit the protocol: {details}")
        self.method = method


class Protocol(LanguageServerProtocol):
    """pygls's protocol, except that each message that cannot be read is answered."""

    def __init__(self, server: Server, converter: cattrs.Converter) -> None:
        super().__init__(server, converter)
        self.closed = False

    def receive(self, body: bytes) -> None:
        """Handle a message as it came; one that cannot be read gets an error. Raises `_Unfit`."""
        try:
            data = json.loads(body)
        except (ValueError, RecursionError) as error:
            self._refuse(None, JsonRpcParseError(f"a message must be JSON in UTF-8: {error}"))
            return
        if fault := _fault(data):
            self._refuse(None, JsonRpcInvalidRequest(fault))
        elif (message := self._structured(data)) is not None:
            self.handle_message(message)

    def handle_message(self, message: Any) -> None:
        """As the base class; after `shutdown` a request gets an error, and anything else but `exit` is passed over."""
        if not self._shutdown or getattr(message, "method", "") == types.EXIT:
            super().handle_message(message)
        elif hasattr(message, "method") and hasattr(message, "id"):
            self._refuse(message.id, JsonRpcInvalidRequest("the server was shut down"))

    def _structured(self, data: dict[str, Any]) -> Any:
        """The message with its type; None for a request that was answered with an error, as it does not fit (T13).

        An unfit answer counts as an error, so that nothing is left waiting for it.
        """
        _normalize(data)
        try:
            return self._converter.structure(data, self._type_of(data))
        except Exception as error:  # cattrs raises what it meets
            if "method" not in data:
                return types.ResponseErrorMessage(id=data["id"], error=_UNFIT_ANSWER)
            unfit = _Unfit(data["method"], "; ".join(cattrs.transform_error(error, path="message")))
            if "id" not in data:
                raise unfit from None
            self._refuse(data["id"], JsonRpcInvalidParams(str(unfit)))
            return None

    def _type_of(self, data: dict[str, Any]) -> Any:
        if "method" in data:
            generic = JsonRPCRequestMessage if "id" in data else JsonRPCNotification
            return self.get_message_type(data["method"]) or generic
        if "error" in data:
            return types.ResponseErrorMessage
        return self._result_types.pop(data["id"], None) or JsonRPCResponseMessage

    def _refuse(self, request: int | str | None, error: JsonRpcException) -> None:
        """Answer with an error; `request` is None for a message whose id cannot be known."""
        told = self._serialize_message(error.to_response_error())
        self._send_data({"jsonrpc": self.VERSION, "id": request, "error": told})

    def _send_data(self, data: Any) -> None:
        if not self.closed:  # else handlers that are cancelled at the end would still answer
            super()._send_data(data)

    def _run_generator(self, future: Any, *, gen: Any, result_future: Any) -> None:
        if future is not None and future.cancelled():  # pygls lets the exception escape
            result_future.cancel()
        else:
            super()._run_generator(future, gen=gen, result_future=result_future)

    @lsp_method(types.INITIALIZE)
    def lsp_initialize(self, params: types.InitializeParams) -> Generator[Any, Any, types.InitializeResult]:
        """As the base class, which raises an error for some roots."""
        try:
            to_fs_path(params.root_uri or from_fs_path(params.root_path or "/") or "")
        except ValueError:
            params.root_uri = params.root_path = None
        return (yield from super().lsp_initialize(params))

    @lsp_method(types.EXIT)
    def lsp_exit(self, *_: Any) -> Generator[Any, Any, None]:
        """Stop reading."""
        self.closed = True
        yield from ()


def _fault(data: Any) -> str:
    """Why something is no JSON-RPC message, "" if it is one."""
    known = isinstance(data, dict) and data.get("jsonrpc") == Protocol.VERSION
    if not known or not isinstance(data.get("method", ""), str) or not data.keys() & {"method", "id"}:
        return "a message must be a JSON-RPC 2.0 object"
    identity = data.get("id", 0)
    if isinstance(identity, (int, str)) and not isinstance(identity, bool):
        return ""
    answer_to_none = identity is None and "method" not in data
    return "" if answer_to_none else "the id of a message must be a number or a string"


def _normalize(data: dict[str, Any]) -> None:
    """Write out what editors leave out: parameters where there are none, and the null of an answer."""
    if "method" in data:
        data["params"] = data.get("params") or {}
    elif data.get("error") is None:
        data.pop("error", None)
        data.setdefault("result", None)


class Server(LanguageServer):
    """pygls's server with clear lines for bad input and a watch on the editor."""

    protocol: Protocol

    def __init__(self, notebooks: types.NotebookDocumentSyncOptions | None = None) -> None:
        super().__init__(
            "dg-lsp",
            version("dg-lsp"),
            protocol_cls=Protocol,
            converter_factory=lenient_converter,
            notebook_document_sync=notebooks,
        )
        self.was_shut_down = False
        self._watches: list[asyncio.Task[None]] = []

    def serve_stdio(self, editor_process: int | None = None) -> None:
        """Serve on stdin and stdout until the editor leaves, or its process ends where that is known already."""
        self.protocol.set_writer(StdoutWriter(sys.stdout.buffer))
        try:
            asyncio.run(self._serve(editor_process))
        except BrokenPipeError:  # nobody is there to read
            self.protocol.closed = True
        except MalformedHeader as error:
            print(f"dg-lsp: {error}: no further message can be read, so the server ends", file=sys.stderr)
        finally:
            self.shutdown()  # type: ignore[no-untyped-call]

    async def _serve(self, editor_process: int | None) -> None:
        self.watch_editor(editor_process)
        loop = asyncio.get_running_loop()
        try:
            while not self.protocol.closed:
                body = await loop.run_in_executor(self.thread_pool, read_message, sys.stdin.buffer)
                if body is None:
                    return
                try:
                    self.protocol.receive(body)
                except _Unfit as error:
                    self._tell_unfit(error)
                except BrokenPipeError:
                    raise
                except Exception as error:  # one message must not end the server
                    _log.error("a message could not be handled: %s", type(error).__name__)
                    self.report_server_error(error, JsonRpcException)
                for _ in range(_TURNS):
                    await asyncio.sleep(0)
        finally:
            self.protocol.closed = True

    def _tell_unfit(self, error: _Unfit) -> None:
        """Log it, and show it where the text of a document may not be known any more."""
        self.window_log_message(types.LogMessageParams(types.MessageType.Warning, str(error)))
        if error.method.startswith(_DOCUMENTS):
            message = f"dg-lsp: {error}. Close the file and open it again."
            self.window_show_message(types.ShowMessageParams(types.MessageType.Error, message))

    def watch_editor(self, process_id: int | None) -> None:
        """Exit when the editor's process ends, even if something else keeps our stdin open (T15)."""
        # A process that is not there lives outside our container: the end of stdin must do then.
        if process_id is not None and _alive(process_id):
            self._watches.append(asyncio.get_running_loop().create_task(_exit_after(process_id)))


async def _exit_after(process_id: int) -> None:
    while _alive(process_id):
        await asyncio.sleep(_WATCH_EDITOR_S)
    os._exit(1)  # not sys.exit: a thread waits in a read of stdin


def _alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True
