"""textDocument/inlineCompletion: ghost text at the cursor."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from lsprotocol import types

from dg_lsp.features.at_cursor import AtCursor, Offer, Trigger
from dg_lsp.session import Session

Items = list[types.InlineCompletionItem]

_MANUAL_ITEMS = 3
_VSCODE = ("Visual Studio Code", "Visual Studio Code - Insiders", "VSCodium", "code-server")
_CLIENT_MS = {"Neovim": 200} | dict.fromkeys(_VSCODE, 50)
"""What an editor waits itself, by its name: each always the same (VS Code's InlineCompletionsDebounce)."""


class InlineCompletion:
    """Answers with middles for the cursor, or null: the status knows why."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._at_cursor = AtCursor(session)

    def request(self, params: types.InlineCompletionParams) -> Coroutine[Any, Any, Items | None]:
        """Take the snapshot and the turn now, before any later message, and hand back the work."""
        inline = self._session.settings.inline
        if params.context.trigger_kind == types.InlineCompletionTriggerKind.Invoked:
            trigger = Trigger(manual=True, texts=_MANUAL_ITEMS, deadline_ms=inline.manual_deadline_ms)
        else:
            client_ms = _CLIENT_MS.get(self._session.editor, 0)
            trigger = Trigger(manual=False, texts=1, deadline_ms=inline.deadline_ms, client_ms=client_ms)
        selected = params.context.selected_completion_info
        return self._at_cursor.request(params.text_document.uri, params.position, trigger, self._items, selected)

    def _items(self, offer: Offer) -> Items | None:
        """Null rather than an empty list: it leaves what the editor shows."""
        if not offer.texts:
            return None
        encoding = self._session.encoding
        start, end = (offer.snapshot.position_at(at, encoding) for at in (offer.hole.start, offer.hole.end))
        return [_item(offer.typed + text, types.Range(start, end)) for text in offer.texts]


def _item(text: str, place: types.Range) -> types.InlineCompletionItem:
    """An item; where it replaces what was typed, it says that this is to be compared with its own text."""
    replaces = place.start != place.end
    return types.InlineCompletionItem(insert_text=text, filter_text=text if replaces else None, range=place)
