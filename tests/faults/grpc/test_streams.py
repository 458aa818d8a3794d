"""How a stream begins and ends, and what becomes of its seat."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest

from backends.grpc.server import Stream
from chat.domain.errors import Closing
from chat.server.hub import Hub
from chat.server.seat import HubSeat
from protos import chat_pb2 as pb
from tests.support.grpc_peer import come_in, ending
from tests.support.kit import Connect, Serving


async def test_who_leaves_sees_it_and_the_stream_ends_well(stub: Any, hub: Hub) -> None:
    call = await come_in(stub)
    await call.write(pb.ClientFrame(leave=pb.Leave()))
    last = None
    while (frame := await call.read()) is not grpc.aio.EOF:
        last = frame.events.events[-1]
    assert last is not None
    assert (last.kind, last.author) == (pb.Event.LEFT, "me")
    assert await call.code() is grpc.StatusCode.OK
    assert hub.seats == 0


async def test_a_server_that_stops_is_unavailable(stub: Any, server: Serving) -> None:
    call = await come_in(stub)
    await server.server.stop()
    code, trailing = await ending(call)
    assert (code, trailing["chat-error"]) == (grpc.StatusCode.UNAVAILABLE, "closing")


async def test_a_call_that_is_cancelled_twice_still_frees_the_seat(
    connect: Connect, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library does that now and then: once when the peer has gone, and again when the call is cleared."""
    end = Stream.end

    async def end_and_be_cancelled(self: Stream) -> None:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_soon(task.cancel)
        await end(self)

    monkeypatch.setattr(Stream, "end", end_and_be_cancelled)
    away = asyncio.Event()
    detach = HubSeat.detach

    def detached(self: HubSeat, *of_which: Any) -> None:
        detach(self, *of_which)
        away.set()

    monkeypatch.setattr(HubSeat, "detach", detached)
    client, _ = await connect("ann")
    await client.close(leave=False)
    async with asyncio.timeout(10):
        await away.wait()
    (seat,) = hub._rooms["lab"].seats.values()
    assert seat.expires_in() is not None


async def test_an_end_of_ours_is_no_error_of_ours(
    connect: Connect, server: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    client, _ = await connect("ann")
    await server.server.stop()
    with pytest.raises(Closing):
        async for _ in client.events():
            pass
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
