"""The tap between a client and a server of byte streams: nothing is lost, and an end stays what it is."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import struct
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import psutil
import pytest

from chat.interfaces.address import Address
from chat.interfaces.frames import Direction
from lab.wire import streams
from lab.wire.lane import HIGH_WATER
from lab.wire.tap import Tap
from tests.support.behind_tap import Recorded, echo, eventually, relayed, serving, through
from tests.support.raw import reset

UP, DOWN = Direction
MIB = 1024 * 1024


async def connect(address: Address, **options: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(address.host, address.port, **options)


async def is_reset(address: Address) -> None:
    """Connect; fails unless that is let in, and then reset, which may be seen at once."""
    with pytest.raises(ConnectionResetError):
        await all_from(address)


async def all_from(address: Address) -> bytes:
    reader, writer = await connect(address)
    try:
        return await reader.read()
    finally:
        writer.close()


async def test_bytes_go_both_ways_and_are_recorded(tap: Tap) -> None:
    async with through(tap, echo) as address:
        reader, writer = await connect(address)
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()
        recorded = Recorded(tap.capture)
        chunks = await recorded.until(lambda chunks: any(one.what == "closed" for one in chunks))
    assert [(one.what, one.direction) for one in chunks] == [
        *[("opened", UP), ("data", UP), ("data", DOWN), ("ended", UP), ("ended", DOWN)],
        ("closed", chunks[-1].direction),
    ]
    connection = chunks[0].connection
    assert all(one.connection is connection for one in chunks)
    assert (connection.sizes, connection.closed is not None) == ([5, 5], True)
    assert connection.client == "{}:{}".format(*writer.get_extra_info("sockname")[:2])


async def test_twenty_megabytes_each_way_are_the_same_bytes(tap: Tap) -> None:
    size = 20 * MIB
    data = os.urandom(MIB) * 20
    async with through(tap, echo) as address:
        reader, writer = await connect(address, limit=MIB)

        async def send() -> None:
            for place in range(0, size, 65536):
                writer.write(data[place : place + 65536])
                await writer.drain()
            writer.write_eof()

        async def receive() -> str:
            digest = hashlib.sha256()
            while part := await reader.read(MIB):
                digest.update(part)
            return digest.hexdigest()

        _, received = await asyncio.gather(send(), receive())
        writer.close()
        await writer.wait_closed()
        recorded = Recorded(tap.capture)
        chunks = await recorded.until(lambda chunks: any(one.what == "closed" for one in chunks))
    assert received == hashlib.sha256(data).hexdigest()
    assert chunks[-1].connection.sizes == [size, size]
    assert tap.capture.dropped > 0, "more than the capture holds: that is counted, and delays nobody"


@pytest.mark.parametrize("first", ["client", "server"])
async def test_one_side_ends_and_the_other_goes_on(tap: Tap, first: str) -> None:
    over = asyncio.Event()
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if first == "server":
            writer.write(b"my last words")
            writer.write_eof()
            heard.append(await reader.read())
        else:
            heard.append(await reader.read())
            writer.write(b"you had ended")
            writer.write_eof()
        over.set()

    async with through(tap, serve) as address:
        reader, writer = await connect(address)
        if first == "server":
            assert await reader.read() == b"my last words"
            writer.write(b"and I go on")
            writer.write_eof()
        else:
            writer.write(b"that is all")
            writer.write_eof()
            assert await reader.read() == b"you had ended"
        await over.wait()
        writer.close()
        notes = await Recorded(tap.capture).happenings(4)
    assert heard == [b"and I go on" if first == "server" else b"that is all"]
    ends = ["DOWN", "UP"] if first == "server" else ["UP", "DOWN"]
    assert [(what, way) for what, way, _ in notes[:3]] == [
        ("opened", "UP"),
        *[("ended", way) for way in ends],
    ]
    assert (notes[3][0], notes[3][2]) == ("closed", "")


@pytest.mark.parametrize("who", ["client", "server"])
async def test_a_reset_of_one_side_is_one_for_the_other(tap: Tap, who: str) -> None:
    broken: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        if who == "server":
            reset(writer)
            return
        writer.write(b"y")
        try:
            await reader.read()
        except ConnectionError as error:
            broken.set_result(error)

    async with through(tap, serve) as address:
        reader, writer = await connect(address)
        writer.write(b"x")
        if who == "server":
            with pytest.raises(ConnectionResetError):
                await reader.read()
            writer.close()
        else:
            await reader.readexactly(1)
            reset(writer)
            assert isinstance(await broken, ConnectionResetError)
        notes = await Recorded(tap.capture).happenings(2)
    what, way, about = notes[1]
    assert (what, way) == ("closed", "UP" if who == "client" else "DOWN")
    assert about.startswith(f"the {who} broke it: ")


async def test_where_no_server_is_the_client_is_reset_and_the_reason_recorded(tap: Tap) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # and does not listen
        nobody = Address(*unused.getsockname())
        address = await relayed(tap, nobody)
        await is_reset(address)
        notes = await Recorded(tap.capture).happenings(2)
    assert [what for what, _, _ in notes] == ["opened", "refused"]
    assert notes[1][2] == f"the server at {nobody}: Connection refused"
    assert not pairs(tap)


async def test_the_server_may_come_back(tap: Tap) -> None:
    async with serving(echo) as server:
        address = await relayed(tap, server)
    await is_reset(address)
    async with serving(echo, server.port):
        reader, writer = await connect(address)
        writer.write(b"there")
        assert await reader.readexactly(5) == b"there"
        writer.close()


async def test_a_client_that_leaves_while_the_server_is_dialled_is_forgotten(
    tap: Tap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "CONNECT_TIMEOUT", 0.3)
    async with silent() as server:
        address = await relayed(tap, server)
        recorded = Recorded(tap.capture)
        _, writer = await connect(address)
        await recorded.happenings(1)
        reset(writer)
        notes = await recorded.happenings(2)
        assert (notes[1][0], notes[1][1]) == ("closed", "UP")
        await eventually(lambda: not pairs(tap))


async def test_clients_that_are_gone_before_they_are_accepted(tap: Tap) -> None:
    """The system no longer knows who such a client was."""
    async with through(tap, echo) as address:
        for _ in range(50):
            with socket.socket() as hasty:
                hasty.setblocking(False)
                hasty.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                await asyncio.get_running_loop().sock_connect(hasty, (address.host, address.port))
        reader, writer = await connect(address)
        writer.write(b"x")
        assert await reader.readexactly(1) == b"x"
        writer.close()
        await eventually(lambda: not pairs(tap))


async def test_who_does_not_read_stops_who_writes(tap: Tap) -> None:
    """The kernel and the tap hold a bounded part; no more is read from the sender than that."""
    reads = asyncio.Event()
    taken = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal taken
        cast(asyncio.Transport, writer.transport).pause_reading()
        await reads.wait()
        cast(asyncio.Transport, writer.transport).resume_reading()
        while data := await reader.read(MIB):
            taken += len(data)
        writer.write(b"all")
        writer.write_eof()

    async with through(tap, serve) as address:
        reader, writer = await connect(address)
        total = 64 * MIB
        own = cast(socket.socket, writer.get_extra_info("socket"))
        own.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        sent = 0
        block = b"x" * 65536
        while sent < total:
            writer.write(block)
            sent += len(block)
            try:
                async with asyncio.timeout(1.0):
                    await writer.drain()
            except TimeoutError:
                break
        assert sent < total, "nobody stopped it"
        (connection,) = {one.connection.number: one.connection for one in tap.capture.take()}.values()
        assert connection.sizes[UP] <= sent
        assert held_by(tap) <= HIGH_WATER + MIB
        reads.set()
        await writer.drain()
        writer.write_eof()
        assert await reader.read() == b"all"
        writer.close()
        assert taken == sent


async def test_cut_breaks_every_connection_and_lets_new_ones_in(tap: Tap) -> None:
    async with through(tap, echo) as address:
        people = [await connect(address) for _ in range(3)]
        for reader, writer in people:
            writer.write(b"x")
            await reader.readexactly(1)
        await asyncio.to_thread(tap.cut)
        for reader, writer in people:
            with pytest.raises(ConnectionResetError):
                await reader.read()
            writer.close()
        notes = await Recorded(tap.capture).happenings(6)
        assert [about for what, _, about in notes if what == "closed"] == ["cut"] * 3
        reader, writer = await connect(address)
        writer.write(b"again")
        assert await reader.readexactly(5) == b"again"
        writer.close()


async def test_a_thousand_connections_leave_nothing_behind(tap: Tap) -> None:
    async with through(tap, echo) as address:
        for _ in range(20):
            people = await asyncio.gather(*(connect(address) for _ in range(50)))
            for reader, writer in people:
                writer.write(b"x")
                assert await reader.readexactly(1) == b"x"
                writer.close()
        recorded = Recorded(tap.capture)
        await recorded.until(lambda chunks: len([one for one in chunks if one.what == "closed"]) == 1000)
        assert not pairs(tap)


@pytest.mark.parametrize("shared", [False, True])
async def test_closing_leaves_no_thread_and_no_socket(shared: bool) -> None:
    process = psutil.Process()
    async with serving(echo) as server:
        threads, sockets = set(threading.enumerate()), len(process.net_connections())
        tap = Tap(loop=asyncio.get_running_loop() if shared else None)
        address = await relayed(tap, server)
        people = [await connect(address) for _ in range(20)]
        for reader, writer in people[:10]:  # the others are still being opened
            writer.write(b"x")
            await reader.readexactly(1)
        await asyncio.to_thread(tap.close)
        await asyncio.to_thread(tap.close)
        assert not [one for one in set(threading.enumerate()) - threads if one.name == "tap"]
        with pytest.raises(ConnectionRefusedError):
            await connect(address)
        for _, writer in people:
            writer.transport.abort()
        del people, reader, writer
        await asyncio.sleep(0.05)
        mine = [one for one in process.net_connections() if one.status != "TIME_WAIT"]
        assert len(mine) <= sockets


async def test_closing_does_not_wait_for_a_server_that_does_not_answer(
    tap: Tap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "CONNECT_TIMEOUT", 1e6)
    async with silent() as server:
        address = await relayed(tap, server)
        _, writer = await connect(address)
        await Recorded(tap.capture).happenings(1)
        await asyncio.to_thread(tap.close)
        writer.transport.abort()


@asynccontextmanager
async def silent() -> AsyncIterator[Address]:
    """A server that answers nobody: its queue is full."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        server = Address(*full.getsockname())
        waiting = []
        try:
            while True:
                async with asyncio.timeout(0.2):
                    waiting.append(await connect(server))
        except TimeoutError:
            pass
        yield server
        for _, one in waiting:
            one.transport.abort()


def pairs(tap: Tap) -> set[Any]:
    (relay,) = tap._relays.values()
    return cast(streams.StreamRelay, relay).pairs


def held_by(tap: Tap) -> int:
    """Return how many bytes wait in the tap."""
    return sum(
        side.transport.get_write_buffer_size()
        for pair in pairs(tap)
        for side in (pair.client, pair.server)
        if side.transport is not None and not side.lost
    )
