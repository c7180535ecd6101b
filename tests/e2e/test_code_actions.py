"""Code actions: raw JSON-RPC to a real `dg-lsp` process, with the scripted engine for control over time.

T… are traps of pygls, as in `test_server.py`.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from lsp_session import (
    FULL_CAPABILITIES,
    NO_ANSWER,
    SLOW,
    STUB,
    URI,
    LspSession,
    Message,
    StartEngine,
    eventually,
    message,
    position,
)

from dg_lsp.documents import Snapshot
from dg_lsp.files import read_document
from dg_lsp.syntax.tree import parse

FILL = "Fill this function `area`"
WRITE = "Write a docstring for `area`"
FILE = "Fill all gaps in this file"
MANY = "def one():\n    pass\n\n\ndef two():\n    x = 1\n    # TODO: double x\n    return x\n\n\ndef three(): ...\n"
OLDER: Message = {
    "workspace": {"applyEdit": True},
    "textDocument": {"codeAction": {"codeActionLiteralSupport": {"codeActionKind": {"valueSet": [""]}}}},
}
"""What an editor can do that resolves no actions."""


def titled(actions: list[Message], title: str) -> Message:
    return next(action for action in actions if action["title"] == title)


def choose(server: LspSession, title: str, line: int, character: int) -> Message:
    """The action of that title for a cursor, resolved."""
    resolved: Message = server.ask("codeAction/resolve", titled(server.code_actions(URI, line, character), title))
    result: Message = resolved["result"]
    return result


def edits_of(edit: Message) -> list[Message]:
    """The text edits of the one document that a workspace edit changes."""
    if "changes" in edit:
        ((_, edits),) = edit["changes"].items()
    else:
        (change,) = edit["documentChanges"]
        edits = change["edits"]
    return list(edits)


def applied(text: str, edits: list[Message]) -> str:
    """What an editor makes of a text in ASCII."""
    lines = text.splitlines(keepends=True)
    for edit in sorted(edits, key=lambda edit: -edit["range"]["start"]["line"]):
        start, end = (
            sum(map(len, lines[: at["line"]])) + at["character"]
            for at in (edit["range"]["start"], edit["range"]["end"])
        )
        text = text[:start] + edit["newText"] + text[end:]
    return text


def titles(actions: list[Message]) -> list[str]:
    return [action["title"] for action in actions]


def test_what_fits_the_cursor_is_offered(server: LspSession, script: StartEngine) -> None:
    script()
    server.open(URI, STUB)
    actions = server.code_actions(URI, 1, 4)
    assert titles(actions) == [FILL, FILE]
    assert actions[0] == {
        "title": FILL,
        "kind": "refactor.rewrite",
        "data": {"name": "function", "title": FILL, "uri": URI, "version": 1, "start": 29, "end": 29},
        "tags": [1],
    }
    assert titles(server.code_actions(URI, 0, 4)) == [FILL, WRITE, FILE]
    assert server.code_actions(URI, 5, 4) == []
    assert server.code_actions(URI, 1, 4, only=["refactor"]) == actions
    assert server.code_actions(URI, 1, 4, only=["quickfix"]) == []


@pytest.mark.parametrize(
    ("text", "line", "character", "title", "kind", "middle", "expected"),
    [
        ("def f():\n    x = 1\n    # TODO: double x\n", 2, 8, "Fill this TODO `double x`", "refactor.rewrite",
         "x *= 2", "def f():\n    x = 1\n    # TODO: double x\n    x *= 2\n"),
        ("match x:\n    case 1: pass\n", 1, 13, "Fill this case `1`", "refactor.rewrite",
         "print(x)", "match x:\n    case 1:\n        print(x)\n"),
        ("print()\n", 0, 6, "Fill the arguments", "refactor.rewrite", "1, 2", "print(1, 2)\n"),
        ("if :\n    print(1)\n", 0, 3, "Fill the condition", "quickfix", "ready", "if ready:\n    print(1)\n"),
        ("def area(a, b):\n    return a * b\n", 0, 4, WRITE, "refactor.rewrite",
         "The area.", 'def area(a, b):\n    """The area."""\n    return a * b\n'),
        ('def area(a, b):\n    """Old."""\n    return a * b\n', 1, 8, "Rewrite the docstring of `area`",
         "refactor.rewrite", "The area.", 'def area(a, b):\n    """The area."""\n    return a * b\n'),
        ("def area(a, b): pass\n", 0, 4, FILL, "refactor.rewrite",
         "return a * b", "def area(a, b):\n    return a * b\n"),
        ("def area(a, b): pass\r\nx = 1\r\n", 0, 4, FILL, "refactor.rewrite",
         "a += b\nreturn a", "def area(a, b):\r\n    a += b\r\n    return a\r\nx = 1\r\n"),
    ],
)  # fmt: skip
def test_every_action_brings_its_edit(
    server: LspSession, script: StartEngine, text: str, line: int, character: int, title: str, kind: str, middle: str,
    expected: str,
) -> None:  # fmt: skip
    script("--middle", middle)
    server.open(URI, text)
    action = choose(server, title, line, character)
    assert action["kind"] == kind
    assert server.shown() == []
    assert applied(text, edits_of(action["edit"])) == expected


@pytest.mark.parametrize("broken", ["class ", "if x ==", "d = {"])
def test_a_function_below_a_broken_line_is_filled(server: LspSession, script: StartEngine, broken: str) -> None:
    script("--middle", "return width height", "--middle", "area = width * height\n    return area")
    server.open(URI, f"{broken}\n\n\n{STUB}")
    (edit,) = edits_of(choose(server, FILL, 3, 6)["edit"])
    assert edit["newText"] == "area = width * height\n    return area"
    assert edit["range"] == {"start": position(4, 4), "end": position(4, 8)}


def test_a_begun_body_is_not_offered_to_be_filled(server: LspSession, script: StartEngine) -> None:
    script("--middle", "pi")
    for body in ("return math.", "@", "for i in"):
        server.open(URI, STUB.replace("pass", body))
        assert FILL not in titles(server.code_actions(URI, 0, 6))


def test_in_a_document_of_carriage_returns_an_open_string_is_no_body(server: LspSession, script: StartEngine) -> None:
    script("--middle", '"""', "--middle", "size = a\n    return size")
    server.open(URI, "import os\rX = 1\r\rdef get_x(a):\r    pass\r")
    (edit,) = edits_of(choose(server, "Fill this function `get_x`", 3, 6)["edit"])
    assert edit["newText"] == "size = a\r    return size"


