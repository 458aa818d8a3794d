"""Reads a stream of the broker, and goes on behind a message that the broker can't deliver.

A message that was published over the stream protocol may have a form that AMQP 0-9-1 can't carry. The broker
then ends the whole connection of each reader with 541, INTERNAL_ERROR. It does not say which message it was,
and what it has read in the same step is lost: up to ``prefetch`` messages with RabbitMQ 3.10.8, fewer with
4.0.5. So a reader whose connection was ended like that reads on with a connection of its own and with a
smaller prefetch, down to 1. If the broker ends that one as well, `TRIES` times before anything was delivered,
the message at this offset is passed over. All readers pass over the same ones, wherever they begin.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, Self

from backends.rabbitmq import names
from backends.rabbitmq.amqp import Channel, Connection
from backends.rabbitmq.amqp_errors import CONSUMER_CANCELLED, BrokerFault
from chat.domain.errors import ChatError, ConnectionLost

Start = int | Literal["first", "last"]
"""The consumer argument ``x-stream-offset``: an offset, the oldest message that is kept, or the newest chunk.
A chunk is what the broker stores and delivers as a whole."""

SMALLER = 10
"""A prefetch is divided by it each time that nothing was delivered."""
SAFE = 2 * names.PREFETCH
"""Messages after which the one that ended the shared connection was surely passed."""
TRIES = 3
"""Connections that the broker must end at an offset, with a prefetch of 1, before it is passed over. RabbitMQ
4.0.5 delivers what is before a bad message in the same chunk, but may end the connection first."""
MAX_GAP = 200
"""Messages that are passed over one after another; each costs `TRIES` connections, some 20 ms. More are an
error."""


@dataclass(slots=True)
class Message:
    """A message as a stream delivers it."""

    offset: int
    id: str
    """The ``message_id`` that its publisher gave it; "" without one."""
    body: bytes
    tag: int
    """The delivery tag, for `StreamReader.ack`."""
    channel: Channel
    """The channel that has delivered it."""


OnMessage = Callable[[Message], None]
"""Called on the loop with each message, in the order of the stream."""


class StreamConnections:
    """The connections over which one client or node reads streams.

    They do nothing else, because the broker may end them. One is shared by all readers.
    """

    def __init__(self, connect: Callable[[str], Awaitable[Connection]]) -> None:
        """Prepare; nothing is opened yet.

        Args:
            connect: opens a connection to the broker; it is given the purpose, for the connection's name.
        """
        self._connect = connect
        self.ended: asyncio.Future[ChatError] = asyncio.get_running_loop().create_future()
        """Done when the shared connection has ended for another reason than a `BrokerFault`."""
        self.mending = asyncio.Lock()
        """Held by the reader that looks for a message to pass over: one at a time."""
        self.on_gap: Callable[[str, int, int], None] = lambda queue, first, last: None
        """Called with a stream's name and offsets that are passed over; once for each gap."""
        self._gaps: dict[str, set[int]] = {}
        self._shared: Connection | None = None
        self._opening = asyncio.Lock()
        self._closed = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def connect(self, purpose: str) -> Connection:
        """Open a connection; ``purpose`` is for its name. Raises a `ChatError`."""
        connection = None if self._closed else await self._connect(purpose)
        if connection is None or self._closed:
            if connection is not None:
                await connection.close()
            raise ConnectionLost("the connection is closed")
        return connection

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task that ends with these connections."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def shared(self) -> Connection:
        """Return the shared connection; open it if there is none. Raises a `ChatError`."""
        async with self._opening:
            if self._shared is None or self._shared.closed.done():
                self._shared = await self.connect("reading")
                self._shared.closed.add_done_callback(self._shared_ended)
            return self._shared

    def last_gap(self, queue: str) -> int:
        """Return the highest offset that was passed over in this stream; -1: none was."""
        return max(self._gaps.get(queue, ()), default=-1)

    def after_gap(self, queue: str, offset: int) -> int:
        """Return the first offset from this one on that is not known to be in a gap."""
        while offset in self._gaps.get(queue, ()):
            offset += 1
        return offset

    def add_gap(self, queue: str, first: int, last: int) -> None:
        """Note that these offsets of a stream are passed over."""
        known = self._gaps.setdefault(queue, set())
        if new := [offset for offset in range(first, last + 1) if offset not in known]:
            known.update(new)
            self.on_gap(queue, new[0], new[-1])

    async def close(self) -> None:
        """Close the connections, and end what uses them. Never raises."""
        self._closed = True
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._shared is not None:
            await self._shared.close()

    def _shared_ended(self, closed: asyncio.Future[ChatError]) -> None:
        reason = closed.result()
        if not isinstance(reason, BrokerFault) and not self.ended.done():
            self.ended.set_result(reason)


