"""A session from start to end as an editor has it: raw JSON-RPC, the real engine, the shipped model.

What the model proposes is not judged here; it may also have nothing to offer, and then says so.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lsp_session import STUB, URI, LspSession, Message, position, short_folder

PATIENCE_S = 100  # torch alone takes many seconds on a busy machine
AREA_BODY = {"start": position(1, 4), "end": position(1, 8)}


@pytest.fixture
def runtime_folder() -> Iterator[Path]:
    with short_folder() as folder:
        yield folder
        engine(folder, "stop")


@pytest.fixture
def editor(runtime_folder: Path) -> Iterator[LspSession]:
    session = LspSession(runtime_folder)
    yield session
    session.close()


def engine(folder: Path, command: str, *arguments: str) -> tuple[int, str]:
    """Exit status and output of a `dg-engine` command."""
    environment = {**os.environ, "DG_RUNTIME_DIR": str(folder)}
    words = [sys.executable, "-m", "engine.cli", command, *arguments]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.strip()


def fill_this_function(editor: LspSession) -> Message:
    """The code action on the stub."""
    return next(a for a in editor.code_actions(URI, 1, 4) if a["title"].startswith("Fill this function"))


def check_items(editor: LspSession, items: list[dict[str, Any]] | None, line: int) -> None:
    """Items of one line's range with some text, or null with a reason in the log."""
    if items is None:
        assert any(reason.startswith("no suggestion: ") for reason in editor.logged())
        return
    for item in items:
        assert item["insertText"].strip()
        assert item["range"]["start"]["line"] == item["range"]["end"]["line"] == line


def check_action(editor: LspSession, resolved: dict[str, Any], version: int) -> None:
    """An edit of the stub, or none with a reason on the screen."""
    if "edit" not in resolved:
        (said,) = editor.shown()
        assert said.startswith("`area` was not filled: ")
        return
    (change,) = resolved["edit"]["documentChanges"]
    assert change["textDocument"] == {"uri": URI, "version": version}
    (edit,) = change["edits"]
    assert edit["range"] == AREA_BODY
    assert edit["newText"].strip()


def test_a_whole_session(editor: LspSession, runtime_folder: Path) -> None:
    capabilities = editor.initialize()["capabilities"]
    assert "inlineCompletionProvider" in capabilities
    assert capabilities["codeActionProvider"]["resolveProvider"]
    editor.until_ready(PATIENCE_S)

    editor.open(URI, STUB)
    typed = "total = area("
    for version, character in enumerate(typed, start=2):
        here = position(6, version - 2)
        editor.change(URI, version, {"range": {"start": here, "end": here}, "text": character})
    version = 1 + len(typed)

    items = editor.response(editor.start_inline(URI, 6, len(typed), trigger=1), PATIENCE_S)["result"]
    check_items(editor, items, line=6)

    request = editor.start_inline(URI, 2, 0, trigger=1)
    editor.cancel(request)
    assert editor.response(request)["error"]["code"] == -32800

    if items and items[0]["insertText"][1:].strip():  # typed on, it is known without the engine
        first, rest = items[0]["insertText"][0], items[0]["insertText"][1:]
        here, version = position(6, len(typed)), version + 1
        editor.change(URI, version, {"range": {"start": here, "end": here}, "text": first})
        (item,) = editor.inline(URI, 6, len(typed) + 1)
        assert item["insertText"] == rest

    action, *_ = editor.code_actions(URI, 1, 4)
    resolved = editor.response(editor.send("codeAction/resolve", action), PATIENCE_S)["result"]
    check_action(editor, resolved, version)

    assert editor.leave() == 0
    assert editor.stderr() == ""

    status, out = engine(runtime_folder, "status", "--json")
    assert (status, json.loads(out)["state"]) == (0, "ready")
    assert engine(runtime_folder, "stop") == (0, "stopped")
    assert engine(runtime_folder, "status") == (3, "not running")


def test_an_engine_killed_in_mid_fill_is_replaced_for_the_next_request(
    editor: LspSession, runtime_folder: Path
) -> None:
    editor.initialize()
    editor.until_ready(PATIENCE_S)
    killed = json.loads(engine(runtime_folder, "status", "--json")[1])["pid"]
    editor.open(URI, STUB)
    action, *_ = editor.code_actions(URI, 1, 4)
    editor.received.clear()

    request = editor.send("codeAction/resolve", action)
    editor.wait_for(lambda m: "step 1 of" in str(m["params"]), PATIENCE_S)
    os.kill(killed, signal.SIGKILL)
    assert "edit" not in editor.response(request)["result"]
    (told,) = editor.shown()
    assert told.startswith("`area` was not filled: the engine is gone")
    assert editor.statuses()[-1]["kind"] == "Error"

    editor.received.clear()
    resolved = editor.response(editor.send("codeAction/resolve", action), PATIENCE_S)["result"]
    check_action(editor, resolved, version=1)
    items = editor.response(editor.start_inline(URI, 2, 0, trigger=1), PATIENCE_S)["result"]
    check_items(editor, items, line=2)
    assert json.loads(engine(runtime_folder, "status", "--json")[1])["pid"] != killed


def test_an_engine_that_ended_while_nobody_asked_is_started_again_at_once(
    editor: LspSession, runtime_folder: Path
) -> None:
    editor.initialize()
    editor.until_ready(PATIENCE_S)
    editor.open(URI, STUB)
    assert engine(runtime_folder, "stop") == (0, "stopped")
    editor.received.clear()

    assert editor.inline(URI, 2, 0) is None
    assert "no suggestion: the engine is gone: it is started again" in editor.logged()
    editor.until_ready(PATIENCE_S)
    assert {"busy": True, "message": "the engine is gone: it is started again", "kind": "Normal"} in editor.statuses()
    assert {status["kind"] for status in editor.statuses()} == {"Normal"}
    items = editor.response(editor.start_inline(URI, 2, 0, trigger=1), PATIENCE_S)["result"]
    check_items(editor, items, line=2)