def test_a_selection_is_rewritten_with_another_text(server: LspSession, script: StartEngine) -> None:
    engine = script("--middle", "b = 2", "--middle", "b = 3")
    server.open(URI, "a = 1\nb = 2\nc = 3\n")
    selected = {"start": position(1, 0), "end": position(2, 0)}
    params = {"textDocument": {"uri": URI}, "range": selected, "context": {"diagnostics": []}}
    (action,) = server.ask("textDocument/codeAction", params)["result"]
    assert action["title"] == "Rewrite the selection"
    edit = server.ask("codeAction/resolve", action)["result"]["edit"]
    assert applied("a = 1\nb = 2\nc = 3\n", edits_of(edit)) == "a = 1\nb = 3\nc = 3\n"
    request = engine.seen()[0]["request"]
    assert (request["prefix"], request["suffix"]) == ("a = 1\n", "\nc = 3\n")


def test_a_selection_is_not_rewritten_to_what_it_is(server: LspSession, script: StartEngine) -> None:
    script("--middle", "b = 2")
    server.open(URI, "a = 1\nb = 2  \nc = 3\n")
    selected = {"start": position(1, 0), "end": position(2, 0)}
    params = {"textDocument": {"uri": URI}, "range": selected, "context": {"diagnostics": []}}
    (action,) = server.ask("textDocument/codeAction", params)["result"]
    assert "edit" not in server.ask("codeAction/resolve", action)["result"]
    assert server.shown() == ["`selection` was not filled: the model has no other answer"]


