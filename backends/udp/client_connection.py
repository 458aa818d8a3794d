"""The client's socket: sends requests and finds their replies, sends pings, and notices a dead server."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

from backends.udp.codec import MAX_DATAGRAM, MTU, TRAILER, Response, decode_response
from backends.udp.loss_simulation import LossSimulation
from backends.udp.message_auth import Authenticator, Verifier
from backends.udp.socket_buffers import enlarge_buffers
from chat.domain.errors import BadRequest, BadText, ChatError, ConnectionLost
from chat.domain.json_codec import PingMessage, encode
from chat.domain.model import Event
from chat.domain.validation import has_no_bytes
from chat.interfaces.address import Address
from chat.transport.errors import connection_refused

CHECK_EVERY = 0.5
"""Seconds between two checks whether a ping is due and whether the server is still there."""
PING_EVERY = 1.0
"""Seconds without a datagram in one of the directions after which a ping is sent."""
SILENCE_TIMEOUT = 6.0
"""Seconds without a datagram from the server after which the connection is taken for lost."""
RETRANSMIT_AFTER = 0.25
"""Seconds without a reply after which a request is sent again. Each delay is half as long again."""
MAX_RETRANSMIT_AFTER = 1.0
"""The longest of these delays, in seconds."""

Key = tuple[str, int]
"""Names a request and its reply: which number both carry (``draft`` or ``ref``), and the number."""


class ClientConnection(asyncio.DatagramProtocol):
    """One socket that exchanges datagrams with one server."""

    def __init__(
        self,
        address: Address,
        settings: Mapping[str, str],
        receive: Callable[[bytes], None],
        ended: Callable[[], None],
    ) -> None:
        """Prepare; `open` opens the socket.

        Args:
            address: the server's, for error texts.
            settings: the probabilities and the seed of `LossSimulation`.
            receive: called with every datagram that comes.
            ended: called once, when the connection has ended.
        """
        self.address = address
        self.authenticator: Authenticator | None = None
        """Appends the MAC to what is sent; None while or where no token is used."""
        self.verifier: Verifier | None = None
        """Checks the MAC of what comes; None while or where no token is used."""
        self.fragmented = 0
        """Datagrams that were longer than `MTU`."""
        self.dropped = 0
        """Datagrams whose MAC was wrong or that were no message."""
        self.closing = False
        """Whether the client closes the connection itself."""
        self._reason: ChatError | None = None
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._closed: asyncio.Future[None] = self._loop.create_future()
        self._pending: dict[Key, asyncio.Future[Any]] = {}
        self._ref = 0
        self._receive = receive
        self._on_end = ended
        self._in: LossSimulation[bytes] = LossSimulation(settings, "in", self._deliver)
        self._out: LossSimulation[bytes] = LossSimulation(settings, "out", self._transmit)
        self._last_sent = self._last_received = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None

    async def open(self, family: int, place: tuple[Any, ...]) -> None:
        """Open the socket and connect it, which sends nothing. Raises OSError.

        A connected socket receives from this server only, and the kernel reports a port without a listener.
        """
        udp = socket.socket(family, socket.SOCK_DGRAM)
        try:
            udp.setblocking(False)
            enlarge_buffers(udp)
            udp.connect(place)
            self._socket = udp
            await self._loop.create_datagram_endpoint(lambda: self, sock=udp)
        except BaseException:
            udp.close()
            raise

    # --- sending -------------------------------------------------------------------------------

    def send(self, message: object) -> None:
        """Encode a message and send it. Raises `BadText` if no datagram can hold it."""
        try:
            body = encode(message)
        except UnicodeEncodeError as error:
            raise has_no_bytes(error) from None
        self.send_encoded(body)

    def send_encoded(self, body: bytes) -> None:
        """Send an encoded message. Raises `BadText` if it is too long."""
        if len(body) > MAX_DATAGRAM - TRAILER:
            raise BadText(
                f"as JSON this has {len(body)} bytes, and a datagram holds {MAX_DATAGRAM - TRAILER}: send it "
                "in parts"
            )
        self._last_sent = self._loop.time()
        datagram = body if self.authenticator is None else self.authenticator.protect(body)
        self.fragmented += len(datagram) > MTU
        self._out.send(datagram) if self._out.enabled else self._transmit(datagram)

    def _transmit(self, datagram: bytes) -> None:
        if self._ended.done():
            return
        try:
            self._socket.send(datagram)
        except OSError as error:
            self.error_received(error)

    # --- requests and replies ------------------------------------------------------------------

    def next_ref(self) -> int:
        """Return a new number for a request."""
        self._ref += 1
        return self._ref

    @contextmanager
    def expect(self, key: Key) -> Iterator[asyncio.Future[Any]]:
        """Provide a future for the reply with this key, as long as the context lasts.

        Raises:
            ConnectionLost: the connection has ended. If it ends later, the future raises it.
        """
        if self._ended.done():
            raise ConnectionLost(str(self.reason))
        reply = self._pending[key] = self._loop.create_future()
        try:
            yield reply
        finally:
            if self._pending.get(key) is reply:
                del self._pending[key]

    async def request(
        self, message: object, key: Key, *, retransmit: bool, give_up_after: float | None = None
    ) -> Any:
        """Send a message and wait for its reply.

        Args:
            message: what is sent.
            key: what the reply is found by.
            retransmit: send the message again until the reply comes.
            give_up_after: seconds to wait for the reply; None: until the connection ends.

        Raises:
            TimeoutError: no reply came in time.
            ConnectionLost: the connection ended first.
            ChatError: the server's refusal, or what `send` raises.
        """
        delay = RETRANSMIT_AFTER if retransmit else None
        with self.expect(key) as reply:
            async with asyncio.timeout(give_up_after):
                while True:
                    self.send(message)
                    await asyncio.wait([reply], timeout=delay)
                    if reply.done():
                        return reply.result()
                    delay = min(MAX_RETRANSMIT_AFTER, 1.5 * delay) if delay else None

    def resolve(self, key: Key, value: object) -> None:
        """Give a request its reply, or an error; ignored if nothing waits for it."""
        reply = self._pending.get(key)
        if reply is None or reply.done():
            return
        if isinstance(value, ChatError):
            reply.set_exception(value)
        else:
            reply.set_result(value)

    # --- receiving -----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed.set_result(None)

    def datagram_received(self, data: bytes, address: object) -> None:
        self._in.send(data) if self._in.enabled else self._deliver(data)

    def _deliver(self, data: bytes) -> None:
        if not self._ended.done():
            self.fragmented += len(data) > MTU
            self._receive(data)

    def decode(self, data: bytes) -> Response | Event | None:
        """Return the message in a datagram; None if its MAC is wrong or it is no message."""
        body = data if self.verifier is None else self.verifier.verify(data)
        try:
            message = None if body is None else decode_response(body)
        except BadRequest:
            message = None
        if message is None:
            self.dropped += 1
        else:
            self._last_received = self._loop.time()
        return message

    def error_received(self, exc: Exception) -> None:
        """End the connection if the kernel reports that the server cannot be reached.

        Other errors mean that one datagram was not sent. It is lost, as it could have been in the network.
        """
        if isinstance(exc, ConnectionError):
            self.fail(ConnectionLost(connection_refused(self.address, ConnectionRefusedError())))
        elif isinstance(exc, OSError) and exc.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH):
            self.fail(ConnectionLost(connection_refused(self.address, exc)))

    # --- the life of the connection ------------------------------------------------------------

    def keep_alive(self) -> None:
        """Begin to send pings and to check that the server answers."""
        self._last_received = self._loop.time()
        self._timer = self._loop.call_later(CHECK_EVERY, self._check)

    def _check(self) -> None:
        now = self._loop.time()
        silent = now - self._last_received
        if silent > SILENCE_TIMEOUT:
            self.fail(ConnectionLost(f"{self.address} has not answered for {SILENCE_TIMEOUT:.0f} s"))
            return
        self._timer = self._loop.call_later(CHECK_EVERY, self._check)
        if silent >= PING_EVERY or now - self._last_sent >= PING_EVERY:
            self.send(PingMessage())

    @property
    def ended(self) -> bool:
        """Whether the connection has ended."""
        return self._ended.done()

    @property
    def reason(self) -> ChatError:
        """Why the connection has ended."""
        return self._reason or ConnectionLost("the connection is closed")

    async def wait_ended(self, seconds: float) -> bool:
        """Wait for the end of the connection; return whether it came within so many seconds."""
        done, _ = await asyncio.wait([self._ended], timeout=seconds)
        return bool(done)

    def fail(self, reason: ChatError) -> None:
        """End the connection for this reason; every pending request raises `ConnectionLost`."""
        if self._ended.done():
            return
        self._reason = reason
        self._ended.set_result(None)
        self._on_end()
        if self._timer is not None:
            self._timer.cancel()
        for reply in self._pending.values():
            if not reply.done():  # the reason is about the connection: what was requested may have happened
                reply.set_exception(ConnectionLost(str(reason)))
                reply.exception()  # marks it as retrieved: the task that waits may be cancelled first

    async def close(self) -> None:
        """Close the socket."""
        self.fail(ConnectionLost("the connection is closed"))
        self._in.close()
        self._out.close()
        self._transport.close()
        await self._closed
