"""Fill this function: raw JSON-RPC to a real `dg-lsp` process, with the scripted engine for control over time.

T… are traps of pygls, as in `test_server.py`.
"""

from __future__ import annotations

import json

from lsp_session import NO_ANSWER, SLOW, STUB, URI, LspSession, StartEngine, eventually, message, position


def test_fill_this_function_is_offered_in_stubs_alone(server: LspSession, script: StartEngine) -> None:
    script()
    server.open(URI, STUB)
    (action,) = server.code_actions(URI, 1, 4)
    assert action == {
        "title": "Fill this function `area`",
        "kind": "refactor.rewrite",
        "data": {"uri": URI, "version": 1, "start": 29, "end": 33},
        "tags": [1],
    }
    assert server.code_actions(URI, 5, 4) == []
    assert server.code_actions(URI, 1, 4, only=["refactor"]) == [action]
    assert server.code_actions(URI, 1, 4, only=["quickfix"]) == []


def test_the_chosen_action_shows_its_steps_and_brings_a_versioned_edit(server: LspSession, script: StartEngine) -> None:
    engine = script("--steps", "4", "--middle", "return width * height")
    server.open(URI, STUB, version=7)
    (action,) = server.code_actions(URI, 1, 4)
    resolved = server.ask("codeAction/resolve", action)["result"]
    span = {"start": position(1, 4), "end": position(1, 8)}
    assert resolved["edit"] == {
        "documentChanges": [
            {
                "textDocument": {"uri": URI, "version": 7},
                "edits": [{"range": span, "newText": "return width * height"}],
            }
        ]
    }
    progress = [m["params"]["value"] for m in server.received if m.get("method") == "$/progress"]
    assert [value.get("percentage") for value in progress] == [0, 25, 50, 75, 100, None]
    assert progress[0]["cancellable"] is True
    assert engine.seen()[0]["request"]["prefix"].endswith("height):\n    ")


def test_an_editor_without_the_newer_capabilities_gets_plain_changes_no_tag_and_no_progress(
    lsp: LspSession, start: StartEngine
) -> None:
    start("--middle", "return 0", capabilities={})
    lsp.open(URI, STUB)
    (action,) = lsp.code_actions(URI, 1, 4)
    assert "tags" not in action
    span = {"start": position(1, 4), "end": position(1, 8)}
    resolved = lsp.ask("codeAction/resolve", action)["result"]
    assert resolved["edit"] == {"changes": {URI: [{"range": span, "newText": "return 0"}]}}
    assert not [m for m in lsp.received if m["method"] in ("$/progress", "window/workDoneProgress/create")]


def test_an_action_chosen_after_a_change_finds_its_function_again(server: LspSession, script: StartEngine) -> None:
    script("--middle", "return 0")
    server.open(URI, STUB)
    (action,) = server.code_actions(URI, 1, 4)
    server.change(URI, 2, {"range": {"start": position(0, 0), "end": position(0, 0)}, "text": "import os\n\n"})
    (change,) = server.ask("codeAction/resolve", action)["result"]["edit"]["documentChanges"]
    assert change["textDocument"]["version"] == 2
    assert change["edits"][0]["range"]["start"] == position(3, 4)


def test_an_action_whose_function_is_gone_brings_no_edit_and_says_so(server: LspSession, script: StartEngine) -> None:
    script()
    server.open(URI, STUB)
    (action,) = server.code_actions(URI, 1, 4)
    server.change(URI, 2, {"text": "x = 1\n"})
    assert "edit" not in server.ask("codeAction/resolve", action)["result"]
    assert server.shown() == ["The document changed: choose the action again."]


def test_an_action_works_on_the_text_of_its_moment(server: LspSession, script: StartEngine) -> None:
    """A change that comes in the same burst is later than the request."""
    engine = script()
    server.open(URI, STUB)
    (action,) = server.code_actions(URI, 1, 4)
    change = {"textDocument": {"uri": URI, "version": 2}, "contentChanges": [{"text": "x = 1\n"}]}
    server.raw(message("codeAction/resolve", action, 88) + message("textDocument/didChange", change))
    assert "edit" not in server.response(88)["result"]
    assert engine.seen()[0]["request"]["prefix"].startswith("def area")
    assert server.shown() == ["The document changed while `area` was being filled: try again."]


def test_a_cancelled_progress_stops_the_work_and_leaves_the_action_without_edit(
    server: LspSession, script: StartEngine
) -> None:
    """T20."""
    engine = script(*SLOW)
    server.open(URI, STUB)
    (action,) = server.code_actions(URI, 1, 4)
    request = server.send("codeAction/resolve", action)
    token = server.wait_for(lambda m: m.get("method") == "$/progress")["params"]["token"]
    eventually(lambda: bool(engine.seen()))
    server.notify("window/workDoneProgress/cancel", {"token": token})
    assert "edit" not in server.response(request)["result"]
    eventually(lambda: engine.seen()[0]["end"] == "closed")


def test_a_late_reply_to_a_progress_that_nobody_waits_for_does_no_harm(lsp: LspSession, start: StartEngine) -> None:
    """T10: without a shield the reply raises in the server."""
    start()
    lsp.open(URI, STUB)
    (action,) = lsp.code_actions(URI, 1, 4)
    lsp.answers["window/workDoneProgress/create"] = NO_ANSWER
    request = lsp.send("codeAction/resolve", action)
    create = lsp.wait_for(lambda m: m.get("method") == "window/workDoneProgress/create")
    lsp.cancel(request)
    assert lsp.response(request)["error"]["code"] == -32800
    body = json.dumps({"jsonrpc": "2.0", "id": create["id"], "result": None}).encode()
    lsp.raw(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
    lsp.answers.clear()
    assert "edit" in lsp.ask("codeAction/resolve", action)["result"]
    assert lsp.leave() == 0
    assert lsp.shown() == []
    assert lsp.stderr() == ""
