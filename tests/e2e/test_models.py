"""Models chosen in the editor: raw JSON-RPC to a real `dg-lsp` process, with a scripted `dg-engine`."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from lsp_session import (
    FULL_CAPABILITIES,
    NO_ANSWER,
    STUB,
    URI,
    LspSession,
    Message,
    eventually,
    framed,
    scripted_cli,
    short_folder,
)

from engine.weights.catalogue import PACKAGED

PUSHED = {**FULL_CAPABILITIES, "workspace": {}}
QUESTION = "window/showMessageRequest"


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_folder() as folder:
        yield folder


@pytest.fixture
def lsp(folder: Path) -> Iterator[LspSession]:
    """A server whose editor tells its configuration, with `dg-default` loaded."""
    session = LspSession(folder, more_environment=scripted_cli())
    session.initialize(PUSHED)
    session.until_ready()
    yield session
    session.close()
    end_engine(folder)


def end_engine(folder: Path) -> None:
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(folder / "engine.sock"))) as client:
        os.kill(client.get("http://engine/health").json()["pid"], signal.SIGKILL)


def running_model(lsp: LspSession) -> Any:
    return lsp.ask("dg/status")["result"]["model"]


def choose(lsp: LspSession, model: str) -> None:
    lsp.notify("workspace/didChangeConfiguration", {"settings": {"dg": {"engine": {"model": model}}}})


def question(lsp: LspSession) -> Message:
    return lsp.wait_for(lambda m: m["method"] == QUESTION)


def answer(lsp: LspSession, request: Message, title: str | None) -> None:
    result = None if title is None else {"title": title}
    lsp.raw(framed({"jsonrpc": "2.0", "id": request["id"], "result": result}))


def progresses(lsp: LspSession) -> list[Message]:
    return [m["params"]["value"] for m in lsp.received if m["method"] == "$/progress"]


def test_the_models_are_listed(lsp: LspSession) -> None:
    rows = lsp.ask("dg/models")["result"]
    assert [(row["name"], row["loaded"], row["downloaded"]) for row in rows] == [
        ("dg-default", True, True),
        ("small", False, False),
        ("huge", False, False),
    ]


def test_parameters_may_be_left_out(lsp: LspSession) -> None:
    lsp.raw(framed({"jsonrpc": "2.0", "id": 99, "method": "dg/models"}))
    assert lsp.response(99)["result"]


def test_a_model_is_downloaded_with_progress_and_then_loaded(lsp: LspSession, folder: Path) -> None:
    params = {"name": "small", "workDoneToken": "mine"}
    downloaded = lsp.ask("dg/downloadModel", params)["result"]
    assert downloaded == {"name": "small", "path": str(folder / "small.gguf")}
    begin, *reports, end = progresses(lsp)
    assert (begin["kind"], begin["title"], begin["cancellable"]) == ("begin", "Downloading small", True)
    percentages = [report["percentage"] for report in reports]
    assert percentages == sorted(set(percentages))
    assert (percentages[0], percentages[-1]) == (0, 100)
    assert reports[4]["message"] == "197 MB of 491 MB"
    assert end["kind"] == "end"
    assert {m["params"]["token"] for m in lsp.received if m["method"] == "$/progress"} == {"mine"}
    assert not [m for m in lsp.received if m["method"] == "window/workDoneProgress/create"]

    before = lsp.ask("dg/status")["result"]["engine_pid"]
    assert lsp.ask("dg/loadModel", {"name": "small"})["result"] == {"name": "small"}
    status = lsp.ask("dg/status")["result"]
    assert (status["state"], status["model"]) == ("ready", "small")
    assert status["engine_pid"] != before
    lsp.open(URI, STUB)
    assert lsp.inline(URI, 2, 0)


def test_a_request_waits_for_the_model_that_is_being_loaded(lsp: LspSession, folder: Path) -> None:
    (folder / "small.gguf").touch()
    lsp.open(URI, STUB)
    loading = lsp.send("dg/loadModel", {"name": "small"})
    assert lsp.inline(URI, 2, 0, trigger=1)
    assert lsp.response(loading)["result"]
    assert running_model(lsp) == "small"
    assert not [told for told in lsp.statuses() if told["kind"] == "Error"]


def test_a_model_that_is_not_there_leaves_the_engine_as_it_is(lsp: LspSession) -> None:
    before = lsp.ask("dg/status")["result"]["engine_pid"]
    assert lsp.ask("dg/loadModel", {"name": "small"})["result"] is None
    (shown,) = lsp.shown()
    assert shown.startswith("dg-lsp: small was not loaded: the engine stopped at once: dg-engine: small is not on this")
    eventually(lambda: lsp.ask("dg/status")["result"]["state"] == "ready")
    assert lsp.ask("dg/status")["result"]["engine_pid"] == before
    lsp.open(URI, STUB)
    assert lsp.inline(URI, 2, 0)


@pytest.mark.parametrize("by", ["the progress", "the request"])
def test_a_download_that_is_cancelled_ends(lsp: LspSession, folder: Path, by: str) -> None:
    (folder / "slow_download").touch()
    request = lsp.send("dg/downloadModel", {"name": "small"})
    token = lsp.wait_for(lambda m: m["method"] == "$/progress")["params"]["token"]
    pid = int(eventually(lambda: (folder / "downloading").exists() and (folder / "downloading").read_text()) or 0)
    if by == "the progress":
        lsp.notify("window/workDoneProgress/cancel", {"token": token})
        assert lsp.response(request)["result"] is None
    else:
        lsp.cancel(request)
        assert lsp.response(request)["error"]["code"] == -32800
    eventually(lambda: not Path(f"/proc/{pid}").exists())
    lsp.ask("dg/models")
    assert progresses(lsp)[-1]["kind"] == "end"
    assert lsp.shown() == []


def test_a_download_ends_with_the_server(lsp: LspSession, folder: Path) -> None:
    (folder / "slow_download").touch()
    lsp.send("dg/downloadModel", {"name": "small"})
    pid = int(eventually(lambda: (folder / "downloading").exists() and (folder / "downloading").read_text()) or 0)
    lsp.ask("shutdown")
    eventually(lambda: not Path(f"/proc/{pid}").exists())


def test_a_download_that_fails_is_told_in_one_line(lsp: LspSession, folder: Path) -> None:
    (folder / "no_network").touch()
    assert lsp.ask("dg/downloadModel", {"name": "small"})["result"] is None
    why = "small cannot be fetched (no network): put the file there by --from PATH"
    assert lsp.shown() == [f"dg-lsp: small was not downloaded: {why}"]


@pytest.mark.parametrize("params", [None, {}, {"name": ""}, {"name": 3}, []])
def test_a_request_without_a_name_is_refused(lsp: LspSession, params: Any) -> None:
    for method in ("dg/loadModel", "dg/downloadModel"):
        assert lsp.ask(method, params)["error"]["message"] == f'{method} takes {{"name": the name of a model}}'


def test_a_change_of_the_setting_is_loaded_when_the_user_says_so(lsp: LspSession, folder: Path) -> None:
    (folder / "small.gguf").touch()
    lsp.answers[QUESTION] = {"title": "Load it now"}
    choose(lsp, "small")
    asked = question(lsp)["params"]
    assert asked["message"] == "dg-lsp: dg.engine.model is small now; the engine still runs dg-default."
    assert asked["actions"] == [{"title": "Load it now"}]
    eventually(lambda: running_model(lsp) == "small")


def test_a_change_to_a_model_that_is_not_there_offers_its_download(lsp: LspSession, folder: Path) -> None:
    lsp.answers[QUESTION] = {"title": "Download it (491 MB) and load it"}
    choose(lsp, "small")
    assert question(lsp)["params"]["actions"] == [{"title": "Download it (491 MB) and load it"}]
    eventually(lambda: running_model(lsp) == "small")
    assert (folder / "small.gguf").exists()


def test_a_change_that_the_user_declines_changes_nothing(lsp: LspSession, folder: Path) -> None:
    (folder / "small.gguf").touch()
    before = lsp.ask("dg/status")["result"]["engine_pid"]
    choose(lsp, "small")
    question(lsp)
    assert lsp.ask("dg/status")["result"]["engine_pid"] == before


def test_a_setting_that_is_being_typed_is_asked_about_once(lsp: LspSession) -> None:
    lsp.answers[QUESTION] = NO_ANSWER
    for model in ("s", "sm", "small"):
        choose(lsp, model)
    asked = question(lsp)
    lsp.ask("dg/models")
    assert [m for m in lsp.received if m["method"] == QUESTION] == [asked]
    answer(lsp, asked, None)


def test_the_setting_written_after_a_load_asks_nothing(lsp: LspSession, folder: Path) -> None:
    """As VS Code's extension does it; the next change asks again."""
    (folder / "small.gguf").touch()
    assert lsp.ask("dg/loadModel", {"name": "small"})["result"]
    choose(lsp, "small")
    choose(lsp, "dg-default")
    choose(lsp, "small")
    lsp.open(URI, STUB)
    assert lsp.inline(URI, 2, 0)
    choose(lsp, "other")
    assert "is other now; the engine still runs small" in question(lsp)["params"]["message"]


