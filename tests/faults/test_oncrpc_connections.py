"""Connections of ONC RPC that end: by a reset, with the server, while something is under way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

import backends.oncrpc.server
from backends.oncrpc.server import OncRpcServer
from chat.domain.model import Limits
from chat.interfaces.address import Address
from chat.server.hub import Hub
from protos.chat_xdr import (
    CHAT_FETCH,
    CHAT_JOIN,
    CHAT_NULL,
    CHAT_SEND,
    chat_status,
    draft_res,
    fetch_res,
    join_args,
    join_res,
    send_args,
)
from tests.support.oncrpc_peer import SUCCESS, StreamPeer, after, connection_of, header, marked, serving
from tests.support.stage import Disk, running


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
async def hub(disk: Disk) -> AsyncIterator[Hub]:
    async with running(disk, limits=Limits(burst=0)) as hub:
        yield hub


@pytest.fixture
async def server(hub: Hub) -> AsyncIterator[OncRpcServer]:
    async with serving(hub) as server:
        yield server


@pytest.fixture
async def peer(server: OncRpcServer) -> AsyncIterator[StreamPeer]:
    async with await StreamPeer.open(server.address) as peer:
        yield peer


@pytest.fixture
async def bystander(server: OncRpcServer) -> AsyncIterator[StreamPeer]:
    async with await StreamPeer.open(server.address) as bystander:
        await bystander.join("bystander")
        yield bystander


@pytest.mark.parametrize(
    "data", [b"", marked(header(1, CHAT_NULL)), b"\x80\0"], ids=["at once", "after", "in"]
)
async def test_a_connection_that_is_reset_leaves_nothing_behind(server: OncRpcServer, data: bytes) -> None:
    for _ in range(20):
        async with await StreamPeer.open(server.address) as peer:
            await peer.raw(data)
    while server.connections:
        await asyncio.wait([one.lost for one in server.connections], return_when="FIRST_COMPLETED")
    assert server.seatless == {}


async def test_an_answer_for_a_connection_that_is_gone_is_dropped(
    server: OncRpcServer, disk: Disk, peer: StreamPeer, bystander: StreamPeer
) -> None:
    await peer.join("eve")
    eve = connection_of(server, peer)
    disk.slow = True
    for _ in range(2):
        await peer.begin(CHAT_SEND, send_args(peer.seat_key, 1, "twice"))
    await peer.still_there()
    await peer.reset()
    await eve.lost
    disk.slow = False
    disk.catch_up()
    assert (await bystander.texts()) == ["twice"]


async def test_with_its_connection_a_poll_ends_and_the_seat_is_away(
    server: OncRpcServer, hub: Hub, peer: StreamPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.server.seat.POLL_AWAY", 0)
    joined = await peer.join("eve")
    await peer.begin(CHAT_FETCH, after(peer.seat_key, joined.head, wait_ms=20000))
    await peer.still_there()
    seat, eve = hub.find_seat(peer.seat_key), connection_of(server, peer)
    assert seat.expires_in() is None, "who waits for news is there"
    await peer.reset()
    await eve.lost
    while eve._tasks:
        await asyncio.wait(eve._tasks)
    assert seat.expires_in() is not None


async def test_what_came_before_a_half_close_is_answered(
    disk: Disk, peer: StreamPeer, bystander: StreamPeer
) -> None:
    await peer.join("eve")
    disk.slow = True
    draft = await peer.begin(CHAT_SEND, send_args(peer.seat_key, 1, "and goodbye"))
    await peer.still_there()
    peer.writer.write_eof()
    await bystander.still_there()
    disk.slow = False
    disk.catch_up()
    sent = draft_res.decode((await peer.reply(draft))[len(SUCCESS) :])
    assert sent.status is chat_status.CHAT_OK
    assert await peer.ended() == b""


async def test_a_join_before_a_half_close_is_answered(peer: StreamPeer) -> None:
    join = await peer.begin(CHAT_JOIN, join_args("lab", "eve", "", "", None))
    peer.writer.write_eof()
    joined = join_res.decode((await peer.reply(join))[len(SUCCESS) :])
    assert joined.status is chat_status.CHAT_OK
    assert await peer.ended() == b""


async def test_a_half_close_ends_the_wait_of_a_poll_and_the_seat_is_away(
    hub: Hub, peer: StreamPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.server.seat.POLL_AWAY", 0)
    joined = await peer.join("eve")
    poll = await peer.begin(CHAT_FETCH, after(peer.seat_key, joined.head, wait_ms=20000))
    await peer.still_there()
    seat = hub.find_seat(peer.seat_key)
    assert seat.expires_in() is None
    peer.writer.write_eof()
    async with asyncio.timeout(10):
        fetched = fetch_res.decode((await peer.reply(poll))[len(SUCCESS) :])
        assert await peer.ended() == b""
    assert fetched.status is chat_status.CHAT_OK
    assert seat.expires_in() is not None


async def test_a_server_that_stops_answers_what_waits(
    hub: Hub, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backends.oncrpc.server, "LINGER", 3600.0)  # it waits for answers, not for this
    second = OncRpcServer(hub, Address("127.0.0.1", 0))
    async with await StreamPeer.open(await second.start()) as peer:
        joined = await peer.join("eve")
        poll = await peer.begin(CHAT_FETCH, after(peer.seat_key, joined.head, wait_ms=20000))
        disk.slow = True
        draft = await peer.begin(CHAT_SEND, send_args(peer.seat_key, 1, "just in time"))
        await peer.still_there()
        stopping = asyncio.create_task(second.stop())
        result = fetch_res.decode((await peer.reply(poll))[len(SUCCESS) :])
        assert result.status is chat_status.CHAT_CLOSING
        disk.slow = False
        disk.catch_up()
        sent = draft_res.decode((await peer.reply(draft))[len(SUCCESS) :])
        assert sent.status is chat_status.CHAT_OK
        assert await peer.ended() == b""
        await stopping
