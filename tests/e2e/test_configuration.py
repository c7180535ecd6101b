"""Where the settings come from: raw JSON-RPC to a real `dg-lsp` process, with the scripted engine."""

from __future__ import annotations

from typing import Any

import pytest
from lsp_session import (
    FULL_CAPABILITIES,
    NO_ANSWER,
    STUB,
    URI,
    LspSession,
    ScriptedEngine,
    StartEngine,
    framed,
    position,
)

PUSHED = {**FULL_CAPABILITIES, "workspace": {}}
ASKED = {**FULL_CAPABILITIES, "workspace": {"configuration": True}}


def test_settings_come_from_the_options_and_then_from_the_configuration(
    lsp: LspSession, scripted_engine: StartEngine
) -> None:
    engine = scripted_engine()
    workspace = {"configuration": True, "didChangeConfiguration": {"dynamicRegistration": True}}
    lsp.answers["workspace/configuration"] = [{"inline": {"deadline_ms": 222}}]
    lsp.initialize(
        {**FULL_CAPABILITIES, "workspace": workspace},
        initializationOptions={"inline": {"max_tokens": 11, "deadline_ms": 111}},
    )
    lsp.until_ready()
    lsp.open(URI, STUB)
    assert lsp.inline(URI, 2, 0)
    request = engine.seen()[0]["request"]
    assert (request["max_tokens"], request["deadline_ms"]) == (11, 222)

    lsp.wait_for(lambda m: m.get("method") == "client/registerCapability")
    lsp.answers["workspace/configuration"] = [{"inline": {"enabled": False}}]
    lsp.received.clear()
    lsp.notify("workspace/didChangeConfiguration", {"settings": None})
    lsp.wait_for(lambda m: m.get("method") == "workspace/configuration")
    assert lsp.inline(URI, 2, 0) is None
    assert "no suggestion: automatic suggestions are turned off (dg.inline.enabled)" in lsp.logged()
    assert lsp.inline(URI, 2, 0, trigger=1)


def wanted(lsp: LspSession, engine: ScriptedEngine) -> int:
    """How many tokens the next request asks the engine for."""
    lsp.open(URI, STUB)
    assert lsp.inline(URI, 2, 0, trigger=1)
    tokens: int = engine.seen()[-1]["request"]["max_tokens"]
    return tokens


def test_a_wrong_value_is_logged_and_shown_once_and_an_unknown_setting_of_no_section_only_logged(
    lsp: LspSession, scripted_engine: StartEngine
) -> None:
    scripted_engine()
    lsp.answers["workspace/configuration"] = [{"inline": {"max_tokens": "all"}}]
    lsp.initialize(ASKED, initializationOptions={"inline": {"max_tokens": "all"}, "speed": 9})
    lsp.until_ready()
    wrong = 'dg.inline.max_tokens takes a whole number from 1 up, not "all"; it stays 64'
    unknown = "unknown setting dg.speed (known here: engine, inline, function, exclude, statistics)"
    assert lsp.logged() == [wrong, unknown]
    assert lsp.shown() == [f"dg-lsp: {wrong}"]


def test_a_setting_that_its_section_does_not_know_is_shown(lsp: LspSession, start: StartEngine) -> None:
    start(initializationOptions={"function": {"tokens": 5}})
    unknown = "dg.function has no setting tokens (it has: max_tokens)"
    assert lsp.logged() == [unknown]
    assert lsp.shown() == [f"dg-lsp: {unknown}"]


def test_a_wrong_value_keeps_the_last_right_one(lsp: LspSession, start: StartEngine) -> None:
    lsp.answers["workspace/configuration"] = [{"inline": {"max_tokens": 33}}]
    engine = start(capabilities=ASKED, initializationOptions={"inline": {"max_tokens": 22}})
    for given, tokens in (({"max_tokens": "all"}, 33), ({}, 22), ({"max_tokens": "all"}, 22)):
        lsp.received.clear()
        lsp.answers["workspace/configuration"] = [{"inline": given}]
        lsp.notify("workspace/didChangeConfiguration", {"settings": None})
        lsp.wait_for(lambda m: m.get("method") == "workspace/configuration")
        assert wanted(lsp, engine) == tokens
        assert len(lsp.shown()) == (1 if given else 0)


