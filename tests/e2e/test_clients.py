"""The editors that people use, each with what it says of itself: raw JSON-RPC, a real server, the scripted engine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from lsp_session import (
    STUB,
    URI,
    LspSession,
    Message,
    ScriptedEngine,
    ScriptedEngines,
    eventually,
    position,
    short_folder,
)
from lsprotocol.converters import get_converter
from pytest_lsp import client_capabilities

FOLDER = Path(__file__).parents[2] / "fixtures/clients"


@dataclass(frozen=True, kw_only=True)
class Editor:
    """What is to be expected of the server; `profile` is a file in `fixtures/clients`, or one of pytest-lsp."""

    profile: str
    encoding: str
    inline: bool
    versioned_edits: bool = True
    tags: bool = False


EDITORS = [
    Editor(profile="vscode", encoding="utf-16", inline=True, tags=True),
    Editor(profile="neovim@0.11", encoding="utf-8", inline=False, versioned_edits=False),
    Editor(profile="neovim-0.12", encoding="utf-8", inline=True, versioned_edits=False),
    Editor(profile="helix-25.07", encoding="utf-8", inline=False),
    Editor(profile="eglot-emacs-30", encoding="utf-32", inline=False),
    Editor(profile="lsp-mode", encoding="utf-32", inline=True),
]


@dataclass(frozen=True)
class Client:
    """An editor with its server and engine; `result` is the answer to initialize."""

    editor: Editor
    server: LspSession
    engines: ScriptedEngines
    result: Message

    def fresh(self, *arguments: str) -> ScriptedEngine:
        """The engine with new arguments; no document is open and nothing was received."""
        self.server.start_anew()
        return self.engines.start(*arguments)


@pytest.fixture(scope="module", params=EDITORS, ids=lambda editor: editor.profile)
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    editor: Editor = request.param
    with short_folder() as folder:
        engines = ScriptedEngines(folder)
        engines.start()
        server = LspSession(folder)
        server.answers["workspace/configuration"] = [
            {"inline": {"deadline_ms": 20_000, "manual_deadline_ms": 20_000}, "function": {"max_tokens": 22}}
        ]
        result = server.initialize(**_profile(editor.profile))
        eventually(lambda: server.ask("dg/status")["result"]["state"] == "ready")
        yield Client(editor, server, engines, result)
        server.close()
        engines.end()


def _profile(name: str) -> Message:
    if "@" in name:
        return {"capabilities": get_converter().unstructure(client_capabilities(name))}
    told: Message = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return {"capabilities": told["capabilities"], "clientInfo": told["clientInfo"]}


def width(text: str, encoding: str) -> int:
    """How many columns of the encoding a text takes."""
    unit = {"utf-8": 1, "utf-16": 2, "utf-32": 4}[encoding]
    return len(text.encode({1: "utf-8", 2: "utf-16-le", 4: "utf-32-le"}[unit])) // unit


def test_initialize_settles_encoding_and_offers(client: Client) -> None:
    capabilities = client.result["capabilities"]
    assert capabilities["positionEncoding"] == client.editor.encoding
    assert capabilities["textDocumentSync"]["change"] == 2
    assert "inlineCompletionProvider" in capabilities
    assert ("completionProvider" in capabilities) != client.editor.inline
    assert capabilities["codeActionProvider"]["resolveProvider"]


def test_the_configuration_is_pulled(client: Client) -> None:
    engine = client.fresh()
    client.server.open(URI, STUB)
    action = filling_the_function(client)
    client.server.ask("codeAction/resolve", action)
    assert engine.seen()[0]["request"]["max_tokens"] == 22


def test_edits_and_places_count_in_the_encoding(client: Client) -> None:
    engine = client.fresh("--middle", "len(é)")
    column = width("x = '😀é' + ", client.editor.encoding)
    smile = width("x = '😀", client.editor.encoding)
    client.server.open(URI, "x = '🙁é' + \n")
    change = {"range": {"start": position(0, 5), "end": position(0, smile)}, "text": "😀"}
    client.server.change(URI, 2, change)
    here = {"start": position(0, column), "end": position(0, column)}
    assert offered(client, 0, column) == (here, "len(é)")
    assert engine.seen()[0]["request"]["prefix"] == "x = '😀é' + "


def offered(client: Client, line: int, column: int) -> tuple[Message, str]:
    """The range and the text of what the editor shows there, as ghost text or in its completion list."""
    if client.editor.inline:
        (item,) = client.server.inline(URI, line, column)
        return item["range"], item["insertText"]
    params = {"textDocument": {"uri": URI}, "position": position(line, column), "context": {"triggerKind": 1}}
    (entry,) = client.server.ask("textDocument/completion", params)["result"]["items"]
    return entry["textEdit"]["range"], entry["textEdit"]["newText"]


def filling_the_function(client: Client) -> Message:
    actions = client.server.code_actions(URI, 1, 4)
    return next(action for action in actions if action["title"] == "Fill this function `area`")


def test_a_code_action_gives_an_edit_that_the_editor_can_take(client: Client) -> None:
    client.fresh("--steps", "4", "--middle", "return width * height")
    client.server.open(URI, STUB, version=7)
    action = filling_the_function(client)
    assert ("tags" in action) == client.editor.tags
    edit = client.server.ask("codeAction/resolve", action)["result"]["edit"]
    assert ("documentChanges" in edit) == client.editor.versioned_edits
    if client.editor.versioned_edits:
        (change,) = edit["documentChanges"]
        assert change["textDocument"] == {"uri": URI, "version": 7}
        (replaced,) = change["edits"]
    else:
        ((uri, (replaced,)),) = edit["changes"].items()
        assert uri == URI
    assert replaced["range"] == {"start": position(1, 4), "end": position(1, 8)}
    assert replaced["newText"] == "return width * height"


def test_progress_is_shown_and_ended(client: Client) -> None:
    """All of these editors can show it."""
    client.fresh("--steps", "4")
    client.server.open(URI, STUB)
    action = filling_the_function(client)
    client.server.ask("codeAction/resolve", action)
    client.server.wait_for(lambda m: m.get("method") == "$/progress" and m["params"]["value"]["kind"] == "end")
    methods = [m["method"] for m in client.server.received if "rogress" in m["method"]]
    assert methods[0] == "window/workDoneProgress/create"
    kinds = [m["params"]["value"]["kind"] for m in client.server.received if m["method"] == "$/progress"]
    assert (kinds[0], set(kinds[1:-1]), kinds[-1]) == ("begin", {"report"}, "end")


def test_the_status_is_told_where_it_is_not_taken_for_an_error(client: Client) -> None:
    engine = client.fresh()
    client.server.open(URI, STUB)
    action, *_ = client.server.code_actions(URI, 1, 4)
    client.server.ask("codeAction/resolve", action)
    assert engine.seen()
    told = bool(client.server.statuses())
    assert told != (client.editor.profile in ("lsp-mode", "eglot-emacs-30"))


def test_the_server_leaves_quietly(client: Client) -> None:
    client.fresh()
    assert client.server.leave() == 0
    logged = client.server.stderr().splitlines()
    assert [line for line in logged if "unknown method" not in line] == []  # but for what `start_anew` asks
