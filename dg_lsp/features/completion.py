"""textDocument/completion: the same texts as entries of the completion list, for editors without ghost text."""

from __future__ import annotations

import re
from collections.abc import Coroutine
from textwrap import dedent
from typing import Any

from lsprotocol import types

from dg_lsp.features.at_cursor import AtCursor, Offer, Trigger
from dg_lsp.features.list_trigger import TRIGGER_CHARACTERS, ListTrigger
from dg_lsp.session import Session

OPTIONS = types.CompletionOptions(trigger_characters=list(TRIGGER_CHARACTERS), resolve_provider=True)

_ITEMS = 3
_MAX_LABEL = 60
_LAST = "~"
"""Sorts behind letters and digits: what other servers know for certain comes first."""
_CLIENT_MS = {"helix": 250}
"""What an editor waits itself, by its name."""
_WORD = re.compile(r"(?<!\w)\w*$")
_REST = re.compile(r"^\w*")
_KATE_DROPS = re.compile(r"\$(?:\{|\d)")
"""Kate takes the marks of snippets out of plain texts too: the values of a template string would be lost."""


class Completion:
    """Answers with at most three entries. A list of none is open too: an answer may be there at the next key."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._at_cursor = AtCursor(session)
        self._trigger = ListTrigger(session.suggestions.debounce.since_typed_s)

    def request(self, params: types.CompletionParams) -> Coroutine[Any, Any, types.CompletionList | None]:
        """Take the snapshot and the turn now, before any later message, and hand back the work."""
        by_hand = self._by_hand(params)
        inline = self._session.settings.inline
        invoked = params.context is None or params.context.trigger_kind == types.CompletionTriggerKind.Invoked
        trigger = Trigger(
            manual=by_hand,
            texts=_ITEMS,
            # Also where it is no sign of a wish, "Invoked" is one of some patience.
            deadline_ms=inline.manual_deadline_ms if invoked else inline.deadline_ms,
            client_ms=_CLIENT_MS.get(self._session.editor, 0),
        )
        return self._at_cursor.request(params.text_document.uri, params.position, trigger, self._list)

    def _by_hand(self, params: types.CompletionParams) -> bool:
        session = self._session
        snapshot = session.documents.get(params.text_document.uri)
        if snapshot is None:
            return False
        offset = snapshot.offset_at(params.position, session.encoding)
        return self._trigger.by_hand(params.context, session.editor, snapshot, offset)

    def resolve(self, item: types.CompletionItem) -> types.CompletionItem:
        """Show the code as it will stand."""
        if isinstance(item.data, dict) and {"code", "language"} <= item.data.keys():
            code, language = str(item.data["code"]), str(item.data["language"])
            if types.MarkupKind.Markdown in (self._abilities().documentation_format or ()):
                fence = "`" * max(3, 1 + max(map(len, re.findall("`+", code)), default=0))
                value = f"{fence}{language}\n{code}\n{fence}"
                item.documentation = types.MarkupContent(types.MarkupKind.Markdown, value)
            else:
                item.documentation = code
        return item

    def _list(self, offer: Offer) -> types.CompletionList:
        texts = [text for text in offer.texts if not (self._session.in_kate and _KATE_DROPS.search(text))]
        items = [self._item(offer, text, number) for number, text in enumerate(texts)]
        return types.CompletionList(is_incomplete=True, items=items)

    def _item(self, offer: Offer, text: str, number: int) -> types.CompletionItem:
        """The entry replaces the word before the cursor by itself and the text.

        So the word agrees with the entry wherever an editor takes it from: it filters by the text in the range, and
        some insert no other way.
        """
        snapshot, offset, encoding = offer.snapshot, offer.hole.start, self._session.encoding
        line = snapshot.line_at(offset)
        head, tail = snapshot.text[snapshot.line_start(line) : offset], snapshot.text[offset : snapshot.line_end(line)]
        word = _WORD.findall(head)[0]
        place = types.Range(snapshot.position_at(offset - len(word), encoding), snapshot.position_at(offset, encoding))
        # Kate replaces all of the word that the cursor is in, whatever the range says.
        new_text = word + text + (_REST.findall(tail)[0] if self._session.in_kate else "")
        label, abilities = _label(word + text), self._abilities()
        modes = abilities.insert_text_mode_support
        as_is = types.InsertTextMode.AsIs in modes.value_set if modes else False
        return types.CompletionItem(
            label=label,
            label_details=types.CompletionItemLabelDetails(description="dg")
            if abilities.label_details_support
            else None,
            detail=None if abilities.label_details_support else "dg",
            kind=types.CompletionItemKind.Text,
            sort_text=f"{_LAST}{number}",
            filter_text=word + text.strip().split("\n", 1)[0],
            insert_text_format=types.InsertTextFormat.PlainText,
            insert_text_mode=types.InsertTextMode.AsIs if as_is else None,
            text_edit=types.TextEdit(place, new_text),
            data={"code": dedent(head + text + tail), "language": snapshot.language_id},
        )

    def _abilities(self) -> types.ClientCompletionItemOptions:
        text_document = self._session.capabilities.text_document
        completion = text_document.completion if text_document else None
        return (completion and completion.completion_item) or types.ClientCompletionItemOptions()


def _label(code: str) -> str:
    """The first line with code, in a width that a list can show."""
    first, *more = code.strip().split("\n", 1)
    if len(first) > _MAX_LABEL:
        return first[: _MAX_LABEL - 1] + "…"
    return first.rstrip() + (" …" if more else "")
