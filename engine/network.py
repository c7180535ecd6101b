"""The engine at a TCP address, for other machines and for editors that know no unix sockets."""

from __future__ import annotations

import hmac
import ipaddress
import os
import socket

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from engine.process import Unavailable
from engine.protocol import TOKEN_VARIABLE


def token() -> str:
    """What a caller over TCP must know; empty where none is set. Not an argument: those are seen by all users."""
    return os.environ.get(TOKEN_VARIABLE, "")


def listen_at(host: str, port: int) -> socket.socket:
    """A socket at an address. Raises `Unavailable` where it is taken, or open to others without a token."""
    if not (token() or _is_loopback(host)):
        raise Unavailable(f"{host} can be reached by others: set {TOKEN_VARIABLE} to a secret that callers must know")
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise Unavailable(f"cannot listen at {host}:{port} ({error.strerror}): choose another address") from None


class Guard:
    """Lets in over TCP only those who may come; callers over the unix socket are this user anyway.

    With a token, whoever knows it. Without one, programs of this machine: no web page, neither directly (those send
    an `Origin`) nor by a name of its own for this machine (DNS rebinding, which shows in `Host`).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._token = token()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve or refuse one request."""
        refusal = self._refusal(Headers(scope=scope)) if scope["type"] == "http" and scope.get("client") else None
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, headers: Headers) -> JSONResponse | None:
        if self._token:
            given = headers.get("authorization", "").removeprefix("Bearer ")
            if hmac.compare_digest(given.encode("latin-1"), self._token.encode()):  # how headers are read
                return None
            return _refused(401, f"the token is missing or wrong: set {TOKEN_VARIABLE} to the engine's")
        name = headers.get("host", "").rpartition(":")[0] or headers.get("host", "")
        if "origin" in headers or not _is_loopback(name.strip("[]")):
            return _refused(403, "web pages are not served")
        return None


def _refused(status: int, message: str) -> JSONResponse:
    return JSONResponse({"error": {"code": "bad_request", "message": message}}, status_code=status)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
