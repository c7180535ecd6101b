"""The engine at a TCP address: who is let in. A scripted answer stands for the model."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from engine.network import listen_at
from engine.process import Unavailable
from engine.protocol import TOKEN_VARIABLE, FillRequest, FillResult
from engine.resident import Resident
from engine.service import serve_http


class Model:
    name, device, context_tokens, gap_tokens, languages = "scripted", "cpu", 1000, 64, ()


def fill(model: Any, request: FillRequest, **_: Any) -> FillResult:
    return FillResult(candidates=(), finish_reason="stop", steps=0, model="scripted")


@pytest_asyncio.fixture
async def address() -> AsyncIterator[tuple[str, int]]:
    """An engine on a free port of this machine, with the token of the environment."""
    listener = listen_at("127.0.0.1", 0)
    resident = Resident(lambda progress: Model(), fill, lambda model, text: 0, name="scripted")
    resident.start()
    serving = asyncio.create_task(serve_http(resident, [listener]))
    yield listener.getsockname()
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    await asyncio.to_thread(resident.close, 5)


async def status(address: tuple[str, int], **headers: str | bytes) -> int:
    async with httpx.AsyncClient() as client:
        return (await client.get(f"http://{address[0]}:{address[1]}/health", headers=headers)).status_code


async def test_programs_of_this_machine_are_let_in(address: tuple[str, int]) -> None:
    assert await status(address) == 200
    assert await status(address, Host="localhost:8765") == 200
    assert await status(address, Host="[::1]:8765") == 200


async def test_web_pages_are_not(address: tuple[str, int]) -> None:
    assert await status(address, Origin="http://localhost:3000") == 403
    assert await status(address, Host="rebound.example:8765") == 403
    assert await status(address, Host="127.0.0.1.example") == 403


class TestWithToken:
    @pytest.fixture(autouse=True)
    def token(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(TOKEN_VARIABLE, "sésame")

    async def test_whoever_knows_it_is_let_in(self, address: tuple[str, int]) -> None:
        assert await status(address, Authorization="Bearer sésame".encode()) == 200

    async def test_nobody_else_is(self, address: tuple[str, int]) -> None:
        assert await status(address) == 401
        assert await status(address, Authorization="Bearer open") == 401

    def test_every_address_may_be_listened_at(self) -> None:
        listen_at("0.0.0.0", 0).close()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "engine.example"])
def test_an_address_that_others_reach_needs_a_token(host: str) -> None:
    with pytest.raises(Unavailable, match=TOKEN_VARIABLE):
        listen_at(host, 0)


def test_an_address_in_use_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(Unavailable, match="choose another address"):
        listen_at("127.0.0.1", taken.getsockname()[1])
