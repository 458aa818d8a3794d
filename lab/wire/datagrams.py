"""The relay of datagrams: a port towards the server for each client."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, cast

from chat.interfaces.address import Address
from chat.interfaces.frames import Direction
from lab.wire.capture import Capture
from lab.wire.lane import Lane
from lab.wire.passing import Interference
from lab.wire.relay import Relay

IDLE = 120.0
"""Seconds without a datagram after which a client's port towards the server is given up."""
MAX_CLIENTS = 256
"""Clients that send datagrams; for one more, the one that was silent longest is given up."""


class DatagramRelay(Relay):
    def __init__(self, capture: Capture, target: Address, interference: Interference | None = None) -> None:
        super().__init__(capture, target, interference)
        self.front: asyncio.DatagramTransport
        self._refused = False
        self._ways: dict[Any, _Way] = {}  # the one that was silent longest is first

    async def start(self, port: int) -> None:
        loop = asyncio.get_running_loop()
        self.front, _ = await loop.create_datagram_endpoint(
            lambda: _Front(self), local_addr=(self.here.host, port)
        )
        self.here = Address(*self.front.get_extra_info("sockname")[:2])
        self._expiring = loop.call_later(IDLE / 4, self._expire)

    def to_server(self, data: bytes, client: Any) -> None:
        if self._refused:  # nobody can be told: a datagram to a closed port would be
            return
        way = self._ways.pop(client, None) or self._open(client)
        self._ways[client] = way
        way.up(data)

    def _open(self, client: Any) -> _Way:
        if len(self._ways) >= MAX_CLIENTS:
            self._give_up(next(iter(self._ways)), "too many clients")
        return _Way(self, client)

    def _give_up(self, client: Any, why: str) -> None:
        self._ways.pop(client).close(why)

    def _expire(self) -> None:
        loop = asyncio.get_running_loop()
        for client, way in list(self._ways.items()):
            if loop.time() - way.used < IDLE:
                break
            self._give_up(client, f"{IDLE:.0f} s without a datagram")
        self._expiring = loop.call_later(IDLE / 4, self._expire)

    async def refuse(self, refused: bool) -> None:
        self._refused = refused
        if refused:
            await self.cut()

    def lanes(self) -> Iterator[Lane]:
        for way in self._ways.values():
            yield from way.lanes

    async def wake(self) -> None:
        for way in self._ways.values():
            way.wake()

    async def cut(self) -> int:
        clients = list(self._ways)
        for client in clients:
            self._give_up(client, "cut")
        await asyncio.sleep(0)
        return len(clients)

    async def stop(self) -> None:
        self._expiring.cancel()
        await self.cut()
        self.front.close()
        await self.end_opening()


class _Front(asyncio.DatagramProtocol):
    """Where the clients send to."""

    def __init__(self, relay: DatagramRelay) -> None:
        self._relay = relay

    def datagram_received(self, data: bytes, address: Any) -> None:
        self._relay.to_server(data, address)


class _Way(asyncio.DatagramProtocol):
    """One client's port towards the server."""

    def __init__(self, relay: DatagramRelay, client: Any) -> None:
        self._relay, self._client = relay, client
        self._transport: asyncio.DatagramTransport | None = None
        self._waiting: list[bytes] = []  # until there is a port; it takes a turn of the loop
        self._closed = False
        peer = Address(*client[:2])
        self._connection = relay.capture.connection("udp", str(peer), str(relay.target))
        self.used = asyncio.get_running_loop().time()
        self.lanes = tuple(
            Lane(
                relay.capture,
                self._connection,
                direction,
                relay.interference,
                hand_on,
                breaks=self._break,
                full=lambda full: None,
                frozen=lambda: relay.frozen,
            )
            for direction, hand_on in ((Direction.UP, self._send_up), (Direction.DOWN, self._send_down))
        )
        relay.begin_to_open(self._open())

    async def _open(self) -> None:
        target = self._relay.target
        try:
            await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: self, remote_addr=(target.host, target.port)
            )
        except OSError as error:
            self.error_received(error)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)
        if self._closed:
            self._transport.close()
            return
        for data in self._waiting:
            self._transport.sendto(data)
        self._waiting.clear()

    def up(self, data: bytes) -> None:
        self.used = asyncio.get_running_loop().time()
        self.lanes[Direction.UP].push(data)

    def _send_up(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.sendto(data)
        elif len(self._waiting) < MAX_CLIENTS:
            self._waiting.append(data)

    def datagram_received(self, data: bytes, address: Any) -> None:
        self.used = asyncio.get_running_loop().time()
        self.lanes[Direction.DOWN].push(data)

    def _send_down(self, data: bytes) -> None:
        if not self._closed:
            self._relay.front.sendto(data, self._client)

    def wake(self) -> None:
        for lane in self.lanes:
            lane.wake()

    def _break(self, why: str) -> None:
        """Datagrams have no connection that could break."""

    def error_received(self, exc: Exception) -> None:
        why = getattr(exc, "strerror", None) or str(exc)
        self._relay.capture.note(self._connection, Direction.DOWN, "unreachable", why)

    def close(self, why: str) -> None:
        self._closed = True
        for lane in self.lanes:
            lane.close()
        self._relay.capture.note(self._connection, Direction.UP, "closed", why)
        if self._transport is not None:
            self._transport.close()