@pytest.mark.parametrize(
    "settings",
    [
        {"dg": {"inline": {"max_tokens": 7}}},
        {"dg": {"inline.max_tokens": 7}},
        {"inline": {"max_tokens": 7}},
        {"inline.max_tokens": 7},
        {"dg.inline.max_tokens": 7},
    ],
    ids=["in its section", "in its section, dotted", "bare", "dotted", "with its section in the key"],
)
def test_an_editor_that_cannot_be_asked_tells_its_configuration(
    lsp: LspSession, start: StartEngine, settings: Any
) -> None:
    engine = start(capabilities=PUSHED, initializationOptions={"dg.inline.max_tokens": 5})
    assert wanted(lsp, engine) == 5
    lsp.notify("workspace/didChangeConfiguration", {"settings": settings})
    assert wanted(lsp, engine) == 7
    for other in (None, {}, {"python": {"inline": 3}}, [1], {"settings": None}):
        lsp.notify("workspace/didChangeConfiguration", {"settings": other})
    assert wanted(lsp, engine) == 7
    lsp.notify("workspace/didChangeConfiguration", {"settings": {"dg": {}}})
    assert wanted(lsp, engine) == 5
    assert lsp.logged() == []


def test_what_an_editor_tells_counts_for_nothing_where_it_can_be_asked(lsp: LspSession, start: StartEngine) -> None:
    lsp.answers["workspace/configuration"] = [{"inline": {"max_tokens": 33}}]
    engine = start(capabilities=ASKED)
    lsp.notify("workspace/didChangeConfiguration", {"settings": {"dg": {"inline": {"max_tokens": 7}}}})
    assert wanted(lsp, engine) == 33


@pytest.mark.parametrize("answer", [None, {}, 7])
def test_an_unfit_answer_keeps_nothing_waiting(lsp: LspSession, scripted_engine: StartEngine, answer: Any) -> None:
    scripted_engine()
    lsp.answers["workspace/configuration"] = answer
    lsp.initialize(ASKED)
    lsp.until_ready()


def is_question(message: Any) -> bool:
    return bool(message.get("method") == "workspace/configuration")


def test_requests_wait_until_the_first_configuration_is_known(lsp: LspSession, scripted_engine: StartEngine) -> None:
    scripted_engine()
    left_out, edited = "file:///tmp/left_out.py", "file:///tmp/edited.py"
    lsp.answers["workspace/configuration"] = NO_ANSWER
    lsp.initialize(ASKED)
    for uri in (URI, left_out, edited):
        lsp.open(uri, STUB)
    there = {"range": {"start": position(1, 4), "end": position(1, 4)}, "context": {"diagnostics": []}}
    asked = {uri: lsp.start_inline(uri, 2, 0, trigger=1) for uri in (left_out, edited)}
    actions = {
        uri: lsp.send("textDocument/codeAction", {"textDocument": {"uri": uri}, **there}) for uri in (URI, left_out)
    }
    watched = lsp.send("dg/watch", {"textDocument": {"uri": left_out}, "position": position(1, 4)})
    lsp.change(edited, 2, {"text": STUB + STUB})
    question = lsp.wait_for(is_question)
    assert lsp.responses() == []
    assert lsp.statuses() == []  # no engine is looked for: it might be the wrong one

    given = {"engine": {"url": "http://127.0.0.1:9"}, "exclude": ["left_out.py"]}
    lsp.raw(framed({"jsonrpc": "2.0", "id": question["id"], "result": [given]}))
    assert [lsp.response(request)["result"] for request in (*asked.values(), watched)] == [None] * 3
    assert lsp.response(actions[left_out])["result"] == []
    assert lsp.response(actions[URI])["result"]
    assert "no suggestion: left_out.py is excluded by the setting dg.exclude" in lsp.logged()
    assert lsp.shown() == ["Nothing to watch: left_out.py is excluded by the setting dg.exclude"]
    status = lsp.wait_for(lambda m: m.get("method") == "didChangeStatus" and m["params"]["kind"] == "Error")
    assert status["params"]["message"].startswith("nothing answers at http://127.0.0.1:9 ")


def test_an_editor_that_does_not_answer_is_served_all_the_same(lsp: LspSession, scripted_engine: StartEngine) -> None:
    scripted_engine()
    lsp.answers["workspace/configuration"] = NO_ANSWER
    lsp.initialize(ASKED)
    lsp.open(URI, STUB)
    lsp.inline(URI, 2, 0)
    lsp.until_ready()
    assert lsp.inline(URI, 2, 0)


def test_an_editor_that_answers_with_an_error_is_served_at_once(lsp: LspSession, scripted_engine: StartEngine) -> None:
    scripted_engine()
    lsp.answers["workspace/configuration"] = NO_ANSWER
    lsp.initialize(ASKED)
    lsp.open(URI, STUB)
    request = lsp.start_inline(URI, 2, 0)
    question = lsp.wait_for(is_question)
    error = {"code": -32603, "message": "no configuration here"}
    lsp.raw(framed({"jsonrpc": "2.0", "id": question["id"], "error": error}))
    lsp.response(request, within_s=2)
    lsp.until_ready()
