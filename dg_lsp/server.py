"""The language server over stdio: which feature answers which method."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from lsprotocol import types

from dg_lsp.client.launch import ready_engine, serve_command
from dg_lsp.client.launcher import Launcher
from dg_lsp.client.local import EngineClient
from dg_lsp.features.code_actions import COMMAND, KINDS, CodeActions
from dg_lsp.features.completion import OPTIONS, Completion
from dg_lsp.features.configuration import Configuration
from dg_lsp.features.explain import Explain
from dg_lsp.features.inline_completion import InlineCompletion
from dg_lsp.features.models import Models
from dg_lsp.features.snooze import SnoozeCommand
from dg_lsp.features.status import Status
from dg_lsp.features.synchronization import NOTEBOOKS, Synchronization
from dg_lsp.features.watch import Watch
from dg_lsp.log import log_without_code
from dg_lsp.preload import preload, share_interpreter
from dg_lsp.session import Session, editor_name
from dg_lsp.transport import Server, at_dispatch, plain
from dg_lsp.uris import file_path


def serve(server: Server | None = None, editor_process: int | None = None) -> int:
    """Serve one editor until it leaves or its process ends. Returns the exit status: 0 after `shutdown`, else 1."""
    log_without_code()
    share_interpreter()
    server = server or create_server()
    server.serve_stdio(editor_process)
    return 0 if server.was_shut_down else 1


def create_server() -> Server:
    """A server with every feature registered, not yet started."""
    server = Server(NOTEBOOKS)
    status = Status(server)

    async def start() -> EngineClient:
        engine = session.settings.engine
        status.starting()
        command = serve_command(models.wanted, engine.device)
        return await ready_engine(status.engine, command=command, url=engine.url)

    session = Session(launcher=Launcher(start, status.no_engine), status=status)
    models = Models(server, session)
    configuration = Configuration(server, session, models.setting_changed)
    _register_lifecycle(server, session, configuration, models)
    _register_documents(server, session)
    _register_explain(server, session)
    inline, actions = InlineCompletion(session), CodeActions(server, session)
    # T1: without options the capability would not be advertised.
    feature = server.feature(types.TEXT_DOCUMENT_INLINE_COMPLETION, types.InlineCompletionOptions())
    feature(at_dispatch(configuration.first(inline.request)))
    _register_actions(server, actions, configuration)
    server.feature("dg/watch")(at_dispatch(configuration.first(Watch(server, session).request)))
    for method, handler in {
        "dg/models": models.listed,
        "dg/downloadModel": models.download,
        "dg/loadModel": models.load,
    }.items():
        server.feature(method)(at_dispatch(configuration.first(handler)))
    return server


def _register_lifecycle(server: Server, session: Session, configuration: Configuration, models: Models) -> None:
    @server.feature(types.INITIALIZE)
    def initialize(params: types.InitializeParams) -> None:
        session.capabilities = params.capabilities
        # pygls took the first that the editor names, so it may be any of the three (T17).
        session.encoding = types.PositionEncodingKind(server.workspace.position_encoding).value
        session.folders = lambda: _folders(server)
        session.status.editor = editor_name(params)
        configuration.initialize(params.initialization_options)
        _register_completion(server, session, configuration)
        server.watch_editor(params.process_id)

    @server.feature(types.INITIALIZED)
    async def initialized(_: types.InitializedParams) -> None:
        await preload()
        await configuration.pull()
        session.launcher.engine()
        await configuration.subscribe()

    @server.feature(types.WORKSPACE_DID_CHANGE_CONFIGURATION)
    async def changed(params: types.DidChangeConfigurationParams) -> None:
        await configuration.changed(params)

    @server.feature(types.SHUTDOWN)
    def shutdown(_: None) -> None:
        server.was_shut_down = True
        session.suggestions.close()
        models.close()
        session.statistics.close()


def _register_completion(server: Server, session: Session, configuration: Configuration) -> None:
    """Only where the editor has no ghost text: one with both would show each text twice."""
    text_document = session.capabilities.text_document
    if text_document is None or text_document.inline_completion is None:
        completion = Completion(session)
        server.feature(types.TEXT_DOCUMENT_COMPLETION, OPTIONS)(at_dispatch(configuration.first(completion.request)))
        server.feature(types.COMPLETION_ITEM_RESOLVE)(plain(completion.resolve))


def _register_explain(server: Server, session: Session) -> None:
    explain, snooze = Explain(session), SnoozeCommand(session)

    @server.feature("dg/status")
    async def status(_: Any) -> dict[str, Any]:
        return await explain.status_with_today()

    # Without type hints, from which pygls guesses whether it wants the server; editors may leave the arguments out.
    server.command("dg.explain")(lambda *arguments: explain.answer(*arguments[:1]))
    server.command("dg.snooze")(lambda *arguments: snooze.execute(*arguments[:1]))


def _register_actions(server: Server, actions: CodeActions, configuration: Configuration) -> None:
    options = types.CodeActionOptions(code_action_kinds=list(KINDS), resolve_provider=True)
    server.feature(types.TEXT_DOCUMENT_CODE_ACTION, options)(at_dispatch(configuration.first(actions.offer)))
    server.feature(types.CODE_ACTION_RESOLVE)(at_dispatch(actions.resolve))
    server.command(COMMAND)(lambda *arguments: actions.execute(*arguments[:1]))


def _folders(server: Server) -> list[Path]:
    """The folders of the workspace as they are now: the editor may add and remove some."""
    uris = [folder.uri for folder in server.workspace.folders.values()] or [server.workspace.root_uri or ""]
    return [path for uri in uris if (path := file_path(uri))]


def _register_documents(server: Server, session: Session) -> None:
    """Put our document store in the place of pygls's, which corrupts text (T2, T3) and is slow (T4)."""
    synchronization = Synchronization(session)
    handlers: dict[str, Callable[[Any], None]] = {
        types.TEXT_DOCUMENT_DID_OPEN: synchronization.open,
        types.TEXT_DOCUMENT_DID_CHANGE: synchronization.change,
        types.TEXT_DOCUMENT_DID_CLOSE: synchronization.close,
        types.NOTEBOOK_DOCUMENT_DID_OPEN: synchronization.open_notebook,
        types.NOTEBOOK_DOCUMENT_DID_CHANGE: synchronization.change_notebook,
        types.NOTEBOOK_DOCUMENT_DID_SAVE: synchronization.save_notebook,
        types.NOTEBOOK_DOCUMENT_DID_CLOSE: synchronization.close_notebook,
    }
    for method, handler in handlers.items():
        server.protocol.fm.builtin_features.pop(method, None)  # pygls has none for saving
        server.feature(method)(plain(_then_read(session, handler)))


def _then_read(session: Session, handler: Callable[[Any], None]) -> Callable[[Any], None]:
    """The handler; after it, what the documents offer to each other is read in the next pause."""

    def handle(params: Any) -> None:
        handler(params)
        session.related.read_in_pause()

    return handle
