"""Work-done progress in the editor."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer

_CREATE_TIMEOUT_S = 2.0


class WorkDone:
    """One work-done progress in the editor; does nothing where the editor cannot show it."""

    def __init__(self, server: LanguageServer, token: str | int | None) -> None:
        self._server = server
        self._token = token

    @classmethod
    async def begin(
        cls, server: LanguageServer, title: str, *, cancellable: bool = False, token: str | int | None = None
    ) -> WorkDone:
        """Open a progress with a percentage, titled `title`; under the editor's own `token` where it sent one."""
        if token is None and (token := await cls._created(server)) is None:
            return cls(server, None)
        begin = types.WorkDoneProgressBegin(title=title, cancellable=cancellable, percentage=0)
        server.work_done_progress.begin(token, begin)
        return cls(server, token)

    @staticmethod
    async def _created(server: LanguageServer) -> str | None:
        """A token that the editor accepts; None where it shows no progress."""
        window = server.client_capabilities.window
        if not (window and window.work_done_progress):
            return None
        token = str(uuid.uuid4())
        try:
            # shield: a reply that comes after this task was cancelled must still find its future.
            creation = server.work_done_progress.create_async(token)
            await asyncio.wait_for(asyncio.shield(creation), _CREATE_TIMEOUT_S)
        except (JsonRpcException, asyncio.TimeoutError):
            return None
        return token

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
