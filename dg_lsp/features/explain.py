"""What the server tells about itself when asked: the request `dg/status` and the command `dg.explain`."""

from __future__ import annotations

import asyncio
import os
from importlib.metadata import version
from typing import Any

from dg_lsp.reasons import unfamiliar
from dg_lsp.session import Session
from dg_lsp.syntax.tree import why_no_tree
from dg_lsp.uris import file_name


class Explain:
    """Answers for people (a text) and for plugins (the same as JSON), without the user's code."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def status(self) -> dict[str, Any]:
        """How the server is: what `didChangeStatus` told last, and the facts behind it.

        Times are in ms, null before the first automatic fill; `progress` is of the model's load, 0 to 1; `languages`
        are those that the model knows, none where that is not known.
        """
        status = self._session.status
        health, latency = status.health, status.latency
        return {
            "state": status.state.name,
            **status.state.as_json(),
            "model": health.model if health else None,
            "languages": list(health.languages) if health else [],
            "device": health.device if health else None,
            "progress": health.progress if health else 0.0,
            "engine_pid": health.pid if health else None,
            "latency_ms": {"fills": len(latency), "p50": latency.percentile(50), "p95": latency.percentile(95)},
            "reasons": len(status.reasons),
            "snoozed_until": self._session.snoozed_until,
            "documents": len(self._session.documents.all()),
            "editor": self._session.editor,
            "encoding": self._session.encoding,
            "pid": os.getpid(),
            "version": version("dg-lsp"),
        }

    async def status_with_today(self) -> dict[str, Any]:
        """The status, and what was offered and accepted today; null where that is not counted."""
        session = self._session
        # In a thread: the home folder may lie on a slow disk.
        today = await asyncio.to_thread(session.statistics.today) if session.settings.statistics else None
        counts = {"offered": today.offered, "accepted": today.accepted} if today else None
        return {**self.status(), "today": counts}

    def answer(self, argument: object = None) -> dict[str, Any]:
        """Why there was no suggestion, newest first; shows the latest reason for the document to the user.

        `argument` is the document's URI, or an object with it as `uri`; without, the latest reason of all counts.
        """
        uri = argument.get("uri", "") if isinstance(argument, dict) else argument
        uri = uri if isinstance(uri, str) else ""
        status = self._session.status
        now, hints, latest = self._silencer(uri), self._hints(uri), status.reasons.latest(uri)
        notes = [now, *hints] if now else hints
        before = latest.told() if latest and not (now and now in latest.reason) else ""
        told = [part for part in (now, before, *hints) if part]
        status.tell(f"dg-lsp: {'; '.join(told) or 'so far no request was answered with nothing'}")
        return {
            "status": self.status(),
            "latest": latest.as_json() if latest else None,
            "notes": notes,
            "reasons": [reason.as_json() for reason in status.reasons.all()],
            "text": "\n".join([status.state.message, *notes, *map(str, status.reasons.all())]),
        }

    def _silencer(self, uri: str) -> str:
        """What keeps a document from getting suggestions now, whether it was asked for them or not; "" for nothing."""
        if not uri:
            return self._session.snooze.reason
        snapshot = self._session.documents.get(uri)
        if snapshot is None:
            name = file_name(uri)
            return f"{name} is not open here: the editor did not send it (is dg-lsp set up for its language?)"
        return self._session.exclusions.of_document(snapshot, 0) or self._session.turned_off(snapshot) or ""

    def _hints(self, uri: str) -> list[str]:
        """What makes suggestions for a document worse."""
        snapshot = self._session.documents.get(uri)
        if snapshot is None or self._session.exclusions.of_document(snapshot, 0):
            return []
        without = why_no_tree(snapshot)
        strange = unfamiliar(self._session.status.health, snapshot.language_id)
        hints = [strange, without and f"no code actions, and answers are not checked for syntax: {without}"]
        return [hint for hint in hints if hint]
