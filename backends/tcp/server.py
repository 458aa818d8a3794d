"""The TCP server: one `asyncio.Protocol` a connection, no task and no thread for it.

The hub writes the same bytes to every connection; what a client asks is answered line by line.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, cast

from backends.tcp.codec import LineReader
from chat.domain.errors import BadRequest, ChatError, Closing, ConnectionLost, Full
from chat.domain.json_codec import (
    AckMessage,
    ErrorMessage,
    HelloMessage,
    HistoryMessage,
    LeaveMessage,
    MemberListMessage,
    MembersMessage,
    PageMessage,
    PingMessage,
    PongMessage,
    Request,
    WelcomeMessage,
    decode_request,
    encode,
    encode_lines,
)
from chat.domain.model import Ack, Draft, Event
from chat.interfaces.address import Address
from chat.interfaces.server import LOW_WATER, ChatServer, Seat, Sink
from chat.transport.stream import keep_alive

HELLO_TIMEOUT = 60.0
"""Seconds until the first line must be there: long, because people type it."""
MAX_SEATLESS = 256
"""Connections without a seat; the oldest is cut for one more."""
TURN = 256
"""Lines of one peer that are served in one go."""
MAX_UNDECIDED = 1000
"""Drafts of one peer that may wait for the log; then it is not read until half of them are decided."""
HANDSHAKE_TIMEOUT = 5.0
"""Seconds for the TLS handshake: no person types that."""
LINGER = 2.0
"""Seconds that a peer has to take the last words and to close its side."""


log = logging.getLogger(__name__)


class TcpServer(ChatServer):
    async def start(self) -> Address:
        self.connections: set[Connection] = set()
        self.seatless: dict[Connection, None] = {}  # no hello yet, or cut and not yet gone; the oldest first
        self.stopping = False
        loop = asyncio.get_running_loop()
        tls: dict[str, Any] = {}
        if (identity := self.options.identity) is not None:
            tls = {"ssl": identity.context, "ssl_handshake_timeout": HANDSHAKE_TIMEOUT}
            tls["ssl_shutdown_timeout"] = LINGER
        self._server = await loop.create_server(
            lambda: Connection(self), self.address.host, self.address.port, backlog=1024, **tls
        )
        host, port = self._server.sockets[0].getsockname()[:2]
        return Address(host, port)

    async def stop(self) -> None:
        self.stopping = True
        self._server.close()
        for connection in list(self.connections):
            connection.close(Closing("the server is going down; come back and resume"))
        if self.connections:
            await asyncio.wait([connection.lost for connection in self.connections], timeout=LINGER + 1)
        await self._server.wait_closed()


class Connection(asyncio.Protocol, Sink[bytes]):
    """One peer: reads its lines, answers them, and is the sink of its seat."""

    def __init__(self, server: TcpServer) -> None:
        self._server = server
        self._hub = server.hub
        self._reader = LineReader()
        self._seat: Seat | None = None
        self._task: asyncio.Task[None] | None = None
        self._waiting: list[bytes] = []  # lines that have come and are not served yet
        self._unread = False  # the peer does not take what it has been written
        self._undecided = 0  # drafts that the room has not answered
        self._full = False  # too many of them
        self._leaving = False  # said so itself, and needs no reason
        self._closing = False
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    # --- the connection ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=LOW_WATER, low=LOW_WATER)
        keep_alive(self._transport.get_extra_info("socket"))  # nobody who types by hand answers pings
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(HELLO_TIMEOUT, self._too_late)
        server = self._server
        server.connections.add(self)
        server.seatless[self] = None
        if len(server.seatless) > MAX_SEATLESS:
            next(iter(server.seatless)).make_room()

    def make_room(self) -> None:
        """End for one more that says nothing; it counts until it has taken the reason, or has had to go."""
        del self._server.seatless[self]
        if self._closing:
            self._transport.abort()
        else:
            self.close(Full(f"more than {MAX_SEATLESS} connections said nothing, and yours was the oldest"))
            self.end()

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = True
        self._deadline.cancel()
        self._server.connections.discard(self)
        self._server.seatless.pop(self, None)
        if self._task is not None:
            self._task.cancel()
        if self._seat is not None:
            self._seat.detach(self)
        if not self.lost.done():
            self.lost.set_result(None)

    def pause_writing(self) -> None:
        """Who does not read is not listened to, so that replies can't pile up."""
        self._unread = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._unread = False
        self._go_on()
        if self._seat is not None:
            self._seat.drained(self)

    def _too_late(self) -> None:
        self.close(BadRequest(f"no hello came within {HELLO_TIMEOUT:.0f} s"))

    # --- what the hub writes -------------------------------------------------------------------

    encode = staticmethod(encode_lines)

    def write(self, blob: bytes) -> None:
        self._transport.write(blob)

    def buffered(self) -> int:
        return self._transport.get_write_buffer_size()

    def close(self, reason: ChatError) -> None:
        """Tell the peer why, and that nothing more comes; the connection ends when it closes too.

        Ending it at once would reset it while the peer still sends, and take the reason away from it.
        """
        if self._closing:
            return
        if not self._leaving:
            self._tell(reason)
        self._closing = True
        self._deadline.cancel()
        if self._seat is not None:
            self._seat.detach(self)
        self._server.seatless[self] = None
        self._deadline = asyncio.get_running_loop().call_later(LINGER, self._transport.abort)
        if self._server.stopping or not self._transport.can_write_eof():
            self.end()  # TLS has a goodbye of its own, and no half-close
        else:
            self._transport.resume_reading()
            try:
                self._transport.write_eof()
            except OSError:  # it is reset already
                self._transport.abort()

    def end(self) -> None:
        """End the connection as soon as the last words are on their way."""
        self._transport.close()

    # --- what the peer says --------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        try:
            lines = self._reader.feed(data)
        except BadRequest as error:
            self.close(error)
            return
        if self._waiting or self._task is not None or self._unread or self._full:
            self._waiting += lines  # reading is paused, but this was under way
        else:
            self._serve(lines)

    def _serve(self, lines: list[bytes]) -> None:
        """Serve lines in order, until one takes a while or its answer is not read, or it is others' turn."""
        seat, answer = self._seat, self._answer
        for place, line in enumerate(lines, 1):
            try:
                request = decode_request(line)
            except BadRequest as error:
                if not line.isspace():
                    self._refuse(error)
            else:
                if seat is not None and isinstance(request, Draft):
                    self._undecided += 1
                    if self._undecided >= MAX_UNDECIDED:
                        self._full = True
                    seat.send(request, answer)
                else:
                    self._handle(request)
            if self._closing:
                return
            if self._task is not None or self._unread or self._full or place == TURN:
                self._waiting = lines[place:]
                self._transport.pause_reading()
                if place == TURN:
                    asyncio.get_running_loop().call_soon(self._go_on)
                return

    def _go_on(self) -> None:
        """Serve what waits, and read on when nothing does."""
        if self._closing or self._task is not None or self._unread or self._full:
            return
        lines, self._waiting = self._waiting, []
        self._serve(lines)
        if not (self._closing or self._task or self._unread or self._full or self._waiting):
            self._transport.resume_reading()

    def _handle(self, request: Request) -> None:
        if self._seat is None:
            if isinstance(request, HelloMessage):
                self._later(self._enter(request))
            else:
                self._refuse(BadRequest(f"{request.__struct_config__.tag} came before the hello"))
            return
        match request:
            case HelloMessage():
                self._refuse(BadRequest("hello was said already; this connection has its seat"))
            case HistoryMessage():
                self._later(self._history(self._seat, request))
            case MembersMessage():
                self._send(MemberListMessage(request.ref, self._seat.members()))
            case PingMessage():
                self._send(PongMessage(request.ref))
            case LeaveMessage():
                self._leaving = True
                self._seat.leave()

    def _refuse(self, error: BadRequest) -> None:
        """Answer what was not understood; before the hello that is the end (it may be a browser)."""
        if self._seat is None:
            self.close(BadRequest(f'{error}; begin with a line like {{"kind":"hello","nick":"ann"}}'))
        else:
            self._tell(error)

    def _later(self, work: Coroutine[None, None, None]) -> None:
        """Serve a request that takes a while; the lines behind it wait, in order."""
        self._transport.pause_reading()
        self._task = asyncio.create_task(self._finish(work))

    async def _finish(self, work: Coroutine[None, None, None]) -> None:
        try:
            await work
        except Exception:
            log.exception("a request failed")  # ours: its peer is told, and comes back
            self.close(ConnectionLost("the server failed at this request; come back and resume"))
        self._task = None
        self._go_on()

    async def _enter(self, message: HelloMessage) -> None:
        try:
            seat = await self._hub.take_seat(message.hello(), "tcp")
        except ChatError as error:
            self.close(error)
            return
        if self._closing:
            return
        self._deadline.cancel()
        self._server.seatless.pop(self, None)
        self._seat = seat
        self._send(WelcomeMessage.of(seat.welcome))
        seat.attach(self)

    async def _history(self, seat: Seat, message: HistoryMessage) -> None:
        try:
            events = await seat.history(after=message.after, before=message.before, limit=message.limit)
        except ChatError as error:
            self._send(ErrorMessage.of(error, message.ref))
        else:
            self._send(PageMessage(message.ref, events))

    def _answer(self, draft: Draft, outcome: Event | Ack | ChatError) -> None:
        """Say what no event says; an accepted draft's answer is its event."""
        self._undecided -= 1
        if self._full and self._undecided <= MAX_UNDECIDED // 2:
            self._full = False
            asyncio.get_running_loop().call_soon(self._go_on)
        if isinstance(outcome, Ack):
            self._send(AckMessage.of(outcome))
        elif isinstance(outcome, ChatError):
            self._tell(outcome)

    def _tell(self, error: ChatError) -> None:
        self._send(ErrorMessage.of(error))

    def _send(self, message: object) -> None:
        if not self._closing:
            self._transport.write(encode(message) + b"\n")
