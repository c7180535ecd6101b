"""Handlers whose body runs when their message is read."""

from __future__ import annotations

import asyncio
from typing import Any

from pygls.protocol.json_rpc import JsonRPCRequestMessage

from dg_lsp.transport import Server, at_dispatch


async def test_a_handler_begins_before_the_next_message_and_its_work_can_be_cancelled() -> None:
    """T7: pygls would run the body of a coroutine function only when the event loop turns."""
    events: list[str] = []

    async def work() -> None:
        events.append("work")
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            events.append("cancelled")
            raise

    def handler(params: Any) -> Any:
        events.append(f"snapshot {params}")
        return work()

    server = Server()
    server.feature("test/method")(at_dispatch(handler))
    server.protocol.handle_message(JsonRPCRequestMessage(id=1, method="test/method", jsonrpc="2.0", params=7))
    events.append("next message")
    await asyncio.sleep(0)
    server.protocol._handle_cancel_notification(1)
    await asyncio.sleep(0)
    assert events == ["snapshot 7", "next message", "work", "cancelled"]
