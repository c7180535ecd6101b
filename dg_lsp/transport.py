"""pygls with its traps closed; T… are their numbers in the comments here. Read for pygls 2.1.1.

T7: a coroutine handler's body may start after later messages were handled.
T11: pygls logs messages, which hold the user's code.
T12: a null where the protocol has none makes a message unfit, and an edit would be lost.
T13: a request that does not fit its type gets no answer.
T14: an inner object with a key `jsonrpc` is taken for a message.
T15: nothing ends the server when its editor dies but its stdin stays open.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import os
import sys
from collections.abc import Callable, Coroutine
from importlib.metadata import version
from typing import Any

import cattrs
from lsprotocol import types
from pygls.exceptions import JsonRpcException, JsonRpcInvalidParams, JsonRpcInvalidRequest, JsonRpcParseError
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol, default_converter

from dg_lsp.documents import UNNUMBERED

_WATCH_EDITOR_S = 1.0


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


_ENVELOPE = {"jsonrpc": "2.0"}
_UNFIT_ANSWER = {"code": JsonRpcInvalidParams.CODE, "message": "the editor's answer does not fit the protocol"}


class _Answered(JsonRpcInvalidParams):
    """A request that does not fit its type, and that was answered so."""


class Protocol(LanguageServerProtocol):
    """pygls's protocol, except that each message that cannot be read is answered."""

    def structure_message(self, data: dict[str, Any]) -> Any:
        """As the base class; a request with unfit parameters gets an error for its id (T13).

        An unfit answer counts as an error, so that who waits for it waits no longer.

        It is called for every JSON object, the inner ones too, and these are no messages (T14).
        """
        if not data.keys() & {"method", "result", "error"}:
            return data
        _mend(data)
        try:
            return super().structure_message(data)
        except JsonRpcException as error:
            if "id" not in data:
                raise
            if "method" not in data:
                return super().structure_message({**_ENVELOPE, "id": data["id"], "error": _UNFIT_ANSWER})
            details = "; ".join(cattrs.transform_error(error.__cause__, path="message")) if error.__cause__ else ""
            answer = JsonRpcInvalidParams(f"{data['method']} does not fit the protocol: {details}")
            self._send_response(data["id"], error=answer.to_response_error())
            raise _Answered from error

    def handle_message(self, message: Any) -> None:
        """As the base class; a request after `shutdown` and JSON that is no JSON-RPC message get an error."""
        if self._shutdown and hasattr(message, "method") and hasattr(message, "id"):
            late = JsonRpcInvalidRequest("the server was shut down")
            self._send_response(message.id, error=late.to_response_error())
        elif hasattr(message, "jsonrpc"):
            super().handle_message(message)
        else:
            self.refuse(JsonRpcInvalidRequest("a message must be a JSON-RPC 2.0 object"))

    def refuse(self, error: JsonRpcException) -> None:
        """Answer a message whose id cannot be known."""
        response = {"jsonrpc": self.VERSION, "id": None, "error": self._serialize_message(error.to_response_error())}
        self._send_data(response)


def _mend(data: dict[str, Any]) -> None:
    """Read null as "not there" where a text is opened or edited: for its version, and the range of all of it (T12).

    Emacs (lsp-mode) writes null for the empty object of a client that takes inline completion. A request of our own may
    come without parameters, as JSON-RPC allows.
    """
    if str(data.get("method")).startswith("dg/"):
        data.setdefault("params", None)
    match data:
        case {
            "method": types.TEXT_DOCUMENT_DID_OPEN | types.TEXT_DOCUMENT_DID_CHANGE,
            "params": {"textDocument": dict(document)},
        } if document.get("version") is None:
            document["version"] = UNNUMBERED
    match data:
        case {
            "method": types.INITIALIZE,
            "params": {"capabilities": {"textDocument": {"inlineCompletion": None} as abilities}},
        }:
            abilities["inlineCompletion"] = {}
    match data:
        case {"method": types.TEXT_DOCUMENT_DID_CHANGE, "params": {"contentChanges": [*changes]}}:
            for change in changes:
                if isinstance(change, dict) and change.get("range") is None:
                    change.pop("range", None)


class Server(LanguageServer):
    """pygls's server with clear lines for bad input and a watch on the editor."""

    protocol: Protocol

    def __init__(self, notebooks: types.NotebookDocumentSyncOptions | None = None) -> None:
        super().__init__(
            "dg-lsp",
            version("dg-lsp"),
            protocol_cls=Protocol,
            converter_factory=default_converter,
            notebook_document_sync=notebooks,
        )
        self.was_shut_down = False
        self._watch: asyncio.Task[None] | None = None

    def report_server_error(self, error: Exception, source: Any) -> None:
        """Answer unreadable JSON, stay quiet about what was answered, and show the rest to the user."""
        if isinstance(error, (json.JSONDecodeError, UnicodeDecodeError)):
            self.protocol.refuse(JsonRpcParseError(f"a message must be JSON in UTF-8: {error}"))
        elif not isinstance(error, _Answered):
            super().report_server_error(error, source)

    def watch_editor(self, process_id: int | None) -> None:
        """Exit when the editor's process ends, even if something else keeps our stdin open (T15)."""
        # A process that is not there lives outside our container: the end of stdin must do then.
        if process_id is not None and _alive(process_id):
            self._watch = asyncio.get_running_loop().create_task(_exit_after(process_id))


async def _exit_after(process_id: int) -> None:
    while _alive(process_id):
        await asyncio.sleep(_WATCH_EDITOR_S)
    os._exit(1)  # not sys.exit: a thread waits in a read of stdin


def _alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def log_without_code() -> None:
    """Log to stderr, warnings and worse, of pygls only where and what, never with which data (T11)."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_WithoutData("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    # An answer and its cancellation may cross; editors would log that as an error of ours.
    crossed = "Cancel notification for unknown message id"
    logging.getLogger("pygls.protocol.json_rpc").addFilter(lambda record: not str(record.msg).startswith(crossed))


class _WithoutData(logging.Formatter):
    """Leaves out what pygls puts into its records: parameters and tracebacks may hold the user's code."""

    def format(self, record: logging.LogRecord) -> str:
        if record.name.startswith("pygls"):
            kind = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
            message = f"{str(record.msg).splitlines()[0]} {kind}".strip()
            record = logging.makeLogRecord({**record.__dict__, "msg": message, "args": (), "exc_info": None})
            record.exc_text = None
        return super().format(record)
