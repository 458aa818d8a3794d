"""The relay of byte streams: a connection to the server for each one of a client."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Literal, cast

from chat.interfaces.address import Address
from chat.interfaces.frames import Direction
from lab.wire.capture import Capture, Connection
from lab.wire.encryption import Encryption
from lab.wire.lane import HIGH_WATER, Lane
from lab.wire.passing import Interference
from lab.wire.relay import Relay

CONNECT_TIMEOUT = 5.0
"""Seconds until a server that does not answer counts as gone, and a client that goes on with no handshake."""


class StreamRelay(Relay):
    def __init__(
        self,
        capture: Capture,
        target: Address,
        interference: Interference | None = None,
        encryption: Encryption | None = None,
    ) -> None:
        super().__init__(capture, target, interference)
        self.encryption = encryption
        self.pairs: set[_Pair] = set()

    async def start(self, port: int) -> None:
        await self._listen(port)
        self.here = Address(*self._server.sockets[0].getsockname()[:2])

    async def _listen(self, port: int) -> None:
        secured: dict[str, Any] = {}
        if self.encryption is not None:
            secured = {"ssl": self.encryption.identity, "ssl_handshake_timeout": CONNECT_TIMEOUT}
        self._server = await asyncio.get_running_loop().create_server(
            lambda: _Pair(self).client,
            self.here.host,
            port,
            backlog=1024,
            **secured,
        )

    async def refuse(self, refused: bool) -> None:
        self._server.close()
        if refused:
            await self.cut()
        else:
            await self._listen(self.here.port)

    def lanes(self) -> Iterator[Lane]:
        for pair in self.pairs:
            for side in (pair.client, pair.server):
                if side.lane is not None:
                    yield side.lane

    async def wake(self) -> None:
        for pair in self.pairs:
            for side in (pair.client, pair.server):
                side.wake()

    async def cut(self) -> int:
        pairs = list(self.pairs)
        for pair in pairs:
            pair.abort("cut")
        await asyncio.sleep(0)
        return len(pairs)

    async def stop(self) -> None:
        self._server.close()
        await self.cut()
        await self.end_opening()


class _Pair:
    """One connection of a client, and the one to the server that belongs to it."""

    def __init__(self, relay: StreamRelay) -> None:
        self.relay = relay
        self.client, self.server = _Side(self, Direction.UP), _Side(self, Direction.DOWN)
        self.client.other, self.server.other = self.server, self.client
        self.connection: Connection | None = None

    @property
    def busy(self) -> bool:
        """Whether one of the sides is open, or being opened."""
        return not (self.client.lost and self.server.lost)

    def accepted(self, transport: asyncio.Transport) -> None:
        relay = self.relay
        name = transport.get_extra_info("peername")
        if name is None:  # it has reset the connection before it was accepted
            self.server.lost = True
            transport.abort()
            return
        peer = Address(*name[:2])
        self.connection = relay.capture.connection("tcp", str(peer), str(relay.target))
        self.connection.encrypted = relay.encryption is not None
        relay.pairs.add(self)
        relay.begin_to_open(self._dial())

    async def _dial(self) -> None:
        target, encryption = self.relay.target, self.relay.encryption
        secured: dict[str, Any] = {}
        if encryption is not None:
            assert self.client.transport is not None
            chosen = self.client.transport.get_extra_info("ssl_object").selected_alpn_protocol()
            name = encryption.server.server_name or target.host
            secured = {"ssl": encryption.towards(chosen), "server_hostname": name}
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await asyncio.get_running_loop().create_connection(
                    lambda: self.server, target.host, target.port, **secured
                )
        except OSError as error:
            self.server.lost = True
            self.note(Direction.DOWN, "refused", f"the server at {self.relay.target}: {_reason(error)}")
            self.abort("")
            if self.client.lost:
                self.relay.pairs.discard(self)
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
        if error is not None and getattr(error, "errno", None) != errno.ENOTCONN:  # it had closed already
            self.abort(f"{side.name} broke it: {getattr(error, 'strerror', None) or error}", side.direction)
        elif not side.other.lost and side.other.transport is not None:
            side.hand_on_then(side.other.transport.close)
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
        self.lane: Lane | None = None

    @property
    def name(self) -> str:
        return "the client" if self.direction is Direction.UP else "the server"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(HIGH_WATER)
        if self.direction is Direction.UP:
            self._pair.accepted(self.transport)

    def data_received(self, data: bytes) -> None:
        if self.other.transport is None:  # it is being dialled
            self._early.append(data)
            assert self.transport is not None
            self.transport.pause_reading()  # uvloop takes no notice of a pause before the first bytes
        else:
            self._open_lane().push(data)

    def _open_lane(self) -> Lane:
        if self.lane is None:
            relay = self._pair.relay
            assert self._pair.connection is not None
            self.lane = Lane(
                relay.capture,
                self._pair.connection,
                self.direction,
                relay.interference,
                self._hand_on,
                breaks=lambda why: self._pair.abort(why, self.direction),
                full=self._pause,
                frozen=lambda: relay.frozen,
            )
        return self.lane

    def _hand_on(self, data: bytes) -> None:
        other = self.other.transport
        if other is not None and not other.is_closing():
            other.write(data)

    def _pause(self, full: bool) -> None:
        if self.transport is not None and not self.lost:
            (self.transport.pause_reading if full else self.transport.resume_reading)()

    def hand_on_then(self, then: Callable[[], None]) -> None:
        """Call ``then`` when everything that came in here went out at the other side."""
        if self.lane is None:
            then()
        else:
            self.lane.after(then)

    def wake(self) -> None:
        if self.lane is not None:
            self.lane.wake()

    def hand_on_early(self) -> None:
        """Hand on what came before there was somebody to hand it on to."""
        assert self.transport is not None
        early, self._early = self._early, []
        for data in early:
            self.data_received(data)
        if early:
            self.transport.resume_reading()
        if self.ended:
            self._hand_on_the_end()

    def eof_received(self) -> bool:
        self._pair.note(self.direction, "ended")
        self.ended = True
        if self.other.transport is not None:
            self._open_lane().after(self._hand_on_the_end)
        # Open for what comes the other way, except with TLS, whose end ends both (RFC 8446, section 6.1).
        return not self.other.ended and self._pair.relay.encryption is None

    def _hand_on_the_end(self) -> None:
        other = self.other.transport
        if other is not None and not other.is_closing() and other.can_write_eof():
            other.write_eof()

    def pause_writing(self) -> None:
        if self.other.transport is not None and not self.other.lost:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other.transport is not None and not self.other.lost:
            self.other.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        if self.lane is not None and exc is not None:
            self.lane.close()
        self._pair.side_lost(self, exc)


def _reason(error: OSError) -> str:
    """Return why a server can't be reached: with the system's words, for asyncio puts its own there."""
    if isinstance(error, TimeoutError) and not error.errno:
        return "no answer"
    if error.errno in errno.errorcode and error.errno is not None and not isinstance(error, ssl.SSLError):
        return os.strerror(error.errno)
    return str(error.strerror or error)


def _reset(transport: asyncio.Transport) -> None:
    """Close with RST, so that the peer learns that the connection broke, and did not end."""
    sock: socket.socket | None = transport.get_extra_info("socket")
    if sock is not None:
        with suppress(OSError):  # it is closed already
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
