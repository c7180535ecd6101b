"""initializationOptions and workspace/configuration (section `dg`): the settings follow the editor's."""

from __future__ import annotations

import asyncio
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer

from dg_lsp.session import Session
from dg_lsp.settings import Settings, updated

_SECTION = "dg"


class Configuration:
    """Reads the settings: the configuration lies over the initialization options, these over the defaults."""

    def __init__(self, server: LanguageServer, session: Session) -> None:
        self._server = server
        self._session = session
        self._base = Settings()
        self._reported: set[str] = set()

    def initialize(self, options: Any) -> None:
        """Take the initialization options."""
        self._base = self._session.settings = self._applied(Settings(), options)

    async def pull(self) -> None:
        """Ask the editor for its configuration, where it can be asked."""
        workspace = self._session.capabilities.workspace
        if not (workspace and workspace.configuration):
            return
        items = [types.ConfigurationItem(section=_SECTION)]
        request = self._server.workspace_configuration_async(types.ConfigurationParams(items=items))
        try:
            # shield: a reply that comes after this task was cancelled must still find its future.
            answer = await asyncio.shield(request)
        except JsonRpcException:
            return
        self._session.settings = self._applied(self._base, answer[0] if answer else None)

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

    def _applied(self, base: Settings, given: Any) -> Settings:
        settings, complaints = updated(base, given)
        for complaint in dict.fromkeys(complaints):
            if complaint not in self._reported:
                self._reported.add(complaint)
                params = types.LogMessageParams(type=types.MessageType.Warning, message=complaint)
                self._server.window_log_message(params)
        return settings
