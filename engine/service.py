"""The engine's HTTP routes: its own `/v1/fill`, and the shapes that other editors' clients already speak."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from engine import openai
from engine.network import Guard
from engine.protocol import Draft, FillError, FillRequest, FillResult, ProtocolError, from_json, to_json
from engine.resident import Job, Resident

_log = logging.getLogger("engine")
MAX_BODY_BYTES = 8 * 1024 * 1024
_TICK_SECONDS = 0.2
_ERROR_SECONDS = 3.0  # for those who wait for the model to hear why it cannot be loaded
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
        fill_request = from_json(FillRequest, await _json(request))
        _require_ready(resident)
        events = _fill_events(request, resident, fill_request, arrived)
        return StreamingResponse(events, media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    async def completions(request: Request) -> Response:
        """OpenAI's text completion with `prompt` and `suffix`.

        A diffusion draft is not append-only, so `stream` sends one chunk with the whole text, then `[DONE]`.
        """
        arrived = time.monotonic()
        wanted = openai.completion_request(await _json(request))
        _require_ready(resident)
        async with _job_of(request, resident, wanted.fill_request(), arrived) as job:
            answer = await job.answer()
        if isinstance(answer, FillError):
            raise Refused(answer.code, answer.message)
        body = await asyncio.to_thread(openai.completion, wanted, answer, resident.count_tokens)
        if not wanted.stream:
            return JSONResponse(body)
        return Response(f"data: {json.dumps(body)}\n\ndata: [DONE]\n\n", media_type="text/event-stream")

    return Starlette(
        routes=[
            Route("/v1/fill", fill, methods=["POST"]),
            Route("/v1/completions", completions, methods=["POST"]),
            Route("/v1/models", models),
            Route("/health", health),
        ],
        middleware=[Middleware(Guard)],
        exception_handlers={
            Refused: _refuse,
            ProtocolError: _refuse_misfit,
            HTTPException: _refuse_http,
            ClientDisconnect: _nobody_there,
        },
    )


async def serve_http(
    resident: Resident,
    listeners: Sequence[socket.socket],
    *,
    idle_seconds: float = 0.0,
    is_found: Callable[[], bool] = lambda: True,
) -> None:
    """Serve on bound sockets until a signal comes or nothing was filled for `idle_seconds` (0: never).

    It also ends when the model cannot be loaded, a moment later, and when it is not found any more, after its work.
    """
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
    watch = asyncio.create_task(_close_in_time(server, resident, idle_seconds, is_found))
    try:
        await server.serve(sockets=list(listeners))
    finally:
        watch.cancel()


async def _close_in_time(
    server: uvicorn.Server, resident: Resident, idle_seconds: float, is_found: Callable[[], bool]
) -> None:
    """End the jobs as soon as the server stops, since it waits for their answers."""
    while not server.should_exit:
        await asyncio.sleep(_TICK_SECONDS)
        if resident.health().state == "error":
            await asyncio.sleep(_ERROR_SECONDS)
            server.should_exit = True
        elif 0 < idle_seconds < resident.idle_seconds():
            _log.info("nothing to do for %.0f s", idle_seconds)
            server.should_exit = True
        elif resident.idle_seconds() > 0 and not is_found():
            _log.warning("the runtime folder was deleted, so nobody finds this engine any more")
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
        # Half a surrogate pair, as of an emoji that a client cut in two, passes as JSON; the model reads "?" for it.
        text = json.dumps(json.loads(body), ensure_ascii=False).encode("utf-8", "replace")
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refused("bad_request", f"the body is not JSON text: {error}") from None


def _require_ready(resident: Resident) -> None:
    health = resident.health()
    if health.state == "loading":
        raise Refused("loading", f"the model is still loading ({health.progress:.0%}): try again shortly")
    if health.state == "error":
        raise Refused("engine", f"the model could not be loaded: {health.message}", status=503)


def _refuse_misfit(request: Request, error: Exception) -> Response:
    return _refuse(request, Refused("bad_request", str(error)))


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
