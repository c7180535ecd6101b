"""What the user sees of the server's state: a status, work-done progress, and reasons for silence."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer

from dg_lsp.reasons import SUPERSEDED, Reasons
from engine.protocol import Health

Kind = Literal["Normal", "Error", "Warning", "Inactive"]

_CREATE_TIMEOUT_S = 2.0


class Status:
    """Tells the editor how the server is, with the notification `didChangeStatus` known from Copilot's server.

    Its parameters are {busy, message, kind}. A status is sent only when it differs from the last one.
    """

    def __init__(self, server: LanguageServer) -> None:
        self.reasons = Reasons()
        self._server = server
        self._kind: Kind = "Inactive"
        self._message = ""
        self._working = 0
        self._sent: dict[str, object] = {}
        self._reasons_given: set[str] = set()
        self._loading = False
        self._load: WorkDone | None = None

    async def engine(self, health: Health) -> None:
        """Show that the engine loads, and how far it is, or that it is ready."""
        self._loading = health.state == "loading"
        if self._loading:
            self._set("Normal", f"Loading model, {int(100 * health.progress)} %")
            if self._load is None:
                self._load = await WorkDone.begin(self._server, "Loading model")
            self._load.report(health.progress, health.model)
        else:
            self._end_load(health.message)
            self._reasons_given.clear()
            self._set("Normal", f"Ready: {health.model} on {health.device}")

    async def no_engine(self, why: str) -> None:
        """Show that there is no engine, and why."""
        self._end_load(why)
        if why != self._message:
            self._reasons_given.clear()
            self._set("Error", why)
            self._log(types.MessageType.Error, why)

    def warn(self, why: str, *, uri: str = "", line: int | None = None) -> None:
        """Show that a request failed although the engine lives."""
        self._set("Warning", why)
        self.silent(why, uri=uri, line=line)

    def silent(self, reason: str, *, uri: str = "", line: int | None = None) -> None:
        """Keep why a request for a line (from 0) of a document is answered with nothing.

        It is logged once until the engine's state changes, so it must hold no code.
        """
        self.reasons.add(reason, uri=uri, line=line)
        if reason not in self._reasons_given:
            self._reasons_given.add(reason)
            self._log(types.MessageType.Info, reason)

    def superseded(self, uri: str) -> None:
        """Keep that a request was answered with nothing because a newer one or an edit of the document came."""
        self.reasons.add(SUPERSEDED, uri=uri)

    def left_out(self, reason: str, *, uri: str = "", line: int | None = None) -> None:
        """Show why the document at hand gets nothing, until another one is served."""
        self.silent(f"no suggestion: {reason}", uri=uri, line=line)
        self._notify({"busy": False, "message": reason, "kind": "Inactive"})

    def tell(self, message: str) -> None:
        """Show one line to a user who asked for something by hand."""
        self._server.window_show_message(types.ShowMessageParams(type=types.MessageType.Info, message=message))

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Show the server as busy meanwhile."""
        self._working += 1
        self._send()
        try:
            yield
        finally:
            self._working -= 1
            self._send()

    def _set(self, kind: Kind, message: str) -> None:
        self._kind, self._message = kind, message
        self._send()

    def _send(self) -> None:
        busy = self._working > 0 or self._loading
        self._notify({"busy": busy, "message": self._message, "kind": self._kind})

    def _notify(self, status: dict[str, object]) -> None:
        if status != self._sent:
            self._sent = status
            self._server.protocol.notify("didChangeStatus", status)

    def _end_load(self, message: str) -> None:
        self._loading = False
        if self._load is not None:
            self._load.end(message)
            self._load = None

    def _log(self, kind: types.MessageType, message: str) -> None:
        self._server.window_log_message(types.LogMessageParams(type=kind, message=message))


class WorkDone:
    """One work-done progress in the editor; does nothing where the editor cannot show it."""

    def __init__(self, server: LanguageServer, token: str | None) -> None:
        self._server = server
        self._token = token

    @classmethod
    async def begin(cls, server: LanguageServer, title: str, *, cancellable: bool = False) -> WorkDone:
        """Open a progress with a percentage, titled `title`."""
        window = server.client_capabilities.window
        if not (window and window.work_done_progress):
            return cls(server, None)
        token, progress = str(uuid.uuid4()), server.work_done_progress
        try:
            # shield: a reply that comes after this task was cancelled must still find its future.
            await asyncio.wait_for(asyncio.shield(progress.create_async(token)), _CREATE_TIMEOUT_S)
        except (JsonRpcException, asyncio.TimeoutError):
            return cls(server, None)
        progress.begin(token, types.WorkDoneProgressBegin(title=title, cancellable=cancellable, percentage=0))
        return cls(server, token)

    def on_cancel(self, callback: Callable[[], object]) -> None:
        """Call `callback` when the user cancels the progress."""
        if self._token is not None:
            cancelled = self._server.work_done_progress.tokens[self._token]
            cancelled.add_done_callback(lambda _: callback())

    def report(self, fraction: float, message: str) -> None:
        """Show that `fraction` (0 to 1) of the work is done."""
        if self._token is not None:
            report = types.WorkDoneProgressReport(percentage=int(100 * fraction), message=message)
            self._server.work_done_progress.report(self._token, report)

    def end(self, message: str = "") -> None:
        """Close the progress."""
        if self._token is not None:
            self._server.work_done_progress.end(self._token, types.WorkDoneProgressEnd(message=message or None))
            # pygls keeps tokens for ever.
            self._server.work_done_progress.tokens.pop(self._token, None)
            self._token = None