def test_the_chosen_action_shows_its_steps_and_brings_a_versioned_edit(server: LspSession, script: StartEngine) -> None:
    engine = script("--steps", "4", "--middle", "return width * height")
    server.open(URI, STUB, version=7)
    span = {"start": position(1, 4), "end": position(1, 8)}
    assert choose(server, FILL, 1, 4)["edit"] == {
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
    request = engine.seen()[0]["request"]
    assert request["prefix"].endswith("height):\n    ")
    assert request["deadline_ms"] is None


def test_every_hole_of_a_file_is_filled_and_each_sees_those_before(server: LspSession, script: StartEngine) -> None:
    engine = script("--steps", "2", "--middle", "return 7")
    server.open(URI, MANY)
    edits = edits_of(choose(server, FILE, 0, 4)["edit"])
    assert applied(MANY, edits) == (
        "def one():\n    return 7\n\n\n"
        "def two():\n    x = 1\n    # TODO: double x\n    return 7\n    return x\n\n\n"
        "def three():\n    return 7\n"
    )
    assert [seen["request"]["prefix"].count("return 7") for seen in engine.seen()] == [0, 1, 2]
    reports = [m["params"]["value"] for m in server.received if m.get("method") == "$/progress"]
    assert reports[0]["title"] == "Filling 3 gaps"
    assert [(report["percentage"], report["message"]) for report in reports[1:3]] == [
        (16, "gap 1 of 3, step 1 of 2"),
        (33, "gap 1 of 3, step 2 of 2"),
    ]


def test_every_hole_of_a_function_is_filled(server: LspSession, script: StartEngine) -> None:
    script("--middle", "x += 1")
    text = "def f(x):\n    # TODO: first\n    x = 1\n    # TODO: second\n    return x\n\n\ndef g(): ...\n"
    server.open(URI, text)
    edits = edits_of(choose(server, "Fill all gaps in this function", 2, 4)["edit"])
    assert applied(text, edits).count("x += 1") == 2


def test_holes_that_get_nothing_are_named_and_the_others_filled(server: LspSession, script: StartEngine) -> None:
    script("--middle", "return x")  # what stands below the second hole already
    server.open(URI, MANY)
    edits = edits_of(choose(server, FILE, 0, 4)["edit"])
    assert len(edits) == 2
    assert server.shown() == ["`double x` was not filled: the answer repeats the lines below"]


def test_an_editor_with_notes_on_changes_gets_one_for_each_hole(lsp: LspSession, start: StartEngine) -> None:
    capabilities = copy.deepcopy(FULL_CAPABILITIES)
    capabilities["workspace"]["workspaceEdit"]["changeAnnotationSupport"] = {"groupsOnLabel": True}
    start("--middle", "return 7", capabilities=capabilities)
    lsp.open(URI, MANY)
    edit = choose(lsp, FILE, 0, 4)["edit"]
    notes = edit["changeAnnotations"]
    assert [notes[change["annotationId"]] for change in edits_of(edit)] == [
        {"label": "Fill `one`", "needsConfirmation": True, "description": "line 2"},
        {"label": "Fill `double x`", "needsConfirmation": True, "description": "line 7"},
        {"label": "Fill `three`", "needsConfirmation": True, "description": "line 11"},
    ]
    single = choose(lsp, "Fill this function `one`", 0, 4)["edit"]
    assert "changeAnnotations" not in single


def test_an_editor_that_resolves_nothing_gets_commands_and_plain_changes(lsp: LspSession, start: StartEngine) -> None:
    start("--middle", "return 0", capabilities=OLDER)
    lsp.open(URI, STUB)
    lsp.answers["workspace/applyEdit"] = {"applied": True}
    action = titled(lsp.code_actions(URI, 1, 4), FILL)
    assert "tags" not in action
    assert "data" not in action
    assert (
        lsp.ask("workspace/executeCommand", {k: action["command"][k] for k in ("command", "arguments")})["result"]
        is None
    )
    params = lsp.wait_for(lambda m: m["method"] == "workspace/applyEdit")["params"]
    span = {"start": position(1, 4), "end": position(1, 8)}
    assert params == {"label": FILL, "edit": {"changes": {URI: [{"range": span, "newText": "return 0"}]}}}
    assert not [m for m in lsp.received if m["method"] in ("$/progress", "window/workDoneProgress/create")]
    assert lsp.shown() == []


def test_an_editor_that_refuses_an_edit_is_quoted(lsp: LspSession, start: StartEngine) -> None:
    start("--middle", "return 0", capabilities=OLDER)
    lsp.open(URI, STUB)
    lsp.answers["workspace/applyEdit"] = {"applied": False, "failureReason": "read-only"}
    command = titled(lsp.code_actions(URI, 1, 4), FILL)["command"]
    lsp.ask("workspace/executeCommand", {"command": command["command"], "arguments": command["arguments"]})
    lsp.wait_for(lambda m: m["method"] == "window/showMessage")
    assert lsp.shown() == ["The editor did not apply the edit: read-only"]


def test_an_editor_without_literals_gets_bare_commands(lsp: LspSession, start: StartEngine) -> None:
    start(capabilities={"workspace": {"applyEdit": True}})
    lsp.open(URI, STUB)
    action = titled(lsp.code_actions(URI, 1, 4), FILL)
    assert action["command"] == "dg.fill"


@pytest.mark.parametrize(
    "data", [None, {}, {"name": "format", "title": "", "uri": URI, "version": 1, "start": 0, "end": 0}]
)
def test_a_command_that_nobody_offered_says_so(server: LspSession, script: StartEngine, data: Any) -> None:
    script()
    server.open(URI, STUB)
    server.ask("workspace/executeCommand", {"command": "dg.fill", "arguments": [data]})
    server.wait_for(lambda m: m["method"] == "window/showMessage")
    assert server.shown() == ["The document changed: choose the action again."]


class Edited:
    """A document in which "Fill this function" has been applied."""

    def __init__(self, server: LspSession) -> None:
        self.server, self.version = server, 1
        self.text = STUB
        server.open(URI, STUB)
        self.take(choose(server, FILL, 1, 4)["edit"])

    def take(self, edit: Message) -> None:
        """Apply an edit as an editor does."""
        edits = edits_of(edit)
        self.text = applied(self.text, edits)
        self.version += 1
        changes = [{"range": edit["range"], "text": edit["newText"]} for edit in reversed(edits)]
        self.server.change(URI, self.version, *changes)

    def type(self, line: int, character: int, text: str) -> None:
        here = {"start": position(line, character), "end": position(line, character)}
        self.take({"changes": {URI: [{"range": here, "newText": text}]}})


def test_a_fill_is_rerolled_with_another_seed_and_another_text(server: LspSession, script: StartEngine) -> None:
    engine = script("--middle", "return 1")
    document = Edited(server)
    script("--middle", "return 1", "--middle", "return 2")
    document.take(choose(server, "Try the last fill again", 1, 8)["edit"])
    assert document.text == STUB.replace("pass", "return 2")
    assert engine.seen()[0]["request"]["seed"] == 1
    script("--middle", "return 2", "--middle", "return 1", "--middle", "return 3")  # the first two stood there
    document.take(choose(server, "Try the last fill again", 1, 8)["edit"])
    assert document.text == STUB.replace("pass", "return 3")
    assert engine.seen()[0]["request"]["seed"] == 2


def test_a_reroll_keeps_the_lines_that_the_user_edited(server: LspSession, script: StartEngine) -> None:
    script("--middle", "a = 1\n    b = 2\n    return a")
    document = Edited(server)
    document.type(2, 8, "= 5 ")
    engine = script("--middle", "c = 9")
    document.take(choose(server, "Try the last fill again", 2, 8)["edit"])
    assert document.text == STUB.replace("pass", "c = 9\n    b = = 5 2\n    c = 9")
    first, second = (seen["request"] for seen in engine.seen())
    assert first["suffix"].startswith("\n    b = = 5 2\n    return a")
    assert second["prefix"].endswith("c = 9\n    b = = 5 2\n    ")


def test_a_reroll_of_a_selection_leaves_the_other_lines(server: LspSession, script: StartEngine) -> None:
    script("--middle", "a = 1\n    b = 2\n    return a")
    document = Edited(server)
    script("--middle", "b = 3")
    selected = {"start": position(2, 0), "end": position(3, 0)}
    params = {"textDocument": {"uri": URI}, "range": selected, "context": {"diagnostics": []}}
    actions = server.ask("textDocument/codeAction", params)["result"]
    action = titled(actions, "Try the last fill again")
    resolved = server.ask("codeAction/resolve", action)["result"]
    assert server.shown() == []
    document.take(resolved["edit"])
    assert document.text == STUB.replace("pass", "a = 1\n    b = 3\n    return a")


def test_no_reroll_is_offered_away_from_the_fill_or_after_the_document_was_closed(
    server: LspSession, script: StartEngine
) -> None:
    script("--middle", "return 1")
    document = Edited(server)
    assert "Try the last fill again" in titles(server.code_actions(URI, 2, 0))
    assert "Try the last fill again" not in titles(server.code_actions(URI, 4, 0))
    server.notify("textDocument/didClose", {"textDocument": {"uri": URI}})
    server.open(URI, document.text)
    assert "Try the last fill again" not in titles(server.code_actions(URI, 1, 8))


def test_cancelling_stops_the_engine_also_at_a_later_hole(server: LspSession, script: StartEngine) -> None:
    """By the user, who cancels the progress, and by the editor, which cancels the request."""
    engine = script("--middle", "return 7", "--steps", "20", "--step-ms", "20")
    server.open(URI, MANY)
    action = titled(server.code_actions(URI, 0, 4), FILE)
    request = server.send("codeAction/resolve", action)
    eventually(lambda: len(engine.seen()) == 2)
    server.cancel(request)
    assert server.response(request)["error"]["code"] == -32800
    eventually(lambda: [seen["end"] for seen in engine.seen()] == ["done", "closed"])
    server.received.clear()
    script("--middle", "return 7", "--steps", "20", "--step-ms", "20")
    request = server.send("codeAction/resolve", action)
    token = server.wait_for(lambda m: m.get("method") == "$/progress")["params"]["token"]
    eventually(lambda: len(engine.seen()) == 2)
    server.notify("window/workDoneProgress/cancel", {"token": token})
    assert "edit" not in server.response(request)["result"]
    eventually(lambda: [seen["end"] for seen in engine.seen()] == ["done", "closed"])
    assert server.shown() == []


def test_a_document_that_changes_while_its_holes_are_filled_stays_as_it_is(
    server: LspSession, script: StartEngine
) -> None:
    engine = script("--middle", "return 7", "--steps", "5", "--step-ms", "20")
    server.open(URI, MANY)
    request = server.send("codeAction/resolve", titled(server.code_actions(URI, 0, 4), FILE))
    eventually(lambda: bool(engine.seen()))
    server.change(URI, 2, {"text": "# typed\n" + MANY})
    assert "edit" not in server.response(request)["result"]
    assert server.shown() == ["The document changed while its gaps were being filled: try again."]
    assert len(engine.seen()) == 1


def test_an_engine_that_fails_at_a_later_hole_leaves_what_was_filled(server: LspSession, script: StartEngine) -> None:
    engine = script("--middle", "return 7", "--steps", "5", "--step-ms", "100")
    server.open(URI, MANY)
    request = server.send("codeAction/resolve", titled(server.code_actions(URI, 0, 4), FILE))
    eventually(lambda: len(engine.seen()) == 2)
    engine.script("--fail-at-step", "1")
    resolved = server.response(request)["result"]
    assert server.shown() == ["2 of 3 gaps were filled: the script says so"]
    assert len(edits_of(resolved["edit"])) == 2


def test_a_cell_of_a_notebook_has_a_last_fill_too(server: LspSession, script: StartEngine) -> None:
    script("--middle", "return 1")
    notebook, cell = "file:///tmp/n.ipynb", "vscode-notebook-cell:/tmp/n.ipynb#1"
    server.notify(
        "notebookDocument/didOpen",
        {
            "notebookDocument": {
                "uri": notebook, "notebookType": "jupyter-notebook", "version": 1,
                "cells": [{"kind": 2, "document": cell}],
            },
            "cellTextDocuments": [{"uri": cell, "languageId": "python", "version": 1, "text": STUB}],
        },
    )  # fmt: skip
    action = titled(server.code_actions(cell, 1, 4), FILL)
    (edit,) = edits_of(server.ask("codeAction/resolve", action)["result"]["edit"])
    change = {"document": {"uri": cell, "version": 2}, "changes": [{"range": edit["range"], "text": edit["newText"]}]}
    server.notify(
        "notebookDocument/didChange",
        {"notebookDocument": {"uri": notebook, "version": 2}, "change": {"cells": {"textContent": [change]}}},
    )
    assert "Try the last fill again" in titles(server.code_actions(cell, 1, 8))
    closed = {"notebookDocument": {"uri": notebook}, "cellTextDocuments": [{"uri": cell}]}
    server.notify("notebookDocument/didClose", closed)


def test_an_engine_that_dies_is_named_and_what_was_filled_is_kept(lsp: LspSession, start: StartEngine) -> None:
    engine = start("--steps", "2", "--middle", "return 7", "--fail-at-step", "1")
    lsp.open(URI, STUB)
    assert "edit" not in choose(lsp, FILL, 1, 4)
    assert lsp.shown() == ["`area` was not filled: the script says so"]
    engine.script("--steps", "2", "--middle", "return 7", "--die-at-step", "2")
    assert "edit" not in choose(lsp, FILL, 1, 4)
    assert lsp.shown()[1].startswith("`area` was not filled: the engine")


def test_a_document_that_is_left_out_gets_nothing(server: LspSession, script: StartEngine) -> None:
    script()
    secret = "file:///tmp/.env"
    server.open(secret, "def area():\n    pass\n")
    assert server.code_actions(secret, 1, 4) == []
    data = {"name": "function", "title": FILL, "uri": secret, "version": 1, "start": 16, "end": 16}
    action = {"title": FILL, "data": data}
    assert "edit" not in server.ask("codeAction/resolve", action)["result"]
    assert len(server.shown()) == 1
    assert server.shown()[0].startswith("Nothing was filled: ")


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parents[2] / "fixtures" / "sources").iterdir()), ids=lambda p: p.name
)
def test_a_whole_file_of_every_language_parses_when_its_holes_are_filled(
    server: LspSession, script: StartEngine, path: Path
) -> None:
    document = read_document(path)
    words = {"python": "x = 1", "go": "var x = 1", "rust": "let x = 1;", "java": "int x = 1;"}
    script("--middle", words.get(document.language_id, "x = 1;"), "--steps", "1")
    server.open(URI, document.text.replace("\n", "\r\n"), document.language_id)
    data = {"name": "file", "title": FILE, "uri": URI, "version": 1, "start": 0, "end": 0}
    edits = edits_of(server.ask("codeAction/resolve", {"title": FILE, "data": data})["result"]["edit"])
    text = applied(document.text.replace("\n", "\r\n"), edits)
    tree = parse(Snapshot(URI, document.language_id, 1, text))
    assert tree
    assert not tree.root_node.has_error
    assert text.count("\n") == text.count("\r\n")


