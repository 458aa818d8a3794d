"""Listening: what every connection of every technique gets."""

from __future__ import annotations

import asyncio
import socket

import pytest

from chat.interfaces.address import Address
from chat.transport.listener import listen


class Accepted(asyncio.Protocol):
    def __init__(self, made: asyncio.Future[asyncio.BaseTransport]) -> None:
        self._made = made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._made.set_result(transport)


@pytest.mark.both_loops
async def test_what_is_written_is_sent_at_once_and_a_peer_that_vanished_is_noticed() -> None:
    made: asyncio.Future[asyncio.BaseTransport] = asyncio.get_running_loop().create_future()
    listener = await listen(lambda: Accepted(made), Address("127.0.0.1", 0))
    _, writer = await asyncio.open_connection(listener.address.host, listener.address.port)
    transport = await made
    own = transport.get_extra_info("socket")
    assert own.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
    assert own.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0
    for name, seconds in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10)):
        if (option := getattr(socket, name, None)) is not None:
            assert own.getsockopt(socket.IPPROTO_TCP, option) == seconds
    transport.close()
    writer.close()
    await writer.wait_closed()
    listener.close()
    await listener.wait_closed()
