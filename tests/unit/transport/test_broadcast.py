"""The same bytes to many connections: each gets all of them, in order, however fast its peer reads."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import cast
from unittest.mock import Mock

import pytest

from chat.transport.broadcast import LARGE, write_all

pytestmark = pytest.mark.both_loops

MORE_THAN_A_SOCKET_TAKES = 16 * 1024 * 1024


class Connection(asyncio.Protocol):
    """The end that writes."""

    def __init__(self, *, encrypted: bool) -> None:
        self.encrypted = encrypted

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.descriptor = -1 if self.encrypted else transport.get_extra_info("socket").fileno()


@asynccontextmanager
async def connected(*, encrypted: bool) -> AsyncIterator[tuple[Connection, socket.socket]]:
    """Return both ends of a connection; close them afterwards."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    theirs.setblocking(False)
    lost = loop.create_future()

    class Ours(Connection):
        def connection_lost(self, exc: Exception | None) -> None:
            lost.set_result(None)

    with theirs:
        _, connection = await loop.connect_accepted_socket(lambda: Ours(encrypted=encrypted), ours)
        yield connection, theirs
        connection.transport.abort()
        await lost


async def read(theirs: socket.socket, size: int) -> bytes:
    loop, got = asyncio.get_running_loop(), bytearray()
    while len(got) < size:
        piece = await loop.sock_recv(theirs, size - len(got))
        assert piece, f"the connection ended after {len(got)} of {size} bytes"
        got += piece
    return bytes(got)


@pytest.mark.parametrize("size", [LARGE - 1, LARGE, MORE_THAN_A_SOCKET_TAKES], ids=["small", "large", "huge"])
@pytest.mark.parametrize("files", [True, False], ids=["files in memory", "none"])
async def test_each_gets_all_of_it_in_order(size: int, files: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not files:
        full = Mock(side_effect=OSError(errno.EMFILE, "too many open files"))
        monkeypatch.setattr(os, "memfd_create", full, raising=False)
    first, second = os.urandom(size), os.urandom(size)
    async with AsyncExitStack() as stack:
        ends = [
            await stack.enter_async_context(connected(encrypted=encrypted))
            for encrypted in (False, False, True)
        ]
        writers = [connection for connection, _ in ends]
        write_all(first, writers)
        write_all(second, writers)
        for _, theirs in ends:
            assert await read(theirs, 2 * size) == first + second


async def test_a_peer_that_is_gone_disturbs_nobody() -> None:
    data = os.urandom(LARGE)
    async with connected(encrypted=False) as (gone, theirs), connected(encrypted=False) as (here, reads):
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # closing resets
        theirs.close()
        write_all(data, [gone, here])
        assert await read(reads, len(data)) == data
