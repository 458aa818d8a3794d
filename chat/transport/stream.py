"""Servers on byte streams: a listener, and a base class for the server's end of one connection.

A technique adds its protocol: how bytes become requests, and how the closing reason is written. This module
has what does not depend on it: who may connect, in which order requests are served, when a connection is
not read, and how it ends.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, Generic, Protocol, TypeVar, cast

from chat.domain.errors import BadRequest, ChatError, Closing, ConnectionLost, Full
from chat.domain.model import Draft, Hello
from chat.interfaces.address import Address
from chat.interfaces.server import LOW_WATER, B, ChatServer, Reply, Seat, Sink
from chat.language import N_
from chat.transport.connection_state import State
from chat.transport.deadlines import Deadlines
from chat.transport.flow_control import Reason
from chat.transport.listener import listen
from chat.transport.request_queue import RequestQueue

HANDSHAKE_TIMEOUT = 5.0
"""Seconds for the TLS handshake."""
HELLO_TIMEOUT = 60.0
"""Seconds until a connection must have a seat: long, because people type the hello by hand."""
MAX_UNAUTHENTICATED = 256
"""Connections without a seat; the oldest is evicted to admit another."""
MAX_UNDECIDED = 1000
"""Drafts of one client that may wait for the room's decision; then it is not read until half are decided."""
TURN_BYTES = 64 * 1024
"""Bytes of one connection that are read before it is the turn of others."""
LINGER = 2.0
"""Seconds that a client has to read the closing reason and to close its side."""

C = TypeVar("C", bound="StreamConnection[Any, Any]")
R = TypeVar("R")
"""A request as it waits for its turn."""

log = logging.getLogger(__name__)


def host_of(transport: asyncio.BaseTransport) -> str:
    """Return the host at the other end; "" where that is not known."""
    peer = transport.get_extra_info("peername")
    return str(peer[0]) if isinstance(peer, tuple) else ""


class StreamServer(ChatServer, Generic[C]):
    """Listens on a TCP port, with TLS or without, and knows its connections."""

    @abstractmethod
    def accept(self) -> C:
        """Return the server's end of a new connection."""

    async def start(self) -> Address:
        self.connections: set[C] = set()
        self.unauthenticated: dict[C, None] = {}
        """Connections that have no seat yet, or are closing; the oldest first."""
        self.deadlines: Deadlines[C] = Deadlines(lambda connection: connection.overdue())
        """Until when their hellos must come, or their clients close."""
        self.stopping = False
        tls: dict[str, Any] = {}
        if (identity := self.options.identity) is not None:
            tls = {"ssl": identity.context, "ssl_handshake_timeout": HANDSHAKE_TIMEOUT}
            tls["ssl_shutdown_timeout"] = LINGER
        self._listener = await listen(self.accept, self.address, shared=self.options.shares_port, **tls)
        return self._listener.address

    async def stop(self) -> None:
        self.stopping = True
        self._listener.close()
        for connection in list(self.connections):
            connection.close(Closing("the server is going down; reconnect and resume"))
        if self.connections:
            await asyncio.wait([connection.lost for connection in self.connections], timeout=LINGER + 1)
        self.deadlines.stop()
        await self._listener.wait_closed()

    def register(self, connection: C) -> None:
        """Admit a new connection; evict the oldest one without a seat if there are too many."""
        self.connections.add(connection)
        self.unauthenticated[connection] = None
        if len(self.unauthenticated) > MAX_UNAUTHENTICATED:
            oldest = next(iter(self.unauthenticated))
            del self.unauthenticated[oldest]
            oldest.evict()

    def forget(self, connection: C) -> None:
        self.connections.discard(connection)
        self.unauthenticated.pop(connection, None)


class HasState(Protocol):
    """A protocol without I/O, as far as it is needed here."""

    state: State


