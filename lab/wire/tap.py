"""The tap: a relay between clients and a server that records what passes. No backend knows of it.

It runs in its own thread with its own event loop, so that whoever looks is never in the way: bytes are
handed on first, recorded then, and decoded by somebody else.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Literal, Self, TypeVar, cast

from chat.interfaces.address import Address
from chat.interfaces.frames import Direction
from lab.wire.capture import Capture, Connection

T = TypeVar("T")

TIMEOUT = 10.0
"""Seconds that opening a relay may take."""
CONNECT_TIMEOUT = 5.0
"""Seconds until a server that does not answer counts as gone."""
HIGH_WATER = 256 * 1024
"""Bytes that wait for the side that is slower, before the other one is not read any more."""
IDLE = 120.0
"""Seconds without a datagram after which a client's port towards the server is given up."""
MAX_CLIENTS = 256
"""Clients that send datagrams; for one more, the one that was silent longest is given up."""


class Tap:
    """Relays for the connections of one or several clients, with one capture.

    The methods may be called from any thread, but block it for a moment: off an event loop, see
    `asyncio.to_thread`.
    """

    def __init__(self, capture: Capture | None = None) -> None:
        self.capture = capture or Capture()
        self._loop = _new_loop()
        self._relays: dict[tuple[str, str, int], _Relay] = {}
        self._thread = threading.Thread(target=self._loop.run_forever, name="tap", daemon=True)
        self._thread.start()

    def relay(self, target: Address, transport: Literal["tcp", "udp"] = "tcp", port: int = 0) -> Address:
        """Return the address of a relay to ``target``; the one that there is, if there is one.

        Args:
            target: the server.
            transport: what carries the bytes.
            port: to listen at, on 127.0.0.1; 0: any that is free.

        Raises:
            OSError: it cannot listen.
        """
        key = (transport, target.host, target.port)
        if key not in self._relays:
            kind = _StreamRelay if transport == "tcp" else _DatagramRelay
            relay = kind(self.capture, target)
            self._run(relay.start(port))
            self._relays[key] = relay
        here = self._relays[key].here
        # The URL of a broker, if there is one, is the URL of who stands before it.
        return Address(here.host, here.port, target.url.replace(str(target), str(here)), target.named_by)

    def cut(self) -> None:
        """Break every connection; new ones are relayed as before."""
        for relay in self._relays.values():
            self._run(relay.cut())

    def close(self) -> None:
        """Break every connection, and stop. It may be called twice."""
        if self._loop.is_closed():
            return
        for relay in self._relays.values():
            self._run(relay.stop())
        self._relays.clear()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(TIMEOUT)
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(TIMEOUT)


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:  # there is none for Windows
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


class _Relay:
    """What both transports share."""

    def __init__(self, capture: Capture, target: Address) -> None:
        self.capture, self.target = capture, target
        self.here = Address("127.0.0.1", 0)

    async def start(self, port: int) -> None:
        raise NotImplementedError

    async def cut(self) -> None:
        raise NotImplementedError

    async def stop(self) -> None:
        raise NotImplementedError


# --- streams -----------------------------------------------------------------------------------


class _StreamRelay(_Relay):
    def __init__(self, capture: Capture, target: Address) -> None:
        super().__init__(capture, target)
        self.pairs: set[_Pair] = set()

    async def start(self, port: int) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Pair(self).client, "127.0.0.1", port, backlog=1024, start_serving=True
        )
        self.here = Address(*self._server.sockets[0].getsockname()[:2])

    async def cut(self) -> None:
        for pair in list(self.pairs):
            pair.abort("cut")
        await asyncio.sleep(0)

    async def stop(self) -> None:
        self._server.close()
        await self.cut()
        await asyncio.gather(*(pair.dialled() for pair in self.pairs))


