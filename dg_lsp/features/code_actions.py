"""textDocument/codeAction and codeAction/resolve: "Fill this function"."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from enum import Enum
from typing import Any

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from dg_lsp.client.local import EngineError, EngineUnavailable
from dg_lsp.completion.fill import Wanted, fill
from dg_lsp.documents import Snapshot
from dg_lsp.features.progress import WorkDone
from dg_lsp.session import Session
from dg_lsp.syntax.holes import Hole, function_hole, function_holes
from engine.protocol import Draft

KIND = types.CodeActionKind.RefactorRewrite


class CodeActions:
    """Offers to fill the stub around the cursor; the edit is computed when the action is chosen."""

    def __init__(self, server: LanguageServer, session: Session) -> None:
        self._server = server
        self._session = session

    def offer(self, params: types.CodeActionParams) -> list[types.CodeAction]:
        """The actions for a range: at most one."""
        session = self._session
        snapshot = session.documents.get(params.text_document.uri)
        if snapshot is None or not _asked_for(params.context.only):
            return []
        line = min(params.range.start.line, snapshot.line_count - 1)
        if reason := session.exclusions.of_document(snapshot, line):
            session.status.left_out(reason)
            return []
        ends = (snapshot.offset_at(position, session.encoding) for position in (params.range.start, params.range.end))
        hole = next(filter(None, (function_hole(snapshot, offset) for offset in ends)), None)
        if hole is None:
            return []
        data = {"uri": snapshot.uri, "version": snapshot.version, "start": hole.start, "end": hole.end}
        return [types.CodeAction(title=_title(hole), kind=KIND, data=data, tags=self._tags())]

    def resolve(self, action: types.CodeAction) -> Coroutine[Any, Any, types.CodeAction]:
        """Find the hole in the document as it is now, and hand back the work that adds the edit to `action`.

        Without an edit the action is answered as it came and the user is told why.
        """
        snapshot = self._session.documents.get(str((action.data or {}).get("uri")))
        hole = _hole_of(action, snapshot) if snapshot else None
        return self._resolved(action, snapshot, hole)

    async def _resolved(
        self, action: types.CodeAction, snapshot: Snapshot | None, hole: Hole | None
    ) -> types.CodeAction:
        if snapshot is None or hole is None:
            self._session.status.tell("The document changed: choose the action again.")
            return action
        middle = await self._middle(snapshot, hole)
        if middle is not None:
            if self._session.documents.get(snapshot.uri) is snapshot:
                action.edit = self._edit(snapshot, hole, middle)
            else:
                self._session.status.tell(f"The document changed while `{hole.label}` was being filled: try again.")
        return action

    async def _middle(self, snapshot: Snapshot, hole: Hole) -> str | None:
        """The middle for `hole`, or None after telling the user why there is none."""
        status, progress = (
            self._session.status,
            await WorkDone.begin(self._server, f"Filling `{hole.label}`", cancellable=True),
        )
        work = asyncio.create_task(self._fill(snapshot, hole, progress))
        progress.on_cancel(work.cancel)
        try:
            await asyncio.wait({work})  # a cancelled progress ends `work` alone, a cancelled request ends both
            return None if work.cancelled() else work.result()
        except (EngineUnavailable, EngineError) as error:
            status.tell(f"`{hole.label}` was not filled: {error}")
            return None
        finally:
            work.cancel()
            progress.end()

    async def _fill(self, snapshot: Snapshot, hole: Hole, progress: WorkDone) -> str | None:
        def on_draft(draft: Draft) -> None:
            progress.report(draft.step / draft.steps, f"step {draft.step} of {draft.steps}")

        session = self._session
        engine = await session.launcher.wait()
        try:
            with session.status.busy():
                related = session.related.snippets(snapshot, hole.start)
                wanted = Wanted(max_tokens=session.settings.function.max_tokens, related=related)
                result = await fill(engine, snapshot, hole, wanted, on_draft)
        except EngineUnavailable as error:
            await session.launcher.lost(engine, str(error))
            raise
        if not result.candidates:
            session.status.tell(f"`{hole.label}` was not filled: {result.why_nothing}")
            return None
        return result.middle

    def _edit(self, snapshot: Snapshot, hole: Hole, middle: str) -> types.WorkspaceEdit:
        encoding = self._session.encoding
        start, end = snapshot.position_at(hole.start, encoding), snapshot.position_at(hole.end, encoding)
        edit = types.TextEdit(range=types.Range(start=start, end=end), new_text=middle)
        workspace = self._session.capabilities.workspace
        if workspace and workspace.workspace_edit and workspace.workspace_edit.document_changes:
            document = types.OptionalVersionedTextDocumentIdentifier(uri=snapshot.uri, version=snapshot.version)
            return types.WorkspaceEdit(document_changes=[types.TextDocumentEdit(text_document=document, edits=[edit])])
        return types.WorkspaceEdit(changes={snapshot.uri: [edit]})

    def _tags(self) -> list[types.CodeActionTag] | None:
        text_document = self._session.capabilities.text_document
        actions = text_document.code_action if text_document else None
        supported = actions.tag_support.value_set if actions and actions.tag_support else ()
        return [types.CodeActionTag.LlmGenerated] if types.CodeActionTag.LlmGenerated in supported else None


def _title(hole: Hole) -> str:
    return f"Fill this function `{hole.label}`"


def _asked_for(only: Sequence[types.CodeActionKind | str] | None) -> bool:
    kinds = [str(kind.value if isinstance(kind, Enum) else kind) for kind in only or [""]]
    return any(kind in ("", KIND.value) or KIND.value.startswith(f"{kind}.") for kind in kinds)


def _hole_of(action: types.CodeAction, snapshot: Snapshot) -> Hole | None:
    """The stub that `action` was offered for; in another version the only one of that name."""
    data: dict[str, Any] = action.data or {}
    if snapshot.version == data.get("version"):
        return function_hole(snapshot, int(data["start"]))
    same_name = [hole for hole in function_holes(snapshot) if _title(hole) == action.title]
    return same_name[0] if len(same_name) == 1 else None
