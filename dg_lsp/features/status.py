"""What the user sees of the server's state: a status, and reasons for silence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from dg_lsp.completion.latency import Latency
from dg_lsp.features.progress import WorkDone
from dg_lsp.reasons import NO_SUGGESTION, RESTARTED, SUPERSEDED, Reasons, unfamiliar
from engine.protocol import Health

Name = Literal["loading", "ready", "busy", "slow", "inactive", "error"]
Kind = Literal["Normal", "Error", "Warning", "Inactive"]

_WHY: dict[str, Any] = {"title": "Why no suggestion?", "command": "dg.explain", "arguments": []}


@dataclass(frozen=True, slots=True)
class State:
    """How the server is: `kind` as in Copilot's `didChangeStatus`, `message` one line for the user."""

    name: Name
    kind: Kind
    message: str
    busy: bool = False

    def as_json(self) -> dict[str, Any]:
        """The parameters of `didChangeStatus`; a command helps where something is wrong."""
        command = {} if self.kind == "Normal" else {"command": _WHY}
        return {"busy": self.busy, "message": self.message, "kind": self.kind, **command}


WARN_OF_UNKNOWN = ("emacs", "Eglot")
"""Editors (lsp-mode and eglot) that show a warning for each notification that they do not know."""


class Status:
    """Tells the editor how the server is, with the notification `didChangeStatus` known from Copilot's server.

    It is sent only when it differs from the last one, and not to an editor named in `WARN_OF_UNKNOWN`.
    """

    def __init__(self, server: LanguageServer) -> None:
        self.reasons = Reasons()
        self.latency = Latency()
        self.health: Health | None = None
        self.editor = ""
        self._server = server
        self._no_engine = ""
        self._starting = False
        self._gone = False
        self._left_out = ""
        self._turned_off = ""
        self._unfamiliar = ""
        self._failure = ""
        self._working = 0
        self._sent: State | None = None
        self._reasons_given: set[str] = set()
        self._load: WorkDone | None = None

    @property
    def state(self) -> State:
        """What matters most now."""
        health, busy = self.health, self._working > 0
        if self._no_engine and not self._starting:
            return State("error", "Error", self._no_engine, busy)
        if health is None:
            return State("loading", "Normal", RESTARTED if self._gone else "Starting the engine", busy=True)
        if health.state == "loading":
            what = RESTARTED if self._gone else "Loading model"
            return State("loading", "Normal", f"{what}, {int(100 * health.progress)} %", busy=True)
        if reason := self._left_out or self._turned_off:
            return State("inactive", "Inactive", reason, busy)
        if self._failure:
            return State("error", "Warning", self._failure, busy)
        if self._unfamiliar:
            return State("busy" if busy else "ready", "Warning", self._unfamiliar, busy)
        if self.latency.slow:
            return State("slow", "Warning", _slow(self.latency, health.device), busy)
        return State("busy" if busy else "ready", "Normal", f"Ready: {health.model} on {health.device}", busy)

    def starting(self, *, replacing: bool = False) -> None:
        """Show that an engine is looked for or started, and whether it is in the place of one that ended.

        With `replacing` that end is wanted.
        """
        self._gone = not replacing and (self._gone or self.health is not None)
        self.health, self._starting = None, True
        self._send()

    async def engine(self, health: Health) -> None:
        """Show that the engine loads, and how far it is, or that it is ready."""
        if self.health is None or health.pid != self.health.pid:
            self.latency.clear()
        self.health, self._no_engine, self._failure = health, "", ""
        self._send()
        if health.state == "loading":
            if self._load is None:
                self._load = await WorkDone.begin(self._server, "Loading model")
            self._load.report(health.progress, health.model)
        else:
            self._starting = self._gone = False
            self._end_load(health.message)
            self._reasons_given.clear()

    async def no_engine(self, why: str) -> None:
        """Show that there is no engine, and why: it died, or could not be started."""
        self._gone, self._starting = not self._starting, False
        self._end_load(why)
        self.reasons.add(why)
        if why != self._no_engine:
            self._reasons_given.clear()
            self._log(types.MessageType.Error, why)
        self.health, self._no_engine = None, why
        self._send()

    def warn(self, why: str, *, uri: str = "", line: int | None = None) -> None:
        """Show that a request failed although the engine lives, until one is answered."""
        self._failure = why
        self._send()
        self.silent(why, uri=uri, line=line)

    def silent(self, reason: str, *, uri: str = "", line: int | None = None) -> None:
        """Keep why a request for a line (from 0) of a document is answered with nothing.

        It is logged once until the engine's state changes, so it must hold no code.
        """
        self.reasons.add(reason, uri=uri, line=line)
        if reason not in self._reasons_given:
            self._reasons_given.add(reason)
            self._log(types.MessageType.Info, reason)

    def superseded(self, uri: str) -> None:
        """Keep that a request got nothing because a newer one, also of another window, or an edit came."""
        self.reasons.add(SUPERSEDED, uri=uri)

    def left_out(self, reason: str, *, uri: str = "", line: int | None = None) -> None:
        """Show why the document at hand gets nothing, until the user is in another one."""
        self._left_out = reason
        self._send()
        self.silent(f"{NO_SUGGESTION}{reason}", uri=uri, line=line)

    def admitted(self) -> None:
        """Show that the user is in a document that is not left out."""
        self._left_out = ""
        self._send()

    def in_language(self, language_id: str) -> None:
        """Show whether the model knows the language of the document at hand."""
        self._unfamiliar = unfamiliar(self.health, language_id)
        self._send()

    def turned_off(self, reason: str, *, uri: str = "", line: int | None = None) -> None:
        """Show why nothing is suggested unasked in a document that is not left out, until it is `turned_on`."""
        self._left_out = ""
        self.quiet(reason)
        self.silent(f"{NO_SUGGESTION}{reason}", uri=uri, line=line)

    def quiet(self, reason: str) -> None:
        """Show why nothing is suggested unasked although nobody asked yet, until it is `turned_on`."""
        self._turned_off = reason
        self._send()

    def turned_on(self) -> None:
        """Show that suggestions are wanted unasked."""
        self._turned_off = ""
        self._send()

    def served(self) -> None:
        """Show that a request was answered without work: what kept others silent is over."""
        self._left_out = self._failure = ""
        self._send()

    def took(self, ms: float, *, cut: bool = False) -> None:
        """Take in how long an automatic fill took; `cut` when the deadline ended it."""
        self.latency.add(ms, cut=cut)
        self._send()

    def tell(self, message: str, kind: types.MessageType = types.MessageType.Info) -> None:
        """Show one line to a user who asked for something by hand."""
        self._server.window_show_message(types.ShowMessageParams(type=kind, message=message))

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Show the server as busy meanwhile, and as well again when the work succeeds."""
        self._working += 1
        self._send()
        try:
            yield
            self._left_out = self._failure = ""
        finally:
            self._working -= 1
            self._send()

    def _send(self) -> None:
        state = self.state
        if self._sent is None or state.as_json() != self._sent.as_json():
            self._sent = state
            if self.editor not in WARN_OF_UNKNOWN:
                self._server.protocol.notify("didChangeStatus", state.as_json())

    def _end_load(self, message: str) -> None:
        if self._load is not None:
            self._load.end(message)
            self._load = None

    def _log(self, kind: types.MessageType, message: str) -> None:
        self._server.window_log_message(types.LogMessageParams(type=kind, message=message))


def _slow(latency: Latency, device: str) -> str:
    cut = ", cut short by their deadline" if latency.mostly_cut else ""
    choose = "choose a smaller model" if device.startswith("cuda") else "choose a GPU, a smaller model"
    return f"Slow: the last fills took {latency.percentile(50):.0f} ms (p50){cut}; {choose}, or close other programs"
