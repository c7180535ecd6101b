"""Where the user wants no suggestion unasked."""

from __future__ import annotations

from dg_lsp.documents import Snapshot
from dg_lsp.language_ids import language_for
from dg_lsp.settings import InlineSettings
from dg_lsp.syntax.tree import in_comment


def unwanted(inline: InlineSettings, snapshot: Snapshot, offset: int) -> str | None:
    """Why an automatic request at an offset is answered with nothing; None when it is wanted."""
    if not inline.enabled:
        return "automatic ones are turned off (dg.inline.enabled)"
    if snapshot.language_id in map(language_for, inline.disabled_languages):
        return f"automatic ones are turned off for {snapshot.language_id} (dg.inline.disabled_languages)"
    if not inline.in_comments and in_comment(snapshot, offset):
        return "automatic ones are turned off in comments (dg.inline.in_comments)"
    return None
