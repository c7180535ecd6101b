"""`dg-lsp demo`: the real server and the real engine fill gaps in a real file, while you watch."""

from __future__ import annotations

import asyncio
import io
import sys
import time
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory

from lsprotocol import types

from dg_lsp.client.local import EngineClient, EngineError, EngineUnavailable
from dg_lsp.completion.choice import SPARE
from dg_lsp.completion.fill import Wanted, fill
from dg_lsp.demo_model import wanted_model
from dg_lsp.demo_next import name_editors
from dg_lsp.demo_view import Screen
from dg_lsp.documents import Snapshot
from dg_lsp.lsp_client import LspClient, LspError, Message, server_process
from dg_lsp.settings import Settings
from dg_lsp.syntax.holes import Hole, HoleKind, cursor_hole, function_hole
from engine.protocol import FillResult

_SAMPLE = "settings_store.py"
_NO_ENGINE, _INTERRUPTED = 3, 130
_PATIENCE_MS = 60_000  # for an answer; an editor's default is shorter, and what took longer is named at the end


@dataclass(frozen=True, slots=True)
class _Cut:
    """A hole to make in the sample: `left` takes the place of the `code` that stands behind `before`."""

    title: str
    kind: HoleKind
    before: str
    code: str
    left: str = ""


_CUTS = (
    _Cut("The rest of a line", "cursor", "        self.known = ", "known"),
    _Cut("An argument of a call", "cursor", "json.dumps(", "self.values"),
    _Cut(
        "A function without a body",
        "function",
        '"""Change the value of a key and save the file."""\n        ',
        "self.values[key] = value\n        self.save()",
        "pass",
    ),
    _Cut("A line of its own", "cursor", "if key in self.values:\n            ", "return self.values[key]"),
)


