"""The engine's HTTP routes: its own `/v1/fill`, and the shapes that other editors' clients already speak."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import logging
import socket
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, TypeVar

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from engine.protocol import (
    Candidate,
    Draft,
    FillError,
    FillRequest,
    FillResult,
    ProtocolError,
    from_json,
    to_json,
)
from engine.resident import Job, Resident

_log = logging.getLogger("engine")
_T = TypeVar("_T")
MAX_BODY_BYTES = 8 * 1024 * 1024
_TICK_SECONDS = 0.2
_STATUS = {"bad_request": 400, "too_large": 413, "not_found": 404, "loading": 503, "cancelled": 503, "engine": 500}
_EVENTS = {Draft: "draft", FillResult: "done", FillError: "error"}


class Refused(Exception):
    """A request that is not served; becomes the HTTP answer."""

    def __init__(self, code: str, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.error = FillError(code=code, message=message)
        self.status = status or _STATUS[code]


def create_app(resident: Resident) -> Starlette:
    """The HTTP application around a resident model."""
    started = int(time.time())

    async def health(_: Request) -> Response:
        return JSONResponse(to_json(resident.health()))

    async def models(_: Request) -> Response:
        state = resident.health()
        model = {"id": state.model, "object": "model", "created": started, "owned_by": "dg-lsp"}
        return JSONResponse({"object": "list", "data": [model] if state.state == "ready" else []})

    async def fill(request: Request) -> Response:
        arrived = time.monotonic()
        fill_request = _parse(FillRequest, await _json(request))
        _require_ready(resident)
        events = _fill_events(request, resident, fill_request, arrived)
        return StreamingResponse(events, media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    async def completions(request: Request) -> Response:
        """OpenAI's text completion with `prompt` and `suffix`.

        A diffusion draft is not append-only, so `stream` sends one chunk with the whole text, then `[DONE]`.
        """
        arrived = time.monotonic()
        wanted = _completion_request(await _json(request))
        _require_ready(resident)
        async with _job_of(request, resident, wanted.fill_request(), arrived) as job:
            answer = await job.answer()
        if isinstance(answer, FillError):
            raise Refused(answer.code, answer.message)
        usage = await asyncio.to_thread(_usage, resident, wanted, answer)
        return _completion_response(wanted, answer, usage)

    return Starlette(
        routes=[
            Route("/v1/fill", fill, methods=["POST"]),
            Route("/v1/completions", completions, methods=["POST"]),
            Route("/v1/models", models),
            Route("/health", health),
        ],
        exception_handlers={Refused: _refuse, HTTPException: _refuse_http, ClientDisconnect: _nobody_there},
    )


async def serve_http(resident: Resident, listener: socket.socket, *, idle_seconds: float = 0.0) -> None:
    """Serve on a bound socket until a signal comes or nothing was filled for `idle_seconds` (0: never)."""
    config = uvicorn.Config(
        create_app(resident),
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)
    watch = asyncio.create_task(_close_in_time(server, resident, idle_seconds))
    try:
        await server.serve(sockets=[listener])
    finally:
        watch.cancel()


async def _close_in_time(server: uvicorn.Server, resident: Resident, idle_seconds: float) -> None:
    """End the jobs as soon as the server stops, since it waits for their answers."""
    while not server.should_exit:
        await asyncio.sleep(_TICK_SECONDS)
        if 0 < idle_seconds < resident.idle_seconds():
            _log.info("nothing to do for %.0f s", idle_seconds)
            server.should_exit = True
    resident.close()


@contextlib.asynccontextmanager
async def _job_of(request: Request, resident: Resident, fill: FillRequest, arrived: float) -> AsyncIterator[Job]:
    """A submitted job that is cancelled when the client goes away or the block is left."""
    job = resident.submit(fill, arrived=arrived)
    watch = asyncio.create_task(_cancel_when_gone(request, job))
    try:
        yield job
    finally:
        watch.cancel()
        job.cancel()


async def _cancel_when_gone(request: Request, job: Job) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    job.cancel()


async def _fill_events(request: Request, resident: Resident, fill: FillRequest, arrived: float) -> AsyncIterator[str]:
    # Submitted here, not in the route: a response that is dropped before its first event leaves no job behind.
    async with _job_of(request, resident, fill, arrived) as job:
        async for message in job.events():
            yield f"event: {_EVENTS[type(message)]}\ndata: {json.dumps(to_json(message))}\n\n"


async def _json(request: Request) -> Any:
    """The request's body, decoded. Raises `Refused`."""
    body, size = bytearray(), 0
    async for chunk in request.stream():  # read to its end even when too large: a client still sending reads no answer
        size += len(chunk)
        if size <= MAX_BODY_BYTES:
            body += chunk
    if size > MAX_BODY_BYTES:
        raise Refused("too_large", f"the request is larger than {MAX_BODY_BYTES // 1024**2} MiB: send less context")
    try:
        data = json.loads(body)
        json.dumps(data, ensure_ascii=False).encode()  # half a surrogate pair passes as JSON, but is no text
    except (ValueError, RecursionError) as error:
        raise Refused("bad_request", f"the body is not JSON text: {error}") from None
    return data