class StreamReader:
    """A consumer of one stream. It reads until it is closed, also what is published later."""

    def __init__(
        self,
        connections: StreamConnections,
        queue: str,
        start: Start,
        on_message: OnMessage,
        *,
        prefetch: int = names.PREFETCH,
    ) -> None:
        """Prepare; `begin` reads.

        Args:
            connections: to the broker.
            queue: the stream's name.
            start: where to begin. If the broker has deleted that offset, with the oldest that is kept.
            on_message: may be called before `begin` has returned.
            prefetch: messages that may be unacknowledged.
        """
        self.closed: asyncio.Future[ChatError] = asyncio.get_running_loop().create_future()
        """Done when nothing more is delivered, with the reason."""
        self._connections = connections
        self._queue = queue
        self._next: Start = 0 if start == "first" else start
        self._on_message = on_message
        self._prefetch = prefetch
        self._channel: Channel | None = None
        self._acked = 0  # the newest delivery tag of this channel that was acknowledged
        self._again: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Start to read.

        Raises:
            Refused: the broker has closed the channel, e.g. because there is no such stream.
            ChatError: the stream can't be read.
        """
        last_gap = self._connections.last_gap(self._queue)
        await self._read_on(careful=isinstance(self._next, int) and self._next <= last_gap)

    def ack(self, message: Message) -> None:
        """Acknowledge a message and all before it.

        On a stream an acknowledgement only allows the broker to deliver more. So it is sent for every fourth
        part of the prefetch.
        """
        if message.channel is self._channel and message.tag - self._acked >= max(1, self._prefetch // 4):
            self._acked = message.tag
            message.channel.ack(message.tag, multiple=True)

    async def close(self) -> None:
        """Stop reading. Never raises."""
        if self._again is not None:
            self._again.cancel()
            with suppress(asyncio.CancelledError):
                await self._again
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()
            self._end(channel.closed.result())

    async def __aenter__(self) -> Self:
        await self.begin()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    # --- over the shared connection ------------------------------------------------------------

    async def _read_on(self, *, careful: bool) -> None:
        """Consume over the shared connection, first with care if the broker may end it."""
        while True:
            if careful:
                await self._pass_gaps()
            try:
                channel = await self._consume(await self._connections.shared(), self._prefetch)
            except BrokerFault:
                if self._next == "last":
                    raise
                careful = True
            else:
                break
        self._channel, self._acked = channel, 0
        channel.closed.add_done_callback(lambda closed: self._channel_ended(channel, closed.result()))

    def _channel_ended(self, channel: Channel, reason: ChatError) -> None:
        if channel is not self._channel:
            return
        if isinstance(reason, BrokerFault) and self._next != "last":
            self._channel = None
            self._again = self._connections.spawn(self._read_again())
        else:
            self._end(reason)

    async def _read_again(self) -> None:
        try:
            await self._read_on(careful=True)
        except ChatError as error:
            self._end(error)

    def _end(self, reason: ChatError) -> None:
        if not self.closed.done():
            self.closed.set_result(reason)

    async def _consume(self, connection: Connection, prefetch: int, *, ack: bool = False) -> Channel:
        """Consume from the next offset on, and return the channel. With ``ack`` the reader acknowledges."""
        channel = await connection.channel(prefetch=prefetch)

        def deliver(tag: int, offset: int, id: str, body: bytes) -> None:
            if ack:
                channel.ack(tag)
            message = Message(offset, id, body, tag, channel)
            if isinstance(self._next, int) and offset < self._next:  # the chunk begins before it
                self.ack(message)
                return
            self._next = offset + 1
            self._on_message(message)

        try:
            await channel.consume_stream(self._queue, self._next, deliver)
        except BaseException:
            await channel.close()
            raise
        channel.raw.add_on_cancel_callback(
            lambda _: channel.raw.close(CONSUMER_CANCELLED, f"the stream {self._queue} is gone")
        )
        return channel

    # --- with care -----------------------------------------------------------------------------

    async def _pass_gaps(self) -> None:
        """Read over connections of its own, until what the broker can't deliver was passed."""
        connections = self._connections
        async with connections.mending:
            prefetch, gap, tries = self._prefetch, 0, 0
            while True:
                assert isinstance(self._next, int)
                self._next = before = connections.after_gap(self._queue, self._next)
                connection = await connections.connect("reading with care")
                try:
                    await self._read_with_care(connection, prefetch)
                except BrokerFault:
                    pass
                else:
                    return
                finally:
                    await connection.close()
                if self._next > before:
                    gap = tries = 0
                elif prefetch > 1:
                    prefetch = max(1, prefetch // SMALLER)
                elif (tries := tries + 1) < TRIES:
                    continue
                elif (gap := gap + 1) > MAX_GAP:
                    raise ChatError(
                        f"the broker can't deliver {self._queue} from offset {before - MAX_GAP} on "
                        "(541, see its own log): take another room, or delete this stream"
                    )
                else:
                    connections.add_gap(self._queue, before, before)
                    self._next, tries = before + 1, 0

    async def _read_with_care(self, connection: Connection, prefetch: int) -> None:
        """Read until everything was delivered, or so much that no gap can be near.

        Raises:
            BrokerFault: the broker has ended the connection.
        """
        channel = await self._consume(connection, prefetch, ack=True)
        begin = before = -1
        while True:
            # The broker handles a channel's acknowledgements and calls in order, and reads on meanwhile.
            await channel.call("basic_qos", prefetch_count=prefetch)
            assert isinstance(self._next, int)
            begin = self._next if begin < 0 else begin
            if self._next == before:
                return
            before = self._next
            if before - begin >= SAFE and before > self._connections.last_gap(self._queue):
                return
