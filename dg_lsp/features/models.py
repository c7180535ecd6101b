"""The models to choose from: the requests `dg/models`, `dg/downloadModel` and `dg/loadModel`, and the setting."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from lsprotocol import types
from pygls.exceptions import JsonRpcException, JsonRpcInvalidParams
from pygls.lsp.server import LanguageServer

from dg_lsp.client.launch import ready_engine, serve_command
from dg_lsp.client.local import EngineClient, EngineUnavailable
from dg_lsp.client.models import ModelsError, download_model, list_models
from dg_lsp.features.progress import WorkDone
from dg_lsp.session import Session

LOAD = "Load it now"
_TYPING_S = 1.0
"""A setting is offered to take effect when it has not changed for this time: it may be being typed."""

Row = dict[str, Any]
_T = TypeVar("_T")


class Models:
    """Lists, downloads and loads models. Where that fails, the answer is null and the user is told why."""

    def __init__(self, server: LanguageServer, session: Session) -> None:
        self._server = server
        self._session = session
        self._chosen = ""
        self._offer: asyncio.Task[None] | None = None
        self._downloads: set[asyncio.Task[str]] = set()

    @property
    def wanted(self) -> str:
        """The model that an engine is started with: the one loaded last, until the setting changes."""
        return self._chosen or self._session.settings.engine.model

    async def listed(self, _: Any) -> list[Row] | None:
        """`dg/models`: the rows of `dg-engine models --json`."""
        return await self._or_told(self._rows(), "the models cannot be listed")

    def download(self, params: Any) -> Coroutine[Any, Any, Row | None]:
        """`dg/downloadModel` {name, workDoneToken?}: {name, path}; null also where the user cancelled the progress."""
        name, token = _name(params, "dg/downloadModel"), getattr(params, "workDoneToken", None)
        return self._or_told(self._downloaded(name, token), f"{name} was not downloaded")

    def load(self, params: Any) -> Coroutine[Any, Any, Row | None]:
        """`dg/loadModel` {name}: replaces the engine by one with that model; {name}."""
        name = _name(params, "dg/loadModel")
        return self._or_told(self._loaded(name), f"{name} was not loaded")

    def setting_changed(self) -> None:
        """Offer to load the model that the setting names now, where the engine runs another."""
        self._chosen = ""
        if self._offer:
            self._offer.cancel()
        self._offer = asyncio.create_task(self._offered(self._session.settings.engine.model))

    def close(self) -> None:
        """Stop the downloads; the next ones resume them."""
        for download in self._downloads:
            download.cancel()

    async def _or_told(self, work: Coroutine[Any, Any, _T], failure: str) -> _T | None:
        try:
            return await work
        except (ModelsError, EngineUnavailable) as error:
            self._session.status.tell(f"dg-lsp: {failure}: {error}", types.MessageType.Error)
            return None

    async def _rows(self) -> list[Row]:
        self._check_local()
        return await list_models()

    def _check_local(self) -> None:
        if url := self._session.settings.engine.url:
            raise ModelsError(f"dg.engine.url names the engine at {url}, whose model is chosen there")

    async def _downloaded(self, name: str, token: str | int | None = None) -> Row | None:
        self._check_local()
        progress = await WorkDone.begin(self._server, f"Downloading {name}", cancellable=True, token=token)
        shown = -1

        def on_progress(done: int, total: int) -> None:
            nonlocal shown
            fraction = min(done / total, 1.0) if total else 0.0
            if int(100 * fraction) != shown:
                shown = int(100 * fraction)
                progress.report(fraction, f"{_size(done)} of {_size(total)}")

        work = asyncio.create_task(download_model(name, on_progress))
        self._downloads.add(work)
        progress.on_cancel(work.cancel)
        try:
            await asyncio.wait({work})  # a cancelled progress ends `work` alone, a cancelled request ends both
            return None if work.cancelled() else {"name": name, "path": work.result()}
        finally:
            work.cancel()
            self._downloads.discard(work)
            progress.end()

    async def _loaded(self, name: str) -> Row:
        self._check_local()

        async def replacement() -> EngineClient:
            status, device = self._session.status, self._session.settings.engine.device
            status.starting(replacing=True)
            engine = await ready_engine(status.engine, command=serve_command(name, device, replace=True), replace=True)
            self._chosen = name
            return engine

        await self._session.launcher.replace(replacement)
        return {"name": name}

    async def _offered(self, name: str) -> None:
        await asyncio.sleep(_TYPING_S)
        health = self._session.status.health
        if not name or health is None or self._session.settings.engine.url:
            return  # an engine that is started later has the model
        rows = await _rows()
        running = next((row["name"] for row in rows if row["loaded"]), health.model)
        if running in (name, Path(name).name, Path(name).stem):  # a folder or file is known by its last part
            return
        missing = next((row for row in rows if row["name"] == name and not row["downloaded"]), None)
        action = f"Download it ({_size(missing['size_bytes'])}) and load it" if missing else LOAD
        if await self._asked(f"dg-lsp: dg.engine.model is {name} now; the engine still runs {running}.", action):
            await self._or_told(self._taken(name, missing is not None), f"{name} was not loaded")

    async def _taken(self, name: str, missing: bool) -> None:
        if not missing or await self._downloaded(name):
            await self._loaded(name)

    async def _asked(self, question: str, action: str) -> bool:
        params = types.ShowMessageRequestParams(
            type=types.MessageType.Info, message=question, actions=[types.MessageActionItem(title=action)]
        )
        try:
            # shield: a reply that comes after this task was cancelled must still find its future.
            answer = await asyncio.shield(self._server.window_show_message_request_async(params))
        except JsonRpcException:
            return False  # the editor cannot ask
        return answer is not None and answer.title == action


async def _rows() -> list[Row]:
    try:
        return await list_models()
    except ModelsError:
        return []  # the engine's own word for its model does


def _name(params: Any, method: str) -> str:
    name = getattr(params, "name", None)
    if isinstance(name, str) and name:
        return name
    raise JsonRpcInvalidParams(f'{method} takes {{"name": the name of a model}}')


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