def _require_ready(resident: Resident) -> None:
    health = resident.health()
    if health.state == "loading":
        raise Refused("loading", f"the model is still loading ({health.progress:.0%}): try again shortly")
    if health.state == "error":
        raise Refused("engine", f"the model could not be loaded: {health.message}", status=503)


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """The fields of OpenAI's completion request that mean something here; the others are ignored."""

    prompt: str
    suffix: str = ""
    max_tokens: int = 64
    n: int = 1
    stream: bool = False
    seed: int = 0
    stop: tuple[str, ...] = ()

    def fill_request(self) -> FillRequest:
        """The same as a fill. Raises `Refused`."""
        values = {
            "prefix": self.prompt,
            "suffix": self.suffix,
            "max_tokens": self.max_tokens,
            "candidates": self.n,
            "seed": self.seed,
        }
        return _parse(FillRequest, values)


def _completion_request(data: Any) -> Completion:
    if not isinstance(data, dict):
        raise Refused("bad_request", "the body must be a JSON object")
    known = {field.name for field in dataclasses.fields(Completion)}
    values = {name: value for name, value in data.items() if name in known and value is not None}
    if isinstance(prompt := values.get("prompt"), list) and len(prompt) == 1:
        values["prompt"] = prompt[0]
    if isinstance(stop := values.get("stop"), str):
        values["stop"] = [stop]
    return _parse(Completion, values)


def _parse(kind: type[_T], values: Any) -> _T:
    try:
        return from_json(kind, values)
    except ProtocolError as error:
        raise Refused("bad_request", str(error)) from None


def _usage(resident: Resident, wanted: Completion, result: FillResult) -> dict[str, int]:
    prompt = sum(resident.count_tokens(text) for text in (wanted.prompt, wanted.suffix))
    completion = sum(resident.count_tokens(candidate.middle) for candidate in result.candidates)
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _completion_response(wanted: Completion, result: FillResult, usage: dict[str, int]) -> Response:
    body = {
        "id": f"cmpl-{uuid.uuid4().hex}",
        "object": "text_completion",
        "created": int(time.time()),
        "model": result.model,
        # Clients read choices[0] unasked: nothing to offer is an empty text.
        "choices": [_choice(i, text, wanted, result) for i, text in enumerate(_texts(result.candidates))],
        "usage": usage,
    }
    if not wanted.stream:
        return JSONResponse(body)
    return Response(f"data: {json.dumps(body)}\n\ndata: [DONE]\n\n", media_type="text/event-stream")


def _texts(candidates: tuple[Candidate, ...]) -> list[str]:
    return [candidate.middle for candidate in candidates] or [""]


def _choice(index: int, text: str, wanted: Completion, result: FillResult) -> dict[str, Any]:
    cut = min((at for stop in wanted.stop if stop and (at := text.find(stop)) >= 0), default=None)
    finished = cut is not None or result.finish_reason == "stop"
    return {"text": text[:cut], "index": index, "finish_reason": "stop" if finished else "length", "logprobs": None}


def _refuse(request: Request, refused: Exception) -> Response:
    assert isinstance(refused, Refused)
    error = to_json(refused.error)
    if request.url.path != "/v1/fill":  # OpenAI's clients look for two more fields
        error |= {"type": "invalid_request_error" if refused.status < 500 else "server_error", "param": None}
    return JSONResponse({"error": error}, status_code=refused.status)


def _refuse_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = "not_found" if error.status_code == 404 else "bad_request"
    return _refuse(request, Refused(code, f"{request.method} {request.url.path}: {error.detail}", error.status_code))


def _nobody_there(_: Request, __: Exception) -> Response:
    return Response(status_code=400)
