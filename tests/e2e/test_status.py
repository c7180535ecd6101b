"""What the server tells about itself: raw JSON-RPC to a real `dg-lsp` process, with the scripted engine."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from lsp_session import (
    FULL_CAPABILITIES,
    STUB,
    URI,
    LspSession,
    Message,
    ScriptedEngines,
    StartEngine,
    eventually,
    short_folder,
)

from dg_lsp.reasons import SUPERSEDED

PUSHED = {**FULL_CAPABILITIES, "workspace": {}}
CODE = "sesame_code = 1\n\n"


def explain(server: LspSession, *arguments: Any) -> Message:
    answer = server.ask("workspace/executeCommand", {"command": "dg.explain", "arguments": list(arguments)})
    result: Message = answer["result"]
    return result


def status(server: LspSession) -> Message:
    result: Message = server.ask("dg/status")["result"]
    return result


def test_the_command_is_advertised(lsp: LspSession, scripted_engine: StartEngine) -> None:
    scripted_engine()
    assert "dg.explain" in lsp.initialize()["capabilities"]["executeCommandProvider"]["commands"]


def test_the_status_while_the_model_loads_and_when_it_is_ready(lsp: LspSession, scripted_engine: StartEngine) -> None:
    engine = scripted_engine("--load-ms", "1000000")
    lsp.initialize(clientInfo={"name": "Test editor"})
    lsp.wait_for(lambda m: m["method"] == "didChangeStatus" and m["params"]["message"].startswith("Loading"))
    loading = status(lsp)
    assert (loading["state"], loading["busy"], loading["kind"]) == ("loading", True, "Normal")
    assert 0 <= loading["progress"] < 0.5
    scripted_engine()
    lsp.until_ready()
    lsp.open(URI, STUB)
    ready = status(lsp)
    assert ready["latency_ms"] == {"fills": 0, "p50": None, "p95": None}
    expected = {
        "state": "ready",
        "busy": False,
        "message": "Ready: scripted on none",
        "kind": "Normal",
        "model": "scripted",
        "device": "none",
        "progress": 1.0,
        "engine_pid": engine.process.pid,
        "reasons": 0,
        "documents": 1,
        "editor": "Test editor",
        "encoding": "utf-16",
        "pid": lsp.process.pid,
        "version": "0.1.0",
    }
    assert ready.items() >= expected.items()


def test_slow_fills_are_a_warning_with_advice(lsp: LspSession, start: StartEngine) -> None:
    start("--steps", "1", "--step-ms", "450", initializationOptions={"inline": {"debounce_ms": 0}})
    for number in range(8):
        lsp.open(f"file:///tmp/{number}.py", STUB)
        lsp.start_inline(f"file:///tmp/{number}.py", 2, 0)
    slow = lsp.wait_for(lambda m: m["method"] == "didChangeStatus" and m["params"]["kind"] == "Warning")["params"]
    assert slow["message"].startswith("Slow: the last fills took ")
    assert slow["message"].endswith(" ms (p50); choose a GPU, a smaller model, or close other programs")
    eventually(lambda: status(lsp)["state"] == "slow")
    assert status(lsp)["latency_ms"]["p50"] > 400


def test_why_there_was_no_suggestion_is_told_to_the_user_and_to_plugins(
    server: LspSession, script: StartEngine
) -> None:
    script("--middle", " ")
    server.open(URI, CODE)
    assert server.inline(URI, 1, 0) is None
    assert server.inline(URI, 1, 0) is None
    answer = explain(server, URI)
    latest = answer["latest"]
    assert (latest["reason"], latest["file"], latest["line"]) == ("no suggestion: the answer was blank", "sample.py", 2)
    assert latest["count"] >= 2
    assert answer["reasons"][0] == latest
    assert answer["notes"] == []
    assert answer["status"]["state"] == "ready"
    (shown,) = server.shown()
    assert re.fullmatch(r"dg-lsp: the answer was blank \(sample\.py:2, 2 times, last at \d\d:\d\d:\d\d\)", shown)
    assert "  sample.py:2: no suggestion: the answer was blank (2 times)" in answer["text"]
    assert "sesame" not in str(answer)


def test_without_a_document_the_latest_reason_of_all_counts(server: LspSession, script: StartEngine) -> None:
    script()
    assert server.inline("file:///elsewhere.py", 0, 0) is None
    assert explain(server)["latest"]["reason"] == "no suggestion: file:///elsewhere.py is not open"
    assert explain(server, {"uri": "file:///elsewhere.py"})["notes"] == [
        "elsewhere.py is not open here: the editor did not send it (is dg-lsp set up for its language?)"
    ]
    assert server.ask("workspace/executeCommand", {"command": "dg.explain"})["result"]["latest"]


def test_what_holds_for_a_document_is_told_before_any_request(lsp: LspSession, start: StartEngine) -> None:
    start(initializationOptions={"inline": {"disabled_languages": ["python"]}})
    lsp.open(URI, CODE)
    lsp.open("file:///tmp/notes.md", "sesame\n", "markdown")
    lsp.open("file:///tmp/.env", "sesame=1\n", "dotenv")
    off = "automatic suggestions are turned off for python (dg.inline.disabled_languages)"
    assert explain(lsp, URI)["notes"] == [off]
    assert explain(lsp, "file:///tmp/notes.md")["notes"] == [
        "no code actions, and answers are not checked for syntax: no grammar for markdown"
    ]
    assert explain(lsp, "file:///tmp/.env")["notes"] == [".env is on the list of secret files"]
    assert lsp.shown()[0] == f"dg-lsp: {off}"
    assert explain(lsp)["notes"] == []
    assert lsp.shown()[-1] == "dg-lsp: so far no request was answered with nothing"

    assert lsp.inline(URI, 1, 0) is None
    assert lsp.statuses()[-1]["kind"] == "Inactive"
    assert lsp.statuses()[-1]["command"]["command"] == "dg.explain"
    assert status(lsp)["state"] == "inactive"
    assert lsp.inline(URI, 1, 0, trigger=1)
    assert status(lsp)["message"] == off


def test_suggestions_that_are_turned_off_stay_so_in_the_status_whatever_else_is_asked(
    lsp: LspSession, start: StartEngine
) -> None:
    start(initializationOptions={"inline": {"enabled": False}}, capabilities=PUSHED)
    lsp.open(URI, STUB)
    lsp.open("file:///tmp/.env", "sesame=1\n", "dotenv")
    assert lsp.inline(URI, 2, 0) is None
    lsp.received.clear()
    assert lsp.code_actions(URI, 1, 4)
    assert lsp.inline(URI, 2, 0) is None
    assert lsp.inline(URI, 2, 0, trigger=1)
    assert lsp.code_actions(URI, 1, 4)
    assert {told["kind"] for told in lsp.statuses()} <= {"Inactive"}  # busy meanwhile
    turned_off = "automatic suggestions are turned off (dg.inline.enabled)"
    assert status(lsp)["message"] == turned_off

    assert lsp.code_actions("file:///tmp/.env", 0, 0) == []
    assert status(lsp)["message"] == ".env is on the list of secret files"
    assert lsp.code_actions(URI, 1, 4)
    assert status(lsp)["message"] == turned_off

    lsp.notify("workspace/didChangeConfiguration", {"settings": {"inline": {"enabled": True}}})
    assert status(lsp)["state"] == "ready"


def test_suggestions_turned_off_in_comments_are_shown_until_one_is_wanted_elsewhere(
    lsp: LspSession, start: StartEngine
) -> None:
    start(initializationOptions={"inline": {"in_comments": False}})
    lsp.open(URI, "# a comment\n\n")
    assert lsp.inline(URI, 0, 11) is None
    assert status(lsp)["message"] == "automatic suggestions are turned off in comments (dg.inline.in_comments)"
    assert lsp.inline(URI, 1, 0)
    assert status(lsp)["state"] == "ready"


def test_an_engine_that_is_gone_is_the_reason_for_every_document(
    lsp: LspSession, start: StartEngine, tmp_path: Path
) -> None:
    start("--die-at-step", "1")
    lsp.open(URI, STUB)
    assert lsp.inline(URI, 2, 0) is None
    assert status(lsp)["state"] == "error"
    for uri in (URI, (tmp_path / "other.py").as_uri()):
        assert "the engine is gone" in explain(lsp, uri)["latest"]["reason"]


def test_superseded_requests_are_counted_and_hide_no_other_reason(lsp: LspSession, start: StartEngine) -> None:
    start("--middle", " ", initializationOptions={"inline": {"debounce_ms": 0}})
    lsp.open(URI, STUB)
    assert lsp.inline(URI, 2, 0) is None
    requests = [lsp.start_inline(URI, 3, 0, trigger=1), lsp.start_inline(URI, 3, 0), lsp.start_inline(URI, 3, 0)]
    for request in requests:
        lsp.response(request)
    answer = explain(lsp, URI)
    (superseded,) = [reason for reason in answer["reasons"] if reason["reason"] == SUPERSEDED]
    assert (superseded["count"], superseded["line"]) == (2, None)
    assert answer["latest"]["reason"] == "no suggestion: the answer was blank"
    assert SUPERSEDED not in lsp.logged()


# Quiet for a while


def snooze(server: LspSession, *arguments: Any) -> Any:
    return server.ask("workspace/executeCommand", {"command": "dg.snooze", "arguments": list(arguments)})["result"]


def test_a_snooze_silences_every_document_and_leaves_what_is_asked_for(lsp: LspSession, start: StartEngine) -> None:
    start(initializationOptions={"inline": {"debounce_ms": 0}})
    lsp.open(URI, STUB)
    begun = datetime.now().astimezone()
    until = datetime.fromisoformat(snooze(lsp)["snoozed_until"])
    assert timedelta(minutes=9) < until - begun < timedelta(minutes=11)
    assert status(lsp)["message"] == f"snoozed until {until:%H:%M}"
    assert (status(lsp)["kind"], status(lsp)["snoozed_until"][:16]) == ("Inactive", until.isoformat()[:16])
    lsp.open("file:///tmp/other.py", STUB)
    assert lsp.inline("file:///tmp/other.py", 2, 0) is None
    assert lsp.inline(URI, 2, 0, trigger=1)
    assert lsp.code_actions(URI, 1, 4)
    explain(lsp, URI)
    assert lsp.shown()[-1] == f"dg-lsp: snoozed until {until:%H:%M}"
    assert snooze(lsp, 0) == {"snoozed_until": None}
    assert status(lsp)["state"] == "ready"
    assert lsp.inline(URI, 2, 0)


def test_a_snooze_ends_by_itself_and_the_status_tells(lsp: LspSession, start: StartEngine) -> None:
    start()
    lsp.open(URI, STUB)
    snooze(lsp, 5)
    snooze(lsp, 0.02)  # the last one counts
    assert lsp.inline(URI, 2, 0) is None
    lsp.wait_for(lambda m: m["method"] == "didChangeStatus" and m["params"]["kind"] == "Inactive")
    lsp.received.clear()
    lsp.until_ready()
    assert lsp.inline(URI, 2, 0)


@pytest.mark.parametrize("minutes", [-1, "soon", 1441, True, None, [5]])
def test_a_snooze_of_no_length_is_one_clear_line(server: LspSession, minutes: Any) -> None:
    assert snooze(server, minutes) is None
    assert server.shown() == [f"dg.snooze takes minutes, a number from 0 to 1440, not {json.dumps(minutes)}"]
    assert status(server)["snoozed_until"] is None


# What is accepted


def accept(lsp: LspSession, text: str, version: int) -> None:
    """Insert text at the start of the third line, as an editor does when its user accepts it."""
    here = {"line": 2, "character": 0}
    lsp.change(URI, version, {"range": {"start": here, "end": here}, "text": text})


def statistics(folder: Path) -> list[Message]:
    """What `dg-lsp stats` counts in a data folder."""
    command = [sys.executable, "-m", "dg_lsp", "stats", "--json"]
    answer = subprocess.run(command, env={**os.environ, "XDG_DATA_HOME": str(folder)}, capture_output=True, check=True)
    weeks: list[Message] = json.loads(answer.stdout)["weeks"]
    return weeks


def test_what_was_accepted_is_counted_when_the_editor_leaves(request: pytest.FixtureRequest) -> None:
    with short_folder() as folder:
        engines = ScriptedEngines(folder)
        request.addfinalizer(engines.end)
        for options in ({}, {"statistics": False}):
            engines.start("--middle", "sesame_call(1)")
            lsp = LspSession(folder)
            try:
                lsp.initialize(initializationOptions=options)
                lsp.until_ready()
                lsp.open(URI, STUB)
                assert lsp.inline(URI, 2, 0)
                accept(lsp, "sesame_call(1)", 2)
                engines.start("--middle", "sesame = 2")
                assert lsp.inline(URI, 3, 0)
                lsp.notify("textDocument/didClose", {"textDocument": {"uri": URI}})
                assert lsp.leave() == 0
            finally:
                lsp.close()
        (row,) = statistics(folder)
        assert row.pop("week")
        assert row == {"language": "python", "offered": 2, "full": 1, "line": 0, "word": 0, "characters": 14}
        assert "sesame" not in (folder / "dg-lsp" / "statistics.jsonl").read_text()


def test_the_status_tells_what_was_offered_and_accepted_today_in_all_windows(
    lsp: LspSession, start: StartEngine, scripted_engines: tuple[Path, ScriptedEngines]
) -> None:
    start("--middle", "sesame_call(1)")
    before = status(lsp)["today"]
    other = LspSession(scripted_engines[0])
    try:
        other.initialize()
        other.until_ready()
        for window, taken in ((other, "sesame_call(1)"), (lsp, "x")):
            window.open(URI, STUB)
            assert window.inline(URI, 2, 0)
            accept(window, taken, 2)
            window.notify("textDocument/didClose", {"textDocument": {"uri": URI}})
        assert other.leave() == 0
    finally:
        other.close()
    now = status(lsp)["today"]
    assert (now["offered"] - before["offered"], now["accepted"] - before["accepted"]) == (2, 1)


def test_where_nothing_is_counted_the_status_tells_nothing_of_today(lsp: LspSession, start: StartEngine) -> None:
    start(initializationOptions={"statistics": False})
    assert status(lsp)["today"] is None


def test_a_language_that_the_model_does_not_know_is_told_in_the_status_and_as_a_reason(
    lsp: LspSession, start: StartEngine
) -> None:
    start("--language", "python", "--middle", " ")
    uri, hint = "file:///tmp/sample.go", "scripted knows Python only; this file is Go"
    lsp.open(uri, "package a\n\nfunc f() {\n}\n", language="go")
    assert lsp.inline(uri, 1, 0) is None
    assert status(lsp)["message"] == hint
    assert explain(lsp, uri)["notes"] == [hint]
    assert hint in lsp.shown()[-1]
    lsp.open(URI, STUB)
    lsp.inline(URI, 2, 0)
    assert status(lsp)["message"] == "Ready: scripted on none"