class _Pair:
    """One connection of a client, and the one to the server that belongs to it."""

    def __init__(self, relay: _StreamRelay) -> None:
        self.relay = relay
        self.client, self.server = _Side(self, Direction.UP), _Side(self, Direction.DOWN)
        self.client.other, self.server.other = self.server, self.client
        self.connection: Connection | None = None
        self._dialling: asyncio.Task[None] | None = None

    @property
    def busy(self) -> bool:
        """Whether one of the sides is open, or being opened."""
        return not (self.client.lost and self.server.lost)

    async def dialled(self) -> None:
        """Wait until nothing is being opened any more."""
        if self._dialling is not None:
            await asyncio.wait([self._dialling])

    def accepted(self, transport: asyncio.Transport) -> None:
        relay = self.relay
        peer = Address(*transport.get_extra_info("peername")[:2])
        self.connection = relay.capture.connection("tcp", str(peer), str(relay.target))
        relay.pairs.add(self)
        self._dialling = asyncio.get_running_loop().create_task(self._dial())

    async def _dial(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await loop.create_connection(
                    lambda: self.server, self.relay.target.host, self.relay.target.port
                )
        except OSError as error:
            self.server.lost = True
            why = error.strerror or "no answer"
            self.note(Direction.DOWN, "refused", f"the server at {self.relay.target}: {why}")
            self.abort("")
        else:
            if self.client.lost:
                self.abort("")
            else:
                self.client.hand_on_early()

    def note(
        self, direction: Direction, what: Literal["ended", "closed", "refused"], about: str = ""
    ) -> None:
        if self.connection is not None and self.connection.closed is None:
            self.relay.capture.note(self.connection, direction, what, about)

    def side_lost(self, side: _Side, error: Exception | None) -> None:
        """One side is closed: so is the other one, with a reset if this one had one."""
        if error is not None:
            self.abort(f"{side.name} broke it: {getattr(error, 'strerror', None) or error}", side.direction)
        elif not side.other.lost and side.other.transport is not None:
            side.other.transport.close()
        if not self.busy:
            self.note(side.direction, "closed")
            self.relay.pairs.discard(self)

    def abort(self, why: str, direction: Direction = Direction.UP) -> None:
        if why:
            self.note(direction, "closed", why)
        for side in (self.client, self.server):
            if side.transport is not None and not side.lost:
                _reset(side.transport)


class _Side(asyncio.Protocol):
    """One end of the tap: what comes in here goes out at the other one."""

    def __init__(self, pair: _Pair, direction: Direction) -> None:
        self._pair = pair
        self.direction = direction
        """Of what comes in here."""
        self.transport: asyncio.Transport | None = None
        self.other: _Side
        self.lost = self.ended = False
        self._early: list[bytes] = []

    @property
    def name(self) -> str:
        return "the client" if self.direction is Direction.UP else "the server"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(HIGH_WATER)
        if self.direction is Direction.UP:
            self._pair.accepted(self.transport)

    def data_received(self, data: bytes) -> None:
        other = self.other.transport
        if other is None:  # it is being dialled
            self._early.append(data)
            assert self.transport is not None
            self.transport.pause_reading()  # uvloop takes no notice of a pause before the first bytes
        elif not other.is_closing():
            other.write(data)
            assert self._pair.connection is not None
            self._pair.relay.capture.add(self._pair.connection, self.direction, data)

    def hand_on_early(self) -> None:
        """Hand on what came before there was somebody to hand it on to."""
        assert self.transport is not None
        early, self._early = self._early, []
        for data in early:
            self.data_received(data)
        if early:
            self.transport.resume_reading()
        if self.ended and self.other.transport is not None:
            self.other.transport.write_eof()

    def eof_received(self) -> bool:
        self._pair.note(self.direction, "ended")
        self.ended = True
        other = self.other.transport
        if other is not None and not other.is_closing():
            other.write_eof()
        return not self.other.ended  # open for what comes the other way

    def pause_writing(self) -> None:
        if self.other.transport is not None and not self.other.lost:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other.transport is not None and not self.other.lost:
            self.other.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self._pair.side_lost(self, exc)


def _reset(transport: asyncio.Transport) -> None:
    """Close with RST, so that the peer learns that the connection broke, and did not end."""
    sock: socket.socket | None = transport.get_extra_info("socket")
    if sock is not None:
        with suppress(OSError):  # it is closed already
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


# --- datagrams ---------------------------------------------------------------------------------


class _DatagramRelay(_Relay):
    def __init__(self, capture: Capture, target: Address) -> None:
        super().__init__(capture, target)
        self.front: asyncio.DatagramTransport
        self._ways: dict[Any, _Way] = {}  # the one that was silent longest is first

    async def start(self, port: int) -> None:
        loop = asyncio.get_running_loop()
        self.front, _ = await loop.create_datagram_endpoint(
            lambda: _Front(self), local_addr=("127.0.0.1", port)
        )
        self.here = Address(*self.front.get_extra_info("sockname")[:2])
        self._expiring = loop.call_later(IDLE / 4, self._expire)

    def to_server(self, data: bytes, client: Any) -> None:
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

    async def cut(self) -> None:
        for client in list(self._ways):
            self._give_up(client, "cut")
        await asyncio.sleep(0)

    async def stop(self) -> None:
        self._expiring.cancel()
        await self.cut()
        self.front.close()
        await asyncio.sleep(0)


class _Front(asyncio.DatagramProtocol):
    """Where the clients send to."""

    def __init__(self, relay: _DatagramRelay) -> None:
        self._relay = relay

    def datagram_received(self, data: bytes, address: Any) -> None:
        self._relay.to_server(data, address)


class _Way(asyncio.DatagramProtocol):
    """One client's port towards the server."""

    def __init__(self, relay: _DatagramRelay, client: Any) -> None:
        self._relay, self._client = relay, client
        self._transport: asyncio.DatagramTransport | None = None
        self._waiting: list[bytes] = []  # until there is a port; it takes a turn of the loop
        self._closed = False
        peer = Address(*client[:2])
        self._connection = relay.capture.connection("udp", str(peer), str(relay.target))
        self.used = asyncio.get_running_loop().time()
        self._opening = asyncio.get_running_loop().create_task(self._open())

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
        if self._transport is not None:
            self._transport.sendto(data)
        elif len(self._waiting) < MAX_CLIENTS:
            self._waiting.append(data)
        self._relay.capture.add(self._connection, Direction.UP, data)

    def datagram_received(self, data: bytes, address: Any) -> None:
        self.used = asyncio.get_running_loop().time()
        self._relay.front.sendto(data, self._client)
        self._relay.capture.add(self._connection, Direction.DOWN, data)

    def error_received(self, exc: Exception) -> None:
        why = getattr(exc, "strerror", None) or str(exc)
        self._relay.capture.note(self._connection, Direction.DOWN, "unreachable", why)

    def close(self, why: str) -> None:
        self._closed = True
        self._relay.capture.note(self._connection, Direction.UP, "closed", why)
        if self._transport is not None:
            self._transport.close()