def test_with_an_engine_elsewhere_its_model_is_chosen_there(folder: Path) -> None:
    session = LspSession(folder, more_environment=scripted_cli())
    try:
        session.initialize(PUSHED, initializationOptions={"engine": {"url": "http://127.0.0.1:9"}})
        for method, params in (("dg/models", None), ("dg/loadModel", {"name": "small"})):
            assert session.ask(method, params)["result"] is None
        assert all("names the engine at http://127.0.0.1:9, whose model" in shown for shown in session.shown())
        assert len(session.shown()) == 2
    finally:
        session.close()


def test_the_real_engine_is_replaced_and_stays_where_a_model_is_of_no_use(folder: Path) -> None:
    copy, empty = folder / "copy", folder / "empty"
    shutil.copytree(PACKAGED, copy)
    empty.mkdir()
    session = LspSession(folder, more_environment={"DG_MODELS_DIR": str(folder), "OMP_NUM_THREADS": "1"})
    try:
        session.initialize(PUSHED, initializationOptions={"engine": {"model": "dg-default"}})
        session.until_ready(within_s=60)
        first = session.ask("dg/status")["result"]["engine_pid"]
        assert [row["name"] for row in session.ask("dg/models")["result"] if row["loaded"]] == ["dg-default"]
        loading = session.send("dg/loadModel", {"name": str(copy)})
        assert session.response(loading, within_s=60)["result"] == {"name": str(copy)}
        second = session.ask("dg/status")["result"]["engine_pid"]
        assert second != first

        loading = session.send("dg/loadModel", {"name": str(empty)})
        assert session.response(loading, within_s=60)["result"] is None
        assert "config.json" in session.shown()[-1]
        eventually(lambda: session.ask("dg/status")["result"]["state"] == "ready")
        command = Path(f"/proc/{session.ask('dg/status')['result']['engine_pid']}/cmdline").read_text().split("\0")
        assert str(copy) in command
    finally:
        session.close()
        end_engine(folder)