class StreamConnection(asyncio.Protocol, Sink[B], ABC, Generic[B, R]):
    """The server's end of one connection: serves requests in order, and is the sink of a seat."""

    technique: str
    transport: asyncio.Transport

    def __init__(self, server: StreamServer[Any], protocol: HasState) -> None:
        self.server = server
        self.seat: Seat | None = None
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the connection is gone."""
        self._protocol = protocol
        self._task: asyncio.Task[None] | None = None
        self._undecided = 0
        self._refused = False  # the hub gave it no seat, and knows why
        self._input_over = False
        self._read = 0  # bytes in this turn of the loop

    # --- what a technique adds -----------------------------------------------------------------

    @abstractmethod
    def requests(self, data: bytes) -> Iterable[R]:
        """Return the requests that are complete now. Raises `BadRequest`: the connection is closed."""

    @abstractmethod
    def serve(self, request: R) -> None:
        """Serve one request."""

    def turn_over(self) -> None:  # most have nothing to do
        """Some requests were served, and others may follow later."""

    @abstractmethod
    def last_words(self, reason: ChatError) -> None:
        """Write the reason why the connection ends, unless the client has asked for that."""

    def finish(self, unserved: Sequence[R]) -> None:
        """Close the connection, now or later; the closing reason is written."""
        self.hang_up()

    def discard(self, data: bytes) -> None:  # most have nothing to do
        """Handle bytes that come after the closing reason was written."""

    # --- the connection ------------------------------------------------------------------------

    @property
    def state(self) -> State:
        return self._protocol.state

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=LOW_WATER, low=LOW_WATER)
        self.queue = RequestQueue(self.transport, self.serve, self._turn_over)
        self.server.deadlines.set(self, HELLO_TIMEOUT)
        self.server.register(self)

    def data_received(self, data: bytes) -> None:
        if self._protocol.state.ended:
            self.discard(data)
            return
        if not self._read:
            asyncio.get_running_loop().call_soon(self._next_turn)
        self._read += len(data)
        if self._read >= TURN_BYTES:
            self.queue.pause(Reason.TURN)
        try:
            requests = self.requests(data)
        except BadRequest as error:
            self.close(error)
        else:
            self.queue.put(requests)

    def _next_turn(self) -> None:
        self._read = 0
        if self.queue.paused_for(Reason.TURN):
            self.queue.resume(Reason.TURN)

    def eof_received(self) -> bool:
        """Keep the connection until all that came before is answered. TLS in Python has no half-close."""
        if self.state.ended or not self.transport.can_write_eof():
            return False
        self._input_over = True
        self._end_if_answered()
        return True

    def _turn_over(self) -> None:
        self.turn_over()
        if self._input_over:
            self._end_if_answered()

    def _end_if_answered(self) -> None:
        """End the connection if its client says nothing more and nothing is left to answer."""
        if self._task is not None or self._undecided or self.queue.waiting or self.state is State.LEAVING:
            return  # a `leave` is answered by the room, which closes the connection
        if self.seat is None:
            self._end()
        else:
            self.seat.when_written(self, self._end)

    def _end(self) -> None:
        if not self.state.ended:
            self._begin_closing()
            self.transport.close()

    def pause_writing(self) -> None:
        self.queue.pause(Reason.UNREAD)

    def resume_writing(self) -> None:
        self.queue.resume(Reason.UNREAD)
        self.drained()

    def taken(self, written: int) -> int | None:
        # What a lost connection had in its buffer is gone, and was not taken.
        return 0 if self.transport.is_closing() else super().taken(written)

    def drained(self) -> None:
        """Tell the hub that the client has taken what was written."""
        if self.seat is not None:
            self.seat.drained(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._protocol.state = State.CLOSED
        self.server.deadlines.drop(self)
        self.queue.stop()
        self.server.forget(self)
        if self._task is not None:
            self._task.cancel()
        if self.seat is not None:
            self.seat.detach(self)
        if not self.lost.done():
            self.lost.set_result(None)

    def overdue(self) -> None:
        """End it: no hello has come in time, or its client does not close its side."""
        if self._protocol.state.ended:
            self.transport.abort()
        else:
            self.close(BadRequest(f"no hello came within {HELLO_TIMEOUT:.0f} s"))

    # --- how it ends ---------------------------------------------------------------------------

    def close(self, reason: ChatError) -> None:
        """Tell the client why, and that nothing more comes; the connection ends when it closes too.

        Closing at once would reset the connection while the client still sends, and the reason would be lost.
        """
        if self._protocol.state.ended:
            return
        self.last_words(reason)
        if self.seat is None and not self._refused:
            self.server.hub.dropped(self.technique, reason, host_of(self.transport))
        self._begin_closing(reason)
        self.finish(self.queue.stop())

    def _begin_closing(self, reason: ChatError | None = None) -> None:
        self._protocol.state = State.CLOSING
        if self.seat is not None:
            self.seat.detach(self, reason)
        self.server.unauthenticated[self] = None
        self.server.deadlines.set(self, LINGER)

    def hang_up(self) -> None:
        """Close the server's side, and the whole connection where there is no half-close."""
        if self.transport.is_closing():
            return
        if self.server.stopping or self._input_over or not self.transport.can_write_eof():
            self.transport.close()
            return
        try:
            self.transport.write_eof()
        except OSError:  # it is reset already
            self.transport.abort()

    def evict(self) -> None:
        """Close this connection without a seat to admit another.

        It counts as one until the client has taken the reason, or `LINGER` is over.
        """
        if self._protocol.state.ended:
            self.transport.abort()
        else:
            what = N_(f"more than {MAX_UNAUTHENTICATED} connections have no seat, and yours was the oldest")
            self.close(Full(what))
            self.transport.close()

    # --- the seat and its drafts ---------------------------------------------------------------

    async def take_seat(self, hello: Hello) -> Seat | None:
        """Return the seat, which is this connection's now; None if the connection has ended meanwhile.

        To be followed by the welcome and `Seat.attach` without an await. Raises a `ChatError`.
        """
        self.server.unauthenticated.pop(self, None)  # it has said its hello: the oldest is one that says none
        try:
            seat = await self.server.hub.take_seat(hello, self.technique, host_of(self.transport))
        except ChatError:
            self._refused = True
            if not self._protocol.state.ended:
                self.server.unauthenticated[self] = None  # it may try again
            raise
        if self._protocol.state.ended:
            return None
        self.server.deadlines.drop(self)
        self._protocol.state = State.SEATED
        self.seat = seat
        return seat

    def send_draft(self, seat: Seat, draft: Draft, reply: Reply) -> None:
        """Hand a draft to the room. ``reply`` must call `draft_decided`."""
        self._undecided += 1
        if self._undecided >= MAX_UNDECIDED:
            self.queue.pause(Reason.UNDECIDED)
        seat.send(draft, reply)

    def draft_decided(self) -> None:
        self._undecided -= 1
        if self._input_over:
            self._end_if_answered()
        if self._undecided == MAX_UNDECIDED // 2:
            self.queue.resume(Reason.UNDECIDED)

    def serve_later(self, work: Coroutine[None, None, None]) -> None:
        """Serve a request that takes a while; those behind it wait, in order."""
        self.queue.pause(Reason.BUSY)
        self._task = asyncio.create_task(self._complete(work))

    async def _complete(self, work: Coroutine[None, None, None]) -> None:
        try:
            await work
        except Exception:
            log.exception("a request failed")  # a bug: the client gets an error, and may reconnect
            self.close(ConnectionLost("the server failed to handle this request; reconnect and resume"))
        self._task = None
        self.queue.resume(Reason.BUSY)
        if self._input_over:
            self._end_if_answered()
