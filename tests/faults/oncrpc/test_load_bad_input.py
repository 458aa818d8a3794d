"""Connections that are silent, ask too much or read nothing: what each may cost is bounded."""

from __future__ import annotations

import asyncio
import itertools
import socket
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from backends.oncrpc.server import MAX_OUTSTANDING, MAX_SEATLESS, Connection, OncRpcServer
from chat.interfaces.address import Address
from chat.transport.stream import TURN_BYTES
from protos.chat_xdr import (
    CHAT_FETCH,
    CHAT_LEAVE,
    CHAT_MEMBERS,
    CHAT_NULL,
    CHAT_PROG,
    CHAT_SEND,
    draft_ok,
    draft_res,
    fetch_ok,
    fetch_res,
    members_args,
    send_args,
)
from tests.support.oncrpc_peer import SUCCESS, StreamPeer, after, connection_of, header, marked
from tests.support.stage import Disk

pytestmark = pytest.mark.both_loops

MEMORY = 8 * 1024 * 1024
"""Bytes that a scenario may cost at its peak, both sides together: less than what is thrown at the server."""


@pytest.fixture
def bounded_memory() -> Iterator[None]:
    tracemalloc.start()
    yield
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MEMORY


async def test_so_much_in_one_turn_of_the_loop_is_followed_by_the_turn_of_others(
    server: OncRpcServer, peer: StreamPeer
) -> None:
    await peer.still_there()
    connection = connection_of(server, peer)
    piece = marked(header(1, CHAT_NULL) + bytes(1000))  # with arguments that it does not have
    for _ in range(TURN_BYTES // len(piece)):
        connection.data_received(piece)
    assert connection._transport.is_reading()
    connection.data_received(piece)
    assert not connection._transport.is_reading()
    await peer.still_there()
    assert connection._transport.is_reading()


async def test_of_too_many_silent_connections_the_oldest_are_cut(
    address: Address, server: OncRpcServer, bystander: StreamPeer
) -> None:
    silent = [await StreamPeer.open(address) for _ in range(MAX_SEATLESS + 2)]
    for peer in silent[:2]:
        assert await peer.ended() == b""
    await silent[-1].still_there()
    assert len(server.seatless) <= MAX_SEATLESS
    for peer in silent:
        await peer.reset()


async def test_a_connection_that_names_a_seat_is_not_silent(
    address: Address, peer: StreamPeer, bystander: StreamPeer
) -> None:
    """A C client has a second connection for its polls, and takes its seat over the first."""
    peer.seat_key = bystander.seat_key
    await peer.fetch(0)
    silent = [await StreamPeer.open(address) for _ in range(MAX_SEATLESS + 10)]
    assert await silent[0].ended() == b""
    await peer.still_there()
    for other in silent:
        await other.reset()


async def test_a_poll_that_waits_holds_up_nothing(peer: StreamPeer, bystander: StreamPeer) -> None:
    joined = await peer.join("eve")
    poll = await peer.begin(CHAT_FETCH, after(peer.seat_key, joined.head, wait_ms=20000))
    await peer.still_there()
    assert poll not in peer.replies
    await peer.say("it was I who woke it")
    result = fetch_res.decode((await peer.reply(poll))[len(SUCCESS) :])
    assert isinstance(result.value, fetch_ok)
    assert [event.text for event in result.value.events] == ["it was I who woke it"]


async def test_more_calls_than_may_be_under_way_wait_for_their_turn(
    disk: Disk, server: OncRpcServer, peer: StreamPeer, bystander: StreamPeer
) -> None:
    await peer.join("eve")
    disk.slow = True
    xids = [
        await peer.begin(CHAT_SEND, send_args(peer.seat_key, n, f"m{n}"))
        for n in range(1, 3 * MAX_OUTSTANDING)
    ]
    connection = connection_of(server, peer)
    while connection._outstanding < MAX_OUTSTANDING:
        await bystander.still_there()
    assert connection._outstanding == MAX_OUTSTANDING
    assert not connection._transport.is_reading()
    disk.slow = False
    disk.catch_up()
    replies = [draft_res.decode((await peer.reply(xid))[len(SUCCESS) :]).value for xid in xids]
    seqs = [ok.seq for ok in replies if isinstance(ok, draft_ok)]
    assert len(seqs) == len(xids)
    assert all(a < b for a, b in itertools.pairwise(seqs))


async def shower(peer: StreamPeer, block: bytes, times: int) -> None:
    """Send far more than any buffer holds."""
    with suppress(ConnectionError):
        for _ in range(times):
            await peer.raw(block)


def small_buffer(connection: Connection) -> None:
    """Let the kernel hold about 8 KiB of replies: else it takes megabytes until somebody waits."""
    sock: socket.socket = connection._transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)


REQUESTS: dict[str, Any] = {
    "nothing": (CHAT_NULL, lambda _: b""),
    "another program": (CHAT_NULL, lambda _: b""),
    "garbage": (CHAT_LEAVE, lambda _: b"\xff\xff\xff\xff"),
    "history": (CHAT_FETCH, lambda key: after(key, 0).encode()),
    "members": (CHAT_MEMBERS, lambda key: members_args(key, 0).encode()),
    "refused drafts": (CHAT_SEND, lambda key: send_args(key, 1, "").encode()),
}


@pytest.mark.usefixtures("bounded_memory")
@pytest.mark.parametrize("name", REQUESTS)
async def test_who_asks_without_reading_is_not_listened_to(
    server: OncRpcServer, address: Address, bystander: StreamPeer, name: str
) -> None:
    for i in range(100):
        await bystander.say(f"{i} " + 1000 * "x")
    async with await StreamPeer.open(address, receive_buffer=4096) as peer:
        await peer.join("eve")
        procedure, arguments = REQUESTS[name]
        program = 100003 if name == "another program" else CHAT_PROG
        record = marked(header(1, procedure, program=program) + arguments(peer.seat_key))
        connection = connection_of(server, peer)
        small_buffer(connection)
        peer.stop_reading()
        flood = asyncio.create_task(shower(peer, 65536 // len(record) * record, 1000))
        quiet = 0
        while quiet < 50:  # round trips of somebody else in which not one byte was taken
            await bystander.still_there()
            quiet = 0 if connection._transport.is_reading() else quiet + 1
            assert not flood.done(), "64 MB of calls were taken, and not one answer was read"
        flood.cancel()
        await asyncio.wait([flood])


@pytest.mark.usefixtures("bounded_memory")
async def test_of_many_pages_that_nobody_reads_few_are_in_memory(
    server: OncRpcServer, address: Address, bystander: StreamPeer
) -> None:
    for i in range(200):
        await bystander.say(f"{i} " + 3900 * "x")
    async with await StreamPeer.open(address, receive_buffer=4096) as peer:
        await peer.join("eve")
        peer.stop_reading()
        for _ in range(MAX_OUTSTANDING):  # 25 MB of replies
            await peer.begin(CHAT_FETCH, after(peer.seat_key, 0, wait_ms=1000))
        connection = connection_of(server, peer)
        while connection._outstanding < MAX_OUTSTANDING - 3 and connection._transport.is_reading():
            await bystander.still_there()
