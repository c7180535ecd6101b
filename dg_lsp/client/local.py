"""The engine, reached by HTTP: this user's over its unix socket, or one on another machine."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, TypeVar

import httpx

from engine.protocol import (
    TOKEN_VARIABLE,
    Draft,
    FillRequest,
    FillResult,
    Health,
    ProtocolError,
    from_json,
    socket_path,
    to_json,
)

_HEALTH_TIMEOUT_S = 2.0
_CONNECT_TIMEOUT_S = 5.0

_T = TypeVar("_T")


class EngineUnavailable(Exception):
    """There is no engine to talk to; the text is one line that says why and what to do."""


class BadAddress(EngineUnavailable):
    """What should be the URL of an engine is none."""


class EngineGone(EngineUnavailable):
    """Nothing listens where the engine was: it had ended before it was asked, as it does when it was idle for long."""


class EngineError(Exception):
    """The engine answered with an error; `code` is one of those of `engine.protocol.FillError`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class EngineClient:
    """Speaks to this user's engine, or to the one at `url`. Bound to one event loop.

    Raises `BadAddress` for a `url` that is none.
    """

    def __init__(self, url: str = "") -> None:
        asyncio.get_running_loop().set_exception_handler(_pass_over_late_reads)
        # verify=False only skips loading certificates (30 ms): there is no TLS on a unix socket.
        socket = None if url else str(socket_path())
        transport = httpx.AsyncHTTPTransport(uds=socket, verify=url.startswith("https:"))
        token = os.environ.get(TOKEN_VARIABLE, "")
        headers = {b"Content-Type": b"application/json"}
        if url and token:
            headers[b"Authorization"] = f"Bearer {token}".encode()
        timeout = httpx.Timeout(None, connect=_CONNECT_TIMEOUT_S)
        try:
            base = httpx.URL(url or "http://engine")
        except httpx.InvalidURL as error:
            raise BadAddress(f"the engine's URL {url!r} is no address ({error})") from None
        if base.scheme not in ("http", "https") or not base.host:
            raise BadAddress(f"an engine's URL is http://HOST:PORT or https://HOST:PORT, not {url!r}")
        self._http = httpx.AsyncClient(transport=transport, base_url=base, timeout=timeout, headers=headers)

    async def health(self) -> Health:
        """How the engine is. Raises `EngineUnavailable` when nothing answers within two seconds.

        It is an `EngineGone`, here and for a fill, where nothing listens.
        """
        self._check_open()
        try:
            response = await self._http.get("/health", timeout=_HEALTH_TIMEOUT_S)
        except (httpx.TransportError, OSError) as error:
            raise _unavailable("the engine does not answer", error) from error
        if response.status_code != 200:
            raise EngineUnavailable(_refusal(response.status_code, response.content).message)
        try:
            return _decoded(Health, response.content)
        except EngineError as error:
            raise EngineUnavailable(error.message) from error

    async def fill(self, request: FillRequest) -> AsyncGenerator[Draft | FillResult, None]:
        """The drafts of one fill, then its result.

        Closing the iterator closes the request, which stops the engine's work. Raises `EngineError` when
        the engine refuses or fails, `EngineUnavailable` when it is gone or goes before the result.
        """
        self._check_open()
        try:
            async with self._http.stream("POST", "/v1/fill", content=_encoded(request)) as response:
                if response.status_code != 200:
                    raise _refusal(response.status_code, await response.aread())
                async for event, data in server_sent_events(response.aiter_bytes()):
                    if event == "draft":
                        yield _decoded(Draft, data)
                    elif event == "done":
                        yield _decoded(FillResult, data)
                        return
                    elif event == "error":
                        raise _failure(data)
        except (httpx.TransportError, OSError) as error:
            raise _unavailable("the engine is gone", error) from error
        raise EngineUnavailable("the engine stopped in the middle of an answer: run `dg-lsp doctor`")

    async def close(self) -> None:
        """Close every connection. Who asks after that is told that the engine is gone."""
        await self._http.aclose()

    def _check_open(self) -> None:
        # Requests of several documents share a client, and the first that finds the engine gone closes it.
        if self._http.is_closed:
            raise EngineGone("the engine is gone: ask again")


def _pass_over_late_reads(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Handle an error in a callback as asyncio does, but for one that means nothing.

    anyio waits for a unix socket with `add_reader(socket, future.set_result, None)`: when a fill is cancelled in
    the very moment in which data arrives, that future is done already, and asyncio would print a traceback.
    """
    if not (isinstance(context.get("exception"), asyncio.InvalidStateError) and "set_result" in context["message"]):
        loop.default_exception_handler(context)


async def server_sent_events(chunks: AsyncIterator[bytes]) -> AsyncIterator[tuple[str, bytes]]:
    """The (event, data) pairs of a `text/event-stream` body.

    Source: https://html.spec.whatwg.org/multipage/server-sent-events.html. Lines are cut at "\\n" and
    "\\r\\n" alone: httpx's own line reader also cuts at U+2028 and others that may stand inside JSON text.
    """
    buffer = b""
    event = "message"
    data: list[bytes] = []
    async for chunk in chunks:
        *lines, buffer = (buffer + chunk).split(b"\n")
        for line in (raw.removesuffix(b"\r") for raw in lines):
            name, _, value = line.partition(b":")
            if not line:
                if data:
                    yield event, b"\n".join(data)
                event, data = "message", []
            elif name == b"event":
                event = value.removeprefix(b" ").decode()
            elif name == b"data":
                data.append(value.removeprefix(b" "))


def _encoded(request: FillRequest) -> bytes:
    """The request as JSON; half of a surrogate pair, which some editors send, becomes "?"."""
    return json.dumps(to_json(request), ensure_ascii=False).encode("utf-8", "replace")


def _decoded(kind: type[_T], data: bytes) -> _T:
    try:
        return from_json(kind, json.loads(data))
    except (ValueError, ProtocolError) as error:
        hint = "it may be of another version: run `dg-engine stop`"
        raise EngineError("protocol", f"cannot read the engine's answer ({error}); {hint}") from error


def _failure(data: bytes) -> EngineError:
    try:
        failure = json.loads(data)
        return EngineError(str(failure["code"]), str(failure["message"]))
    except (ValueError, KeyError, TypeError):
        return EngineError("engine", "the engine failed without saying why: see its log with `dg-lsp doctor`")


def _refusal(status: int, body: bytes) -> EngineError:
    try:
        return _failure(json.dumps(json.loads(body)["error"]).encode())
    except (ValueError, KeyError, TypeError):
        return EngineError("engine", f"the engine answered with HTTP status {status}")


def cause_of(error: BaseException) -> str:
    """What went wrong with a connection, in a few words."""
    return str(error) or type(error).__name__


def _unavailable(what: str, error: Exception) -> EngineUnavailable:
    kind = EngineGone if isinstance(error, httpx.ConnectError) else EngineUnavailable
    return kind(f"{what} ({cause_of(error)}): run `dg-lsp doctor`")
