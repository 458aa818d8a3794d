"""The client's socket: it asks, asks again, says that it is there, and notices that the server is not."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Mapping
from typing import Any, cast

from backends.udp.codec import LONGEST, MTU, SEAL, Response, decode_response
from backends.udp.faults import Faults
from backends.udp.seal import Opener, Sealer
from backends.udp.sockets import widen
from chat.domain.errors import BadRequest, BadText, ChatError, ConnectionLost
from chat.domain.json_codec import PingMessage, encode
from chat.domain.model import Event
from chat.domain.validation import has_no_bytes
from chat.interfaces.address import Address
from chat.transport.errors import connection_refused

TICK = 0.5
"""Seconds between two looks at how long it has been quiet."""
PING_EVERY = 1.0
"""Seconds without a datagram of ours, or of the server's, after which there is a ping."""
SILENCE = 6.0
"""Seconds without a datagram of the server's after which it is taken for gone."""
AGAIN = 0.25
"""Seconds after which what got no answer is asked again; each time half as long again, up to ..."""
AGAIN_AT_MOST = 1.0

Key = tuple[str, int]
"""What an answer is found by: the kind of number, and the number."""


class Wire(asyncio.DatagramProtocol):
    """One socket that talks to one server."""

    def __init__(
        self,
        address: Address,
        settings: Mapping[str, str],
        take: Callable[[bytes], None],
        end: Callable[[], None],
    ) -> None:
        """Hand every datagram that comes to ``take``; call ``end`` when the connection has ended."""
        self.address = address
        self.sealer: Sealer | None = None
        self.opener: Opener | None = None
        self.fragmented = 0
        """Datagrams that were longer than `MTU`."""
        self.dropped = 0
        """Datagrams that were not sealed rightly, or no message."""
        self.closing = False
        self._reason: ChatError | None = None
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._closed: asyncio.Future[None] = self._loop.create_future()
        self._asked: dict[Key, asyncio.Future[Any]] = {}
        self._ref = 0
        self._take = take
        self._end = end
        self._in: Faults[bytes] = Faults(settings, "in", self._arrive)
        self._out: Faults[bytes] = Faults(settings, "out", self._put)
        self._said = self._heard = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None

    async def open(self, family: int, place: tuple[Any, ...]) -> None:
        """Connect the socket, which sends nothing. Raises OSError."""
        made = socket.socket(family, socket.SOCK_DGRAM)
        try:
            made.setblocking(False)
            widen(made)
            made.connect(place)  # then the kernel tells of a port where nobody listens
            self._socket = made
            await self._loop.create_datagram_endpoint(lambda: self, sock=made)
        except BaseException:
            made.close()
            raise

    # --- sending -------------------------------------------------------------------------------

    def send(self, message: object) -> None:
        """Send a message. Raises `BadText` for one that no datagram holds."""
        try:
            body = encode(message)
        except UnicodeEncodeError as error:
            raise has_no_bytes(error) from None
        self.put(body)

    def put(self, body: bytes) -> None:
        """Send what is encoded. Raises `BadText` if it is too long."""
        if len(body) > LONGEST - SEAL:
            raise BadText(
                f"as JSON this has {len(body)} bytes, and a datagram holds {LONGEST - SEAL}: send it in parts"
            )
        self._said = self._loop.time()
        datagram = body if self.sealer is None else self.sealer.seal(body)
        self.fragmented += len(datagram) > MTU
        self._out.send(datagram) if self._out.any else self._put(datagram)

    def _put(self, datagram: bytes) -> None:
        if self._ended.done():
            return
        try:
            self._socket.send(datagram)
        except OSError as error:
            self.error_received(error)

    # --- asking --------------------------------------------------------------------------------

    def next_ref(self) -> int:
        self._ref += 1
        return self._ref

    async def ask(self, message: object, key: Key, *, again: bool, patience: float | None = None) -> Any:
        """Send, and return the answer that carries the number; ``again``: send again until it comes.

        Raises TimeoutError after ``patience`` seconds, and `ConnectionLost` when the connection ends.
        """
        if self._ended.done():
            raise ConnectionLost(str(self.why()))
        answer = self._asked[key] = self._loop.create_future()
        wait = AGAIN if again else None
        try:
            async with asyncio.timeout(patience):
                while True:
                    self.send(message)
                    await asyncio.wait([answer], timeout=wait)
                    if answer.done():
                        return answer.result()
                    wait = min(AGAIN_AT_MOST, 1.5 * wait) if wait else None
        finally:
            if self._asked.get(key) is answer:
                del self._asked[key]

    def answer(self, key: Key, value: object) -> bool:
        """Hand over an answer, or an error; return whether somebody waits for it."""
        waiting = self._asked.get(key)
        if waiting is None or waiting.done():
            return False
        if isinstance(value, ChatError):
            waiting.set_exception(value)
        else:
            waiting.set_result(value)
        return True

    # --- what comes ----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed.set_result(None)

    def datagram_received(self, data: bytes, address: object) -> None:
        self._in.send(data) if self._in.any else self._arrive(data)

    def _arrive(self, data: bytes) -> None:
        if not self._ended.done():
            self.fragmented += len(data) > MTU
            self._take(data)

    def read(self, data: bytes) -> Response | Event | None:
        """Return what a datagram says; None for one that is not the server's, or that says nothing."""
        body = data if self.opener is None else self.opener.open(data)
        try:
            message = None if body is None else decode_response(body)
        except BadRequest:
            message = None
        if message is None:
            self.dropped += 1
        else:
            self._heard = self._loop.time()
        return message

    def error_received(self, exc: Exception) -> None:
        """The kernel has heard that nobody listens there; what it could not send is lost, as in a network."""
        if isinstance(exc, ConnectionError):
            self.fail(ConnectionLost(connection_refused(self.address, ConnectionRefusedError())))
        elif isinstance(exc, OSError) and exc.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH):
            self.fail(ConnectionLost(connection_refused(self.address, exc)))

    # --- being there ---------------------------------------------------------------------------

    def keep_alive(self) -> None:
        """From now on ping when it is quiet, and find out when the server is gone."""
        self._heard = self._loop.time()
        self._timer = self._loop.call_later(TICK, self._look)

    def _look(self) -> None:
        now = self._loop.time()
        quiet = now - self._heard
        if quiet > SILENCE:
            self.fail(ConnectionLost(f"{self.address} has not answered for {SILENCE:.0f} s"))
            return
        self._timer = self._loop.call_later(TICK, self._look)
        if quiet >= PING_EVERY or now - self._said >= PING_EVERY:
            self.send(PingMessage())

    @property
    def over(self) -> bool:
        """Whether the connection has ended."""
        return self._ended.done()

    async def ends(self, within: float) -> bool:
        """Wait for the end; return whether it came within so many seconds."""
        done, _ = await asyncio.wait([self._ended], timeout=within)
        return bool(done)

    def why(self) -> ChatError:
        return self._reason or ConnectionLost("the connection is closed")

    def fail(self, reason: ChatError) -> None:
        """End the connection, for this reason."""
        if self._ended.done():
            return
        self._reason = reason
        self._ended.set_result(None)
        self._end()
        if self._timer is not None:
            self._timer.cancel()
        for answer in self._asked.values():
            if not answer.done():  # the reason is about the connection: what was asked may have happened
                answer.set_exception(ConnectionLost(str(reason)))
                answer.exception()  # who asked may be cancelled before it hears of it: then nobody has to

    async def close(self) -> None:
        """Free the socket."""
        self.fail(ConnectionLost("the connection is closed"))
        self._in.close()
        self._out.close()
        self._transport.close()
        await self._closed