def run() -> int:
    """Run the demonstration; returns the exit status: 0, 3 without an engine, 130 after Ctrl-C."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a model may write what the terminal cannot
    try:
        asyncio.run(_demo())
    except (EngineUnavailable, EngineError, LspError) as error:
        print(f"dg-lsp: {error}", file=sys.stderr)
        return _NO_ENGINE
    except KeyboardInterrupt:
        return _INTERRUPTED
    return 0


async def _demo() -> None:
    text, starts = _with_holes((resources.files("dg_lsp") / "demo_files" / _SAMPLE).read_text(encoding="utf-8"))
    screen, engine = Screen(), EngineClient()
    try:
        wanted = await wanted_model(screen)
        with TemporaryDirectory(prefix="dg-demo-") as folder:
            path = Path(folder) / _SAMPLE
            path.write_text(text, encoding="utf-8")
            async with server_process() as client:
                started_s, ready_s = await _connect(screen, client, engine, wanted)
                demo = _Demo(screen, client, engine, Snapshot(path.as_uri(), "python", 1, text))
                await demo.fill_all(starts)
    finally:
        await engine.close()
    screen.say(f"\n{demo.right} of {len(_CUTS)} gaps are filled as the file's author did.", "bold")
    screen.say("\nTimes", "bold")
    screen.say(f"  dg-lsp, from its start to its answer to `initialize`: {started_s:.2f} s")
    screen.say(f"  the engine, until it was ready: {ready_s:.2f} s")
    screen.times(demo.round_trips_ms, demo.results)
    _name_slow_holes(screen, demo.round_trips_ms)
    name_editors(screen)


async def _connect(screen: Screen, client: LspClient, engine: EngineClient, wanted: str) -> tuple[float, float]:
    """Send `initialize`, then wait until the engine is ready with the `wanted` model; returns the seconds of each."""
    begin = time.monotonic()
    with screen.waiting("Starting dg-lsp"):
        running = await _running_model(engine)
        await client.initialize({"engine": {"model": wanted}, "inline": {"manual_deadline_ms": _PATIENCE_MS}})
    started_s = time.monotonic() - begin
    screen.say(f"dg-lsp runs as a process and speaks LSP: `initialize` was answered after {started_s:.2f} s.")
    screen.say(
        f"It finds an engine that runs {running}." if running else "It starts the engine, which loads its model ..."
    )
    begin = time.monotonic()
    with screen.waiting("Starting the engine") as status:
        ready = await client.until_ready(status)
        if running and wanted not in ("", running):
            status(f"Loading {wanted}")
            if await client.request("dg/loadModel", {"name": wanted}) is None:
                raise EngineUnavailable((client.said() or [f"{wanted} was not loaded: run `dg-lsp doctor`"])[-1])
            ready = f"Ready: {wanted}, in the place of {running}"
    screen.say(f"{ready}.")
    return started_s, time.monotonic() - begin


def _name_slow_holes(screen: Screen, round_trips_ms: list[float]) -> None:
    """Say which answers an editor with the default settings would not have waited for."""
    limit = Settings().inline.manual_deadline_ms
    timed = zip(_CUTS, round_trips_ms, strict=True)
    late = [str(number) for number, (cut, ms) in enumerate(timed, 1) if cut.kind == "cursor" and ms > limit]
    if late:
        gaps = f"gap{'s' if len(late) > 1 else ''} {', '.join(late)}"
        screen.say(
            f"An editor waits for {limit / 1000:.1f} s at most (`inline.manual_deadline_ms`); {gaps} took longer here."
        )


class _Demo:
    """An editor with one document, which fills its holes one by one."""

    def __init__(self, screen: Screen, client: LspClient, engine: EngineClient, snapshot: Snapshot) -> None:
        self._screen, self._client, self._engine, self._snapshot = screen, client, engine, snapshot
        self.right = 0
        self.round_trips_ms: list[float] = []
        self.results: list[FillResult] = []

    async def fill_all(self, starts: list[int]) -> None:
        """Fill every hole, each in the document as the fills before have left it."""
        document = {"uri": self._snapshot.uri, "languageId": "python", "version": 1, "text": self._snapshot.text}
        self._client.notify("textDocument/didOpen", {"textDocument": document})
        self._screen.say(
            "Each gap is filled over LSP. The engine is then asked again, to show its drafts: LSP has none."
        )
        length = len(self._snapshot.text)
        for number, (cut, start) in enumerate(zip(_CUTS, starts, strict=True), 1):
            self._screen.say(f"\n{number}. {cut.title}", "bold")
            await self._fill(cut, start + len(self._snapshot.text) - length)

    async def _fill(self, cut: _Cut, offset: int) -> None:
        """Ask over LSP, show how the engine comes to that answer, and make the edit."""
        snapshot = self._snapshot
        hole = function_hole(snapshot, offset) if cut.kind == "function" else None
        hole = hole or cursor_hole(snapshot, offset)
        self._screen.place(snapshot, hole)
        method = "codeAction/resolve" if cut.kind == "function" else "textDocument/inlineCompletion"
        begin = time.monotonic()
        with self._screen.waiting(f"Asking with {method}"):
            edit = await (self._code_action(offset) if cut.kind == "function" else self._inline(offset))
        self.round_trips_ms.append((time.monotonic() - begin) * 1000)
        self._screen.say(f"{method} was answered in {self.round_trips_ms[-1]:.0f} ms.")
        result = await self._watch(hole, cut)
        self._explain(result, edit, cut)
        self.results.append(result)
        if edit:
            self._apply(edit)

    async def _watch(self, hole: Hole, cut: _Cut) -> FillResult:
        """Ask the engine itself for the same fill, because LSP carries no drafts."""
        settings = Settings()
        limits = settings.function if cut.kind == "function" else settings.inline
        with self._screen.drafts(self._snapshot, hole) as show:
            wanted = Wanted(max_tokens=limits.max_tokens, candidates=1 + SPARE)
            return await fill(self._engine, self._snapshot, hole, wanted, show)

    def _explain(self, result: FillResult, edit: Message | None, cut: _Cut) -> None:
        """Say where the answer comes from, and what the file's author wrote there."""
        if edit is None:
            said = self._client.said()
            self._screen.say(f"The model offers nothing here{f' ({said[-1]})' if said else ''}; the gap stays.")
        elif result.candidates:
            best = result.candidates[0]
            origin = {
                "denoised": "is what the canvas settled on",
                "causal": "is the best of several drafts written from left to right",
                "copied": "was copied from elsewhere in the file",
            }[best.source]
            self._screen.say(f"The answer {origin} ({100 * best.confidence:.0f} % sure).")
            if best.middle != edit["newText"]:
                self._screen.say("The answer over LSP was another one; it is the one used.")
        if edit and edit["newText"].strip() == cut.code:
            self.right += 1
            self._screen.say("The file's author wrote exactly this.", "green")
        else:
            self._screen.say(f"The file's author wrote: {' ⏎ '.join(cut.code.split(chr(10)))}", "dim")

    async def _inline(self, offset: int) -> Message | None:
        """The edit of the first inline completion."""
        params = {"textDocument": {"uri": self._snapshot.uri}, "position": self._position(offset)}
        items = await self._client.request("textDocument/inlineCompletion", {**params, "context": {"triggerKind": 1}})
        return {"range": items[0]["range"], "newText": items[0]["insertText"]} if items else None

    async def _code_action(self, offset: int) -> Message | None:
        """The edit of "Fill this function"."""
        here = self._position(offset)
        params = {"textDocument": {"uri": self._snapshot.uri}, "range": {"start": here, "end": here}}
        actions = await self._client.request("textDocument/codeAction", {**params, "context": {"diagnostics": []}})
        if not actions:
            return None
        edit = (await self._client.request("codeAction/resolve", actions[0])).get("edit")
        first: Message | None = edit["documentChanges"][0]["edits"][0] if edit else None
        return first

    def _apply(self, edit: Message) -> None:
        """Make an edit in the document and tell the server."""
        old = self._snapshot
        start, end = (old.offset_at(types.Position(**edit["range"][key]), "utf-16") for key in ("start", "end"))
        text = old.text[:start] + edit["newText"] + old.text[end:]
        self._snapshot = Snapshot(old.uri, old.language_id, old.version + 1, text)
        document = {"uri": old.uri, "version": self._snapshot.version}
        self._client.notify("textDocument/didChange", {"textDocument": document, "contentChanges": [{"text": text}]})
        self._screen.diff(_SAMPLE, old.text, text)

    def _position(self, offset: int) -> Message:
        position = self._snapshot.position_at(offset, "utf-16")
        return {"line": position.line, "character": position.character}


def _with_holes(sample: str) -> tuple[str, list[int]]:
    """The sample with its holes, and the offset of each, in order."""
    starts = []
    for cut in _CUTS:
        start = sample.index(cut.before + cut.code) + len(cut.before)
        sample = sample[:start] + cut.left + sample[start + len(cut.code) :]
        starts.append(start)
    return sample, starts


async def _running_model(engine: EngineClient) -> str:
    """The model of the engine that runs already; "" where none does."""
    try:
        return (await engine.health()).model
    except EngineUnavailable:
        return ""
