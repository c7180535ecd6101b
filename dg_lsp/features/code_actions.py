"""textDocument/codeAction and codeAction/resolve: fills that the user chooses from a menu."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine, Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any, get_args

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer

from dg_lsp.documents import Snapshot
from dg_lsp.features.edits import workspace_edit
from dg_lsp.features.filling import Filling
from dg_lsp.features.offers import Name, Offer, function_titled, holes_for, offers, parsed
from dg_lsp.session import Session
from dg_lsp.syntax.holes import Hole
from engine.protocol import ProtocolError, from_json

KINDS = (types.CodeActionKind.RefactorRewrite, types.CodeActionKind.QuickFix)
COMMAND = "dg.fill"

_CHANGED = "The document changed: choose the action again."
_LATE = "The editor did not take the edit, maybe because it came late: choose the action again, it is ready now."
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """An action as it was offered, for a range of a version of a document."""

    name: Name
    title: str
    uri: str
    version: int
    start: int
    end: int


class CodeActions:
    """Offers what can be filled at a range; nothing is filled before an action is chosen.

    An editor that resolves actions gets their edits then; in another one each action runs the command `dg.fill`.
    """

    def __init__(self, server: LanguageServer, session: Session) -> None:
        self._server = server
        self._session = session
        self._filling = Filling(server, session)
        self._running: set[asyncio.Task[None]] = set()
        self._refused: tuple[Choice, Snapshot, types.WorkspaceEdit] | None = None

    def offer(self, params: types.CodeActionParams) -> Coroutine[Any, Any, list[types.CodeAction | types.Command]]:
        """Take the document as it is now, and hand back the work that finds the actions for a range."""
        return self._offered(params, self._session.documents.get(params.text_document.uri))

    async def _offered(
        self, params: types.CodeActionParams, snapshot: Snapshot | None
    ) -> list[types.CodeAction | types.Command]:
        session = self._session
        if snapshot is None:
            return []
        start, end = (snapshot.offset_at(at, session.encoding) for at in (params.range.start, params.range.end))
        start, end = min(start, end), max(start, end)
        if session.in_kate and _WORD.fullmatch(snapshot.text, start, end):
            end = start  # it sends the word at the cursor where nothing is selected
        line = snapshot.line_at(start)
        if reason := session.exclusions.of_document(snapshot, line):
            session.status.left_out(reason, uri=snapshot.uri, line=line)
            return []
        session.status.admitted()
        session.status.in_language(snapshot.language_id)
        await parsed(snapshot)
        found = offers(snapshot, start, end, session.last_fills.at(snapshot, start, end))
        return [
            self._action(offer, snapshot, start, end) for offer in found if _asked_for(offer.kind, params.context.only)
        ]

    def resolve(self, action: types.CodeAction) -> Coroutine[Any, Any, types.CodeAction]:
        """Take the document as it is now, and hand back the work that adds the edit to `action`.

        Without an edit the action is answered as it came and the user is told why.
        """
        choice = _choice(action.data)
        return self._resolved(action, choice, self._session.documents.get(choice.uri) if choice else None)

    def execute(self, data: object = None) -> None:
        """Begin to fill what was chosen, and have the editor apply the edit when it is there."""
        choice = _choice(data)
        task = asyncio.create_task(self._apply(choice, self._session.documents.get(choice.uri) if choice else None))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _resolved(
        self, action: types.CodeAction, choice: Choice | None, snapshot: Snapshot | None
    ) -> types.CodeAction:
        action.edit = await self._edit(choice, snapshot)
        return action

    async def _apply(self, choice: Choice | None, snapshot: Snapshot | None) -> None:
        edit = self._ready(choice, snapshot) or await self._edit(choice, snapshot)
        if edit is None or choice is None or snapshot is None:
            return
        params = types.ApplyWorkspaceEditParams(edit=edit, label=choice.title)
        try:
            # shield: a reply that comes after this task was cancelled must still find its future.
            result = await asyncio.shield(self._server.workspace_apply_edit_async(params))
        except JsonRpcException as error:
            self._session.status.tell(f"The editor did not apply the edit: {error.message}")
            return
        if not result.applied:
            # Kate takes an edit within two seconds after the command, and says of no other why not.
            self._refused = choice, snapshot, edit
            reason = result.failure_reason
            self._session.status.tell(f"The editor did not apply the edit: {reason}" if reason else _LATE)

    def _ready(self, choice: Choice | None, snapshot: Snapshot | None) -> types.WorkspaceEdit | None:
        """The edit that the editor refused, for the same action on the same text."""
        refused, self._refused = self._refused, None
        return refused[2] if refused and refused[0] == choice and refused[1] is snapshot else None

    async def _edit(self, choice: Choice | None, snapshot: Snapshot | None) -> types.WorkspaceEdit | None:
        """The edit, or None after telling the user why there is none."""
        session = self._session
        if choice is None or snapshot is None:
            session.status.tell(_CHANGED)
            return None
        if reason := session.exclusions.of_document(snapshot, snapshot.line_at(min(choice.start, len(snapshot.text)))):
            session.status.tell(f"Nothing was filled: {reason}")
            return None
        await parsed(snapshot)
        again = None
        if choice.name == "reroll":
            again = session.last_fills.at(snapshot, choice.start, choice.end)
        if snapshot.version == choice.version:
            holes = await holes_for(choice.name, snapshot, choice.start, choice.end, again)
        else:
            holes = await self._found_again(choice, snapshot)
        if not holes:
            session.status.tell("There is nothing to fill in this file." if choice.name == "file" else _CHANGED)
            return None
        edits = await self._filling.edits(snapshot, holes, again)
        if not edits:
            return None
        session.last_fills.expect(snapshot, edits, again)
        return workspace_edit(session, snapshot, edits)

    async def _found_again(self, choice: Choice, snapshot: Snapshot) -> list[Hole]:
        """The holes of an action that was offered for another version."""
        if choice.name == "function":
            return await function_titled(snapshot, choice.title)
        return await holes_for("file", snapshot, 0, 0, None) if choice.name == "file" else []

    def _action(self, offer: Offer, snapshot: Snapshot, start: int, end: int) -> types.CodeAction | types.Command:
        chosen = Choice(
            name=offer.name, title=offer.title, uri=snapshot.uri, version=snapshot.version, start=start, end=end
        )
        data = asdict(chosen)
        text_document = self._session.capabilities.text_document
        knows = text_document.code_action if text_document else None
        command = types.Command(title=offer.title, command=COMMAND, arguments=[data])
        if knows is None or knows.code_action_literal_support is None:
            return command
        values = knows.tag_support.value_set if knows.tag_support else ()
        tags = [tag for tag in (types.CodeActionTag.LlmGenerated,) if tag in values] or None
        if knows.data_support and knows.resolve_support and "edit" in knows.resolve_support.properties:
            return types.CodeAction(title=offer.title, kind=offer.kind, data=data, tags=tags)
        return types.CodeAction(title=offer.title, kind=offer.kind, command=command, tags=tags)


def _asked_for(kind: types.CodeActionKind, only: Sequence[types.CodeActionKind | str] | None) -> bool:
    wanted = [str(kind.value if isinstance(kind, Enum) else kind) for kind in only or [""]]
    return any(prefix in ("", kind.value) or kind.value.startswith(f"{prefix}.") for prefix in wanted)


def _choice(data: object) -> Choice | None:
    """The choice in the data of an action or command; None where an editor sends something else."""
    try:
        choice = from_json(Choice, data)
    except ProtocolError:
        return None
    return choice if choice.name in get_args(Name) else None
