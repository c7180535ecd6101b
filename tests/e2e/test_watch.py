"""dg/watch: raw JSON-RPC to a real `dg-lsp` process, with the scripted engine for control over time."""

from __future__ import annotations

from typing import Any

import pytest
from lsp_session import SLOW, STUB, URI, LspSession, Message, StartEngine, eventually, position


def watching(line: int, character: int, uri: str = URI) -> Message:
    return {"textDocument": {"uri": uri}, "position": position(line, character), "watch": 7}


def drafts(server: LspSession) -> list[Message]:
    return [m["params"] for m in server.received if m.get("method") == "dg/draft"]


def test_a_stub_is_filled_and_every_step_is_shown(server: LspSession, script: StartEngine) -> None:
    script("--steps", "3", "--middle", "return 0")
    server.open(URI, STUB)
    stub = {"start": position(1, 4), "end": position(1, 8)}
    result = server.ask("dg/watch", watching(0, 5))["result"]
    expected = {"middle": "return 0", "range": stub, "source": "denoised", "confidence": 0.5, "model": "scripted"}
    assert result == expected
    assert [(d["step"], d["steps"], sum(d["settled"])) for d in drafts(server)] == [(1, 3, 1), (2, 3, 2), (3, 3, 3)]
    first = drafts(server)[0]
    assert (first["watch"], first["range"], "".join(first["slots"])) == (7, stub, "return 0")
    assert first["pinned"] == STUB[STUB.index("pass") + 4 :][:4]


def test_elsewhere_the_hole_is_the_cursor(server: LspSession, script: StartEngine) -> None:
    script("--middle", "width")
    server.open(URI, "def area(width):\n    x = wi\n    return x\n")
    result = server.ask("dg/watch", watching(1, 10))["result"]
    assert result["range"] == {"start": position(1, 10), "end": position(1, 10)}


def test_cancelling_stops_the_engine(server: LspSession, script: StartEngine) -> None:
    engine = script(*SLOW)
    server.open(URI, STUB)
    request = server.send("dg/watch", watching(1, 4))
    server.wait_for(lambda m: m["method"] == "dg/draft" and m["params"]["step"] == 2)
    server.cancel(request)
    assert server.response(request)["error"]["code"] == -32800
    eventually(lambda: engine.seen()[0]["end"] == "closed")
    assert engine.seen()[0]["steps"] < 1000


def test_without_a_middle_the_answer_is_null_and_the_user_is_told_why(server: LspSession, script: StartEngine) -> None:
    script("--middle", "   ")
    server.open(URI, STUB)
    assert server.ask("dg/watch", watching(1, 4))["result"] is None
    assert server.ask("dg/watch", watching(0, 0, "file:///tmp/other.py"))["result"] is None
    server.open("file:///tmp/.env", "TOKEN=\n", "shellscript")
    assert server.ask("dg/watch", watching(0, 6, "file:///tmp/.env"))["result"] is None
    shown = server.shown()
    assert len(shown) == 3
    assert all(message.startswith("Nothing to watch: ") for message in shown)
    assert shown[1] == "Nothing to watch: the document is not open"
    assert ".env" in shown[2]


@pytest.mark.parametrize(
    "params", [None, {}, {"textDocument": {"uri": URI}, "position": {"line": "1", "character": 0}}]
)
def test_parameters_that_do_not_fit_are_answered_with_what_it_takes(server: LspSession, params: Any) -> None:
    error = server.ask("dg/watch", params)["error"]
    assert error["code"] == -32602
    assert "position: {line, character}" in error["message"]


def test_a_dying_engine_is_told_in_one_line(lsp: LspSession, start: StartEngine) -> None:
    start("--die-at-step", "2")
    lsp.open(URI, STUB)
    assert lsp.ask("dg/watch", watching(1, 4))["result"] is None
    assert [line for line in lsp.shown() if line.startswith("Nothing to watch: the engine")]
