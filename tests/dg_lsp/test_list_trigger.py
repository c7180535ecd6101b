"""Which completion lists the user asked for; each case is what an editor does."""

from __future__ import annotations

import pytest
from lsprotocol.types import CompletionContext, CompletionTriggerKind

from dg_lsp.documents import Snapshot
from dg_lsp.features.list_trigger import ListTrigger

INVOKED = CompletionContext(CompletionTriggerKind.Invoked)
DOT = CompletionContext(CompletionTriggerKind.TriggerCharacter, ".")
OPEN_LIST = CompletionContext(CompletionTriggerKind.TriggerForIncompleteCompletions)
CODE = "value = self.retu"
END, DOTTED, BLANK, BEGIN = len(CODE), CODE.index(".") + 1, CODE.index("= ") + 2, 0


def snapshot() -> Snapshot:
    return Snapshot("file:///a.py", "python", 1, CODE)


@pytest.mark.parametrize(
    ("editor", "context", "offset", "since_change", "by_hand"),
    [
        ("Eglot", INVOKED, BLANK, 0.0, True),
        ("Eglot", INVOKED, DOTTED, 0.0, True),
        ("Eglot", DOT, DOTTED, 0.0, False),
        ("Eglot", INVOKED, END, 0.0, False),
        ("Eglot", INVOKED, END, 5.0, True),
        ("Eglot", OPEN_LIST, END, 5.0, False),
        ("Kate", None, END, 0.3, False),
        ("Kate", None, END, 5.0, True),
        ("Kate", None, DOTTED, 0.01, False),
        ("Kate", None, DOTTED, 5.0, True),
        ("", None, BLANK, 0.01, True),
        ("", None, BEGIN, 0.01, True),
        ("helix", INVOKED, END, 0.25, False),
        ("helix", INVOKED, END, 60.0, False),
        ("helix", INVOKED, BLANK, 0.2, True),
        ("helix", INVOKED, BLANK, 0.005, False),
        ("helix", INVOKED, DOTTED, 0.2, True),
    ],
)
def test_a_first_request_at_a_place(
    editor: str, context: CompletionContext | None, offset: int, since_change: float, by_hand: bool
) -> None:
    assert ListTrigger(lambda: since_change).by_hand(context, editor, snapshot(), offset) == by_hand


@pytest.mark.parametrize("editor", ["helix", "Eglot", "Kate"])
def test_the_user_asks_again_where_the_editor_asked(editor: str) -> None:
    now = 0.0
    trigger, here = ListTrigger(lambda: 0.1, lambda: now), snapshot()

    def asked(after: float, where: Snapshot = here, offset: int = END) -> bool:
        nonlocal now
        now += after
        return trigger.by_hand(INVOKED, editor, where, offset)

    assert not asked(0)
    assert not asked(0.1), "no hand is that fast"
    assert asked(0.5)
    assert not asked(0.5, snapshot()), "the text has changed"
    assert not asked(0.5, offset=END - 1)
