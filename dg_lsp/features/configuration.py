"""initializationOptions and the editor's configuration (section `dg`), asked for or told: the settings follow it."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Coroutine
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer

from dg_lsp.documents import Snapshot
from dg_lsp.session import Session
from dg_lsp.settings import UNKNOWN, Settings, updated

_SECTION = "dg"
_PREFIX = f"{_SECTION}."
_PATIENCE_S = 5.0
"""For the first answer: an editor that does not answer is served all the same."""
_KEYS = {field.name for field in dataclasses.fields(Settings)}


class Configuration:
    """Reads the settings: the configuration lies over the initialization options, these over the defaults.

    A wrong value leaves the setting as it is, and the user hears of it once, until it was right. `on_model` hears when
    the engine's model changes.
    """

    def __init__(self, server: LanguageServer, session: Session, on_model: Callable[[], None]) -> None:
        self._server = server
        self._session = session
        self._on_model = on_model
        self._base = Settings()
        self._base_complaints: list[str] = []
        self._reported: set[str] = set()
        self._known = asyncio.Event()
        self._known.set()

    def initialize(self, options: Any) -> None:
        """Take the initialization options."""
        self._base, self._base_complaints = updated(Settings(), _section(options))
        self._session.settings = self._base
        self._report([])
        if self._can_be_asked():
            self._known.clear()
            asyncio.get_running_loop().call_later(_PATIENCE_S, self._known.set)

    async def changed(self, params: types.DidChangeConfigurationParams) -> None:
        """Ask for the configuration anew, or take what an editor told that cannot be asked."""
        if self._can_be_asked():
            await self.pull()
        elif isinstance(params.settings, dict) and _concerns_us(params.settings):
            self._take(_section(params.settings))

    async def pull(self) -> None:
        """Ask the editor for its configuration, where it can be asked."""
        if not self._can_be_asked():
            return
        items = [types.ConfigurationItem(section=_SECTION)]
        request = self._server.workspace_configuration_async(types.ConfigurationParams(items=items))
        try:
            # shield: a reply that comes after this task was cancelled must still find its future.
            answer = await asyncio.shield(request)
            self._take(answer[0] if answer else None)
        except JsonRpcException:
            return
        finally:
            self._known.set()

    def first(self, handler: Callable[[Any], Coroutine[Any, Any, Any]]) -> Callable[[Any], Coroutine[Any, Any, Any]]:
        """The handler of a request, put off until the editor's first answer, which says what may be read and by whom.

        When its document was edited meanwhile, the request is answered with null: its place is of the old text.
        """

        def handle(params: Any) -> Coroutine[Any, Any, Any]:
            if self._known.is_set():
                return handler(params)
            uri = _uri(params)
            return later(params, uri, self._session.documents.get(uri))

        async def later(params: Any, uri: str, seen: Snapshot | None) -> Any:
            await self._known.wait()
            if self._session.documents.get(uri) is seen:
                return await handler(params)
            self._session.status.superseded(uri)
            return None

        return handle

    async def subscribe(self) -> None:
        """Ask the editor to tell about changes, where it waits to be asked."""
        workspace = self._session.capabilities.workspace
        changes = workspace.did_change_configuration if workspace else None
        if not (changes and changes.dynamic_registration):
            return
        options = types.DidChangeConfigurationRegistrationOptions(section=_SECTION)
        registration = types.Registration(
            id="configuration", method=types.WORKSPACE_DID_CHANGE_CONFIGURATION, register_options=options
        )
        request = self._server.client_register_capability_async(types.RegistrationParams(registrations=[registration]))
        try:
            await asyncio.shield(request)
        except JsonRpcException:
            return

    def _can_be_asked(self) -> bool:
        workspace = self._session.capabilities.workspace
        return bool(workspace and workspace.configuration)

    def _take(self, given: Any) -> None:
        before = self._session.settings
        self._session.settings, complaints = updated(self._base, given, before)
        if self._session.settings.inline != before.inline:
            self._session.status.turned_on()  # if they are still turned off, the next request tells
        if self._session.settings.engine.model != before.engine.model:
            self._on_model()
        self._report(complaints)

    def _report(self, complaints: list[str]) -> None:
        """Log the complaints that are new, and show the wrong values: one message, for it stands before the code."""
        every = dict.fromkeys([*self._base_complaints, *complaints])
        new = [complaint for complaint in every if complaint not in self._reported]
        self._reported = set(every)
        for complaint in new:
            params = types.LogMessageParams(type=types.MessageType.Warning, message=complaint)
            self._server.window_log_message(params)
        # An editor may keep settings of its own beside our sections: they only stand in the log.
        if wrong := [complaint for complaint in new if not complaint.startswith(UNKNOWN)]:
            more = f" (and {len(wrong) - 1} more: see the log)" if len(wrong) > 1 else ""
            message = f"dg-lsp: {wrong[0]}{more}"
            self._server.window_show_message(types.ShowMessageParams(types.MessageType.Warning, message))


def _concerns_us(given: dict[str, Any]) -> bool:
    return any(key.partition(".")[0] in {_SECTION, *_KEYS} for key in given)


def _uri(params: Any) -> str:
    """The document of a request; "" where it names none. Requests beyond the protocol have the wire's names."""
    document = getattr(params, "text_document", None) or getattr(params, "textDocument", None)
    uri = getattr(document, "uri", "")
    return uri if isinstance(uri, str) else ""


def _section(given: Any) -> Any:
    """The settings themselves, where an editor wraps them in their section, or has it in their keys."""
    if not isinstance(given, dict):
        return given
    return given[_SECTION] if _SECTION in given else {key.removeprefix(_PREFIX): given[key] for key in given}
