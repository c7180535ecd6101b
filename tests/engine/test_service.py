"""The HTTP routes over a real unix socket. A scripted `run` stands for the model, to control when a fill ends."""

import asyncio
import json
import socket
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from engine.protocol import Candidate, Draft, FillRequest, FillResult, Health, ProtocolError, from_json
from engine.resident import Resident
from engine.service import MAX_BODY_BYTES, serve_http


@dataclass(frozen=True)
class ScriptedModel:
    name: str = "scripted"
    device: str = "cpu"
    context_tokens: int = 1000
    gap_tokens: int = 64
    languages: tuple[str, ...] = ("python",)


@dataclass
class Script:
    """Loads when `loaded` is set; a prefix says how its fill goes, any other than those below ends at once."""

    loaded: threading.Event = field(default_factory=threading.Event)
    stopped: threading.Event = field(default_factory=threading.Event)
    ran: list[FillRequest] = field(default_factory=list)
    problem: str = ""

    def load(self, progress: Callable[[float], None]) -> ScriptedModel:
        progress(0.42)
        self.loaded.wait(10)
        if self.problem:
            raise ValueError(self.problem)
        return ScriptedModel()

    def run(
        self, model: Any, request: FillRequest, *, on_draft: Callable[[Draft], None], cancelled: Callable[[], bool]
    ) -> FillResult:
        self.ran.append(request)
        on_draft(Draft(text="dr", step=0, steps=2, slots=("d", "r"), settled=(True, False), pinned=")"))
        if request.prefix == "endless":
            while not cancelled():
                self.stopped.wait(0.001)
            self.stopped.set()
            raise RuntimeError("cancelled")
        if request.prefix == "boom":
            raise ZeroDivisionError("no\nway")
        if request.prefix == "refused":
            raise ProtocolError("the prefix is too long")
        middles = [] if request.prefix == "nothing" else ["one\ntwo", "three"][: request.candidates]
        return FillResult(
            candidates=tuple(Candidate(middle=m, source="denoised", confidence=0.5) for m in middles),
            finish_reason="stop" if request.max_tokens > 8 else "length",
            steps=2,
            model=model.name,
        )


def count(model: Any, text: str) -> int:
    return len(text.split())


@pytest.fixture
def socket_file() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="dg", dir="/tmp") as folder:  # pytest's own paths are long for a socket
        yield Path(folder) / "engine.sock"


@pytest.fixture
def script() -> Script:
    return Script()


