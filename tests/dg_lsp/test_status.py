"""The status: what matters most is shown, and nothing twice."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from dg_lsp.features.status import Status
from dg_lsp.reasons import RESTARTED
from engine.protocol import Health

READY = Health(state="ready", progress=1, model="small", device="cpu", version="1", pid=7)
LOADING = replace(READY, state="loading", progress=0.254)
DEAD = "the engine is gone: run `dg-lsp doctor`"


class Editor:
    """Stands where the server stands, and keeps what it is told."""

    def __init__(self) -> None:
        self.statuses: list[dict[str, Any]] = []
        self.logged: list[str] = []
        self.protocol = SimpleNamespace(notify=lambda method, params: self.statuses.append(params))
        self.client_capabilities = SimpleNamespace(window=None)

    def window_log_message(self, params: Any) -> None:
        self.logged.append(params.message)


@pytest.fixture
def editor() -> Editor:
    return Editor()


@pytest.fixture
def status(editor: Editor) -> Status:
    return Status(editor)  # type: ignore[arg-type]


def test_before_the_engine_answers_it_is_loading(status: Status, editor: Editor) -> None:
    status.starting()
    assert status.state.name == "loading"
    assert editor.statuses == [{"busy": True, "message": "Starting the engine", "kind": "Normal"}]


async def test_the_load_is_shown_in_percent_and_then_that_it_is_ready(status: Status, editor: Editor) -> None:
    for health in (LOADING, LOADING, READY, READY):
        await status.engine(health)
    assert editor.statuses == [
        {"busy": True, "message": "Loading model, 25 %", "kind": "Normal"},
        {"busy": False, "message": "Ready: small on cpu", "kind": "Normal"},
    ]


async def test_work_makes_it_busy_until_the_last_one_ends(status: Status, editor: Editor) -> None:
    await status.engine(READY)
    with status.busy():
        with status.busy():
            assert status.state.name == "busy"
        assert status.state.name == "busy"
    assert status.state.name == "ready"
    assert [sent["busy"] for sent in editor.statuses] == [False, True, False]


async def test_an_engine_that_is_gone_is_an_error_with_a_command_until_another_one_is_started(
    status: Status, editor: Editor
) -> None:
    await status.engine(READY)
    await status.no_engine(DEAD)
    await status.no_engine(DEAD)
    assert status.state.name == "error"
    assert editor.statuses[-1] == {
        "busy": False,
        "message": DEAD,
        "kind": "Error",
        "command": {"title": "Why no suggestion?", "command": "dg.explain", "arguments": []},
    }
    assert len(editor.statuses) == 2
    assert editor.logged == [DEAD]
    assert [(reason.reason, reason.count) for reason in status.reasons.all()] == [(DEAD, 2)]
    status.starting()
    assert editor.statuses[-1] == {"busy": True, "message": RESTARTED, "kind": "Normal"}
    await status.engine(LOADING)
    assert status.state.message == f"{RESTARTED}, 25 %"
    await status.engine(READY)
    assert status.state.name == "ready"


async def test_an_engine_that_is_gone_is_started_again_and_only_a_failed_start_is_an_error(
    status: Status, editor: Editor
) -> None:
    status.starting()
    await status.engine(READY)
    status.starting()
    assert (status.state.kind, status.state.message, status.health) == ("Normal", RESTARTED, None)
    await status.no_engine("the engine stopped at once")
    assert (status.state.kind, status.state.message) == ("Error", "the engine stopped at once")
    status.starting()
    assert (status.state.kind, status.state.message) == ("Normal", "Starting the engine")
    await status.no_engine("the engine stopped at once")
    assert status.state.kind == "Error"
    assert editor.logged == ["the engine stopped at once"]


async def test_a_failure_is_a_warning_until_a_request_is_answered(status: Status) -> None:
    await status.engine(READY)
    status.warn("no suggestion: out of memory")
    assert (status.state.name, status.state.kind) == ("error", "Warning")
    with pytest.raises(ValueError, match="again"), status.busy():
        raise ValueError("again")
    assert status.state.message == "no suggestion: out of memory"
    with status.busy():
        pass
    assert status.state.name == "ready"


async def test_a_document_left_out_is_shown_until_another_one_is_served(status: Status, editor: Editor) -> None:
    await status.engine(READY)
    status.left_out("a.key is on the list of secret files", uri="file:///a.key", line=0)
    assert (status.state.name, status.state.kind) == ("inactive", "Inactive")
    assert editor.logged == ["no suggestion: a.key is on the list of secret files"]
    status.served()
    assert status.state.name == "ready"


async def test_what_is_turned_off_and_what_is_left_out_are_shown_apart(status: Status) -> None:
    await status.engine(READY)
    status.turned_off("turned off")
    status.admitted()
    status.served()
    with status.busy():
        pass
    assert (status.state.kind, status.state.message) == ("Inactive", "turned off")
    status.left_out("a.key is on the list of secret files")
    assert status.state.message.startswith("a.key")
    status.turned_off("turned off")  # in another document
    assert status.state.message == "turned off"
    status.left_out("a.key is on the list of secret files")
    status.turned_on()
    assert status.state.message.startswith("a.key")
    status.admitted()
    assert status.state.name == "ready"


async def test_slow_fills_are_shown_with_what_to_change_until_they_are_fast_again(status: Status) -> None:
    await status.engine(READY)
    for _ in range(20):
        status.took(900)
    assert (status.state.name, status.state.kind) == ("slow", "Warning")
    change = "choose a GPU, a smaller model, or close other programs"
    assert status.state.message == f"Slow: the last fills took 900 ms (p50); {change}"
    for _ in range(20):
        status.took(300, cut=True)
    assert "took 300 ms (p50), cut short by their deadline; " in status.state.message
    await status.engine(replace(READY, device="cuda:0"))
    assert status.state.message.endswith("deadline; choose a smaller model, or close other programs")
    for _ in range(20):
        status.took(100)
    assert status.state.name == "ready"


async def test_another_engine_is_not_slow_from_the_start(status: Status) -> None:
    await status.engine(READY)
    for _ in range(20):
        status.took(900)
    await status.engine(replace(READY, pid=8))
    assert status.state.name == "ready"


async def test_a_reason_is_logged_once_until_the_engine_changes_and_kept_each_time(
    status: Status, editor: Editor
) -> None:
    await status.engine(READY)
    for line in (1, 2):
        status.silent("no suggestion: blank", uri="file:///a.py", line=line)
    status.superseded("file:///a.py")
    assert editor.logged == ["no suggestion: blank"]
    assert [reason.line for reason in status.reasons.all()] == [None, 2, 1]
    await status.engine(READY)
    status.silent("no suggestion: blank")
    assert editor.logged == ["no suggestion: blank"] * 2


async def test_the_status_says_when_the_model_does_not_know_the_language(status: Status) -> None:
    await status.engine(replace(READY, languages=("python",)))
    status.in_language("go")
    assert (status.state.kind, status.state.message) == ("Warning", "small knows Python only; this file is Go")
    status.in_language("python")
    assert (status.state.kind, status.state.message) == ("Normal", "Ready: small on cpu")