def test_an_action_chosen_after_a_change_finds_its_function_again(server: LspSession, script: StartEngine) -> None:
    script("--middle", "return 0")
    server.open(URI, STUB)
    action = titled(server.code_actions(URI, 1, 4), FILL)
    server.change(URI, 2, {"range": {"start": position(0, 0), "end": position(0, 0)}, "text": "import os\n\n"})
    (change,) = server.ask("codeAction/resolve", action)["result"]["edit"]["documentChanges"]
    assert change["textDocument"]["version"] == 2
    assert change["edits"][0]["range"]["start"] == position(3, 4)


def test_an_action_whose_function_is_gone_brings_no_edit_and_says_so(server: LspSession, script: StartEngine) -> None:
    script()
    server.open(URI, STUB)
    action = titled(server.code_actions(URI, 1, 4), FILL)
    server.change(URI, 2, {"text": "x = 1\n"})
    assert "edit" not in server.ask("codeAction/resolve", action)["result"]
    assert server.shown() == ["The document changed: choose the action again."]


def test_a_change_stops_the_engine_at_the_next_step(server: LspSession, script: StartEngine) -> None:
    engine = script(*SLOW)
    server.open(URI, STUB)
    request = server.send("codeAction/resolve", titled(server.code_actions(URI, 1, 4), FILL))
    eventually(lambda: bool(engine.seen()))
    server.notify("textDocument/didClose", {"textDocument": {"uri": URI}})
    assert "edit" not in server.response(request, 5)["result"]
    eventually(lambda: [seen["end"] for seen in engine.seen()] == ["closed"])
    assert server.shown() == ["The document changed while `area` was being filled: try again."]


def test_an_action_works_on_the_text_of_its_moment(server: LspSession, script: StartEngine) -> None:
    """A change that comes in the same burst is later than the request."""
    engine = script()
    server.open(URI, STUB)
    action = titled(server.code_actions(URI, 1, 4), FILL)
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
    action = titled(server.code_actions(URI, 1, 4), FILL)
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
    action = titled(lsp.code_actions(URI, 1, 4), FILL)
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