@pytest_asyncio.fixture
async def loading(script: Script, socket_file: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an engine that loads until the script lets it."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(socket_file))
    resident = Resident(script.load, script.run, count, name="default")
    resident.start()
    serving = asyncio.create_task(serve_http(resident, [listener]))
    transport = httpx.AsyncHTTPTransport(uds=str(socket_file))
    async with httpx.AsyncClient(transport=transport, base_url="http://engine", timeout=10) as client:
        yield client
    script.loaded.set()
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    assert await asyncio.to_thread(resident.close, 5)


@pytest_asyncio.fixture
async def engine(loading: httpx.AsyncClient, script: Script) -> httpx.AsyncClient:
    """A client of an engine whose model is loaded."""
    script.loaded.set()
    await ended_loading(loading)
    return loading


async def ended_loading(client: httpx.AsyncClient) -> Health:
    while (health := from_json(Health, (await client.get("/health")).json())).state == "loading":
        await asyncio.sleep(0.001)
    return health


def events_of(text: str) -> list[tuple[str, dict[str, Any]]]:
    """(event, data) of server-sent events; fails on anything but one `event` and one `data` line each."""
    blocks = [block.split("\n") for block in text.removesuffix("\n\n").split("\n\n")]
    return [(event.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for event, data in blocks]


async def fill(client: httpx.AsyncClient, **request: Any) -> list[tuple[str, dict[str, Any]]]:
    answer = await client.post("/v1/fill", json=request)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    return events_of(answer.text)


async def test_fill_streams_drafts_and_then_the_result(engine: httpx.AsyncClient) -> None:
    (first, draft), (last, result) = await fill(engine, prefix="f(", suffix=")", candidates=2)
    assert (first, last) == ("draft", "done")
    assert from_json(Draft, draft) == Draft(
        text="dr", step=0, steps=2, slots=("d", "r"), settled=(True, False), pinned=")"
    )
    assert [c.middle for c in from_json(FillResult, result).candidates] == ["one\ntwo", "three"]


async def test_fill_reads_the_whole_request(engine: httpx.AsyncClient, script: Script) -> None:
    await fill(engine, prefix="é\u2028", related=[{"path": "a.py", "text": "1"}], max_tokens=9, seed=3)
    (request,) = script.ran
    assert (request.prefix, request.related[0].path, request.max_tokens, request.seed) == ("é\u2028", "a.py", 9, 3)


@pytest.mark.parametrize(
    ("prefix", "error"),
    [
        ("boom", {"code": "engine", "message": "ZeroDivisionError: no"}),
        ("refused", {"code": "bad_request", "message": "the prefix is too long"}),
    ],
)
async def test_a_failed_fill_ends_its_stream_with_an_error(
    engine: httpx.AsyncClient, prefix: str, error: dict[str, str]
) -> None:
    assert (await fill(engine, prefix=prefix))[-1] == ("error", error)
    assert (await fill(engine, prefix="next"))[-1][0] == "done"


@pytest.mark.parametrize("path", ["/v1/fill", "/v1/completions"])
@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff\xff", b"[" * 100_000],
    ids=["empty", "cut", "binary", "deep"],
)
async def test_a_body_that_is_not_json_gets_400(engine: httpx.AsyncClient, path: str, body: bytes) -> None:
    answer = await engine.post(path, content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "bad_request"
    assert answer.json()["error"]["message"].startswith("the body is not JSON text: ")


@pytest.mark.parametrize(("path", "field"), [("/v1/fill", "prefix"), ("/v1/completions", "prompt")])
async def test_half_a_surrogate_pair_is_read_as_a_question_mark(
    engine: httpx.AsyncClient, script: Script, path: str, field: str
) -> None:
    body = b'{"%b": "a\\ud83d", "suffix": "\\udc00\\ud83d\\ude00"}' % field.encode()
    assert (await engine.post(path, content=body)).status_code == 200
    assert (script.ran[0].prefix, script.ran[0].suffix) == ("a?", "?😀")


@pytest.mark.parametrize(
    ("path", "body", "complaint"),
    [
        ("/v1/fill", [], "FillRequest must be a JSON object, not list"),
        ("/v1/fill", {"suffix": ""}, "the field 'prefix' is missing"),
        ("/v1/fill", {"prefix": "", "max_tokens": 0}, "max_tokens must be at least 1, not 0"),
        ("/v1/fill", {"prefix": "", "temperature": 0}, "unknown field 'temperature'"),
        ("/v1/completions", [], "the body must be a JSON object"),
        ("/v1/completions", {"suffix": ""}, "the field 'prompt' is missing"),
        ("/v1/completions", {"prompt": [1, 2, 3]}, "prompt must be str, not list"),
        ("/v1/completions", {"prompt": "", "n": 0}, "candidates must be at least 1, not 0"),
        ("/v1/completions", {"prompt": "", "stop": [1]}, "stop must be str, not int"),
    ],
)
async def test_a_body_that_does_not_fit_gets_400_and_names_the_field(
    engine: httpx.AsyncClient, path: str, body: Any, complaint: str
) -> None:
    answer = await engine.post(path, json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request")
    assert complaint in answer.json()["error"]["message"]


async def test_a_refused_fill_answers_a_fill_error_and_a_refused_completion_openais(engine: httpx.AsyncClient) -> None:
    assert (await engine.post("/v1/fill", content=b"")).json()["error"].keys() == {"code", "message"}
    error = (await engine.post("/v1/completions", content=b"")).json()["error"]
    assert error.keys() == {"code", "message", "type", "param"}
    assert error["type"] == "invalid_request_error"


async def test_a_body_over_8_mib_gets_413(engine: httpx.AsyncClient) -> None:
    answer = await engine.post("/v1/fill", json={"prefix": "x" * MAX_BODY_BYTES})
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "too_large"


async def test_an_unknown_path_gets_404_in_json(engine: httpx.AsyncClient) -> None:
    answer = await engine.post("/v1/chat/completions", json={})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


async def test_while_loading_health_answers_and_fills_get_503(loading: httpx.AsyncClient) -> None:
    health = from_json(Health, (await loading.get("/health")).json())
    assert (health.state, health.progress, health.model) == ("loading", 0.42, "default")
    for path, body in [("/v1/fill", {"prefix": ""}), ("/v1/completions", {"prompt": ""})]:
        answer = await loading.post(path, json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "loading")
        assert "42%" in answer.json()["error"]["message"]
    assert (await loading.get("/v1/models")).json()["data"] == []


async def test_a_model_that_does_not_load_is_said_by_health_and_by_fills(
    loading: httpx.AsyncClient, script: Script
) -> None:
    script.problem = "config.json is missing"
    script.loaded.set()
    health = await ended_loading(loading)
    assert (health.state, health.message) == ("error", "config.json is missing")
    answer = await loading.post("/v1/fill", json={"prefix": ""})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "engine")
    assert answer.json()["error"]["message"] == "the model could not be loaded: config.json is missing"


async def test_dropping_the_connection_stops_a_running_fill(engine: httpx.AsyncClient, script: Script) -> None:
    async with engine.stream("POST", "/v1/fill", json={"prefix": "endless"}) as answer:
        assert await anext(answer.aiter_lines()) == "event: draft"
    assert await asyncio.to_thread(script.stopped.wait, 10)


async def test_dropping_the_connection_stops_a_running_completion(engine: httpx.AsyncClient, script: Script) -> None:
    request = asyncio.create_task(engine.post("/v1/completions", json={"prompt": "endless"}))
    while not script.ran:
        await asyncio.sleep(0.001)
    request.cancel()
    assert await asyncio.to_thread(script.stopped.wait, 10)


async def test_a_fill_whose_client_left_the_queue_never_runs(engine: httpx.AsyncClient, script: Script) -> None:
    async with engine.stream("POST", "/v1/fill", json={"prefix": "endless"}) as running:
        await anext(running.aiter_lines())
        async with engine.stream("POST", "/v1/fill", json={"prefix": "queued"}):
            pass
        # Answered by the same event loop after the drop was seen there.
        await engine.get("/health")
    assert (await fill(engine, prefix="next"))[-1][0] == "done"
    assert [request.prefix for request in script.ran] == ["endless", "next"]


async def test_completion_has_openais_shape(engine: httpx.AsyncClient, script: Script) -> None:
    body = {"model": "any", "prompt": "f(", "suffix": ")", "max_tokens": 16, "n": 2, "seed": 5, "temperature": 0.2}
    answer = (await engine.post("/v1/completions", json=body)).json()
    assert (answer["object"], answer["model"]) == ("text_completion", "scripted")
    assert answer["id"].startswith("cmpl-")
    assert isinstance(answer["created"], int)
    assert answer["choices"] == [
        {"text": "one\ntwo", "index": 0, "finish_reason": "stop", "logprobs": None},
        {"text": "three", "index": 1, "finish_reason": "stop", "logprobs": None},
    ]
    assert answer["usage"] == {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}
    expected = FillRequest(prefix="f(", suffix=")", max_tokens=16, candidates=2, seed=5)
    assert script.ran == [expected]


@pytest.mark.parametrize(
    ("fields", "text", "finish_reason"),
    [
        ({}, "one\ntwo", "stop"),
        ({"max_tokens": 4}, "one\ntwo", "length"),
        ({"max_tokens": 4, "stop": "\n"}, "one", "stop"),
        ({"stop": ["tw", "ne"]}, "o", "stop"),
        ({"stop": ["absent", ""]}, "one\ntwo", "stop"),
        ({"prompt": "nothing"}, "", "stop"),
        ({"prompt": ["f("], "suffix": None}, "one\ntwo", "stop"),
    ],
)
async def test_completion_text_and_finish_reason(
    engine: httpx.AsyncClient, fields: dict[str, Any], text: str, finish_reason: str
) -> None:
    answer = await engine.post("/v1/completions", json={"prompt": "f(", **fields})
    (choice,) = answer.json()["choices"]
    assert (choice["text"], choice["finish_reason"]) == (text, finish_reason)


async def test_a_streamed_completion_is_one_chunk_with_the_whole_text(engine: httpx.AsyncClient) -> None:
    answer = await engine.post("/v1/completions", json={"prompt": "f(", "stream": True})
    assert answer.headers["content-type"].startswith("text/event-stream")
    chunk, end = answer.text.removesuffix("\n\n").split("\n\n")
    assert json.loads(chunk.removeprefix("data: "))["choices"][0]["text"] == "one\ntwo"
    assert end == "data: [DONE]"


async def test_a_failed_completion_has_an_http_status(engine: httpx.AsyncClient) -> None:
    answer = await engine.post("/v1/completions", json={"prompt": "boom", "stream": True})
    assert (answer.status_code, answer.json()["error"]["type"]) == (500, "server_error")


async def test_models_lists_the_loaded_model(engine: httpx.AsyncClient) -> None:
    answer = (await engine.get("/v1/models")).json()
    assert answer["object"] == "list"
    assert [model["id"] for model in answer["data"]] == ["scripted"]


async def test_an_idle_engine_stops_by_itself(script: Script, socket_file: Path) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(socket_file))
    script.loaded.set()
    resident = Resident(script.load, script.run, count)
    resident.start()
    await asyncio.wait_for(serve_http(resident, [listener], idle_seconds=0.05), timeout=10)
    assert await asyncio.to_thread(resident.close, 5)


async def test_a_prompt_may_hold_the_suffix_in_qwens_form(engine: httpx.AsyncClient, script: Script) -> None:
    prompt = "<|fim_prefix|>f(\n<|fim_suffix|>)\n<|fim_middle|>"
    await engine.post("/v1/completions", json={"prompt": prompt})
    assert (script.ran[-1].prefix, script.ran[-1].suffix) == ("f(\n", ")\n")
