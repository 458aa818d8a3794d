"""A room in the broker: its fanout exchange and its stream, and how to publish to them and read them.

Clients and nodes have a connection to publish and others to consume. A broker that is short of memory stops
reading from connections that publish, and deliveries must not stop with them. Streams are read over a
connection that does nothing else, see `stream_reader`.
See https://www.rabbitmq.com/docs/streams and https://www.rabbitmq.com/docs/connection-blocked.
"""

from __future__ import annotations

import asyncio
import secrets
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import dropwhile
from typing import Any, Self, TypeVar

from backends.rabbitmq import names
from backends.rabbitmq.amqp import Channel, Connection
from backends.rabbitmq.amqp_errors import BrokerFault, Refused
from backends.rabbitmq.amqp_login import probe
from backends.rabbitmq.codec import NoEntry, pack, properties, unpack
from backends.rabbitmq.stream_reader import Message, Start, StreamConnections, StreamReader
from chat.domain.errors import ChatError, ConnectionLost
from chat.domain.model import Body, Entry, Opened
from chat.domain.room import TAIL
from chat.interfaces.address import Address
from chat.interfaces.tls import Trust
from chat.language import N_

T = TypeVar("T")

READ_TIMEOUT = 20.0
"""Seconds that reading the messages of a stream may take."""
BARRIERS = 3
"""Barrier entries that are published, if the broker can't deliver what was published with the last one."""


@dataclass(slots=True)
class Delivery:
    """A message that a room's stream has delivered."""

    message: Message
    entry: Entry | None
    """None: the message is no entry, and every reader ignores it."""
    reason: str = ""
    """Why it is no entry."""

    @classmethod
    def of(cls, message: Message) -> Delivery:
        """Return the delivery of this message."""
        body, message.body = message.body, b""  # it may be held until it is acknowledged
        try:
            return cls(message, unpack(message.offset, body))
        except NoEntry as error:
            return cls(message, None, str(error))

    @property
    def offset(self) -> int:
        """Its place in the stream; the entry's seq is one more."""
        return self.message.offset

    @property
    def id(self) -> str:
        """The ``message_id`` that its publisher gave it; "" without one."""
        return self.message.id


class Link:
    """The connections of a client or node to a broker."""

    def __init__(
        self,
        publishing: Connection,
        consuming: Connection,
        publisher: Channel,
        connect: Callable[[str], Awaitable[Connection]],
    ) -> None:
        self.publishing = publishing
        self.consuming = consuming
        """What the client has in the broker while it is connected: its presence, and its last will."""
        self.publisher = publisher
        """A channel of ``publishing`` with publisher confirms."""
        self.closed: asyncio.Future[ChatError] = asyncio.get_running_loop().create_future()
        """Done when one of the connections, or the publisher, has ended, with the reason. The rest is open
        until `close`."""
        self.on_blocked: Callable[[], None] = lambda: None
        """Called when `blocked` has changed."""
        publishing.on_blocked = lambda: self.on_blocked()
        self._instance = secrets.token_hex(6)
        self._published = 0
        self.streams = StreamConnections(connect)
        for part in (publishing.closed, consuming.closed, publisher.closed, self.streams.ended):
            part.add_done_callback(self._part_closed)

    @classmethod
    async def open(cls, address: Address, access: str, name: str, trust: Trust | None = None) -> Link:
        """Open the connections to publish and to consume; the one to read streams is opened when needed.

        Args:
            address: the broker's.
            access: the shared access token, see `backends.rabbitmq.amqp_login.parameters`.
            name: the connections' name in the broker's own tools.
            trust: connect with TLS; None: without.

        Raises:
            ChatError: no broker answers, or it refuses the login.
        """
        await probe(address, trust)

        def connect(purpose: str) -> Awaitable[Connection]:
            return Connection.open(address, access, f"{name}, {purpose}", trust)

        publishing = await connect("publishing")
        try:
            consuming = await connect("consuming")
            try:
                return cls(publishing, consuming, await publishing.channel(confirm=True), connect)
            except BaseException:
                await consuming.close()
                raise
        except BaseException:
            await publishing.close()
            raise

    @property
    def blocked(self) -> str:
        """Why the broker takes no messages at the moment; "" if it does."""
        return self.publishing.blocked

    async def close(self) -> None:
        """Close all connections. Never raises."""
        await asyncio.gather(self.publishing.close(), self.consuming.close(), self.streams.close())

    def next_id(self) -> str:
        """Return a message id that is unique."""
        self._published += 1
        return f"{self._instance}-{self._published}"

    def publish(self, room: str, body: Body, at: int, id: str) -> asyncio.Future[None]:
        """Publish an entry to the room's exchange.

        Args:
            room: its name.
            body: the entry's body.
            at: ms UTC.
            id: the message id; the publisher recognises its own entries by it.

        Returns:
            A future that is done with the broker's confirm; it fails like that of `Channel.publish`.
        """
        return self.publisher.publish(names.exchange(room), "", pack(body, at), properties(body, at, id))

    def _part_closed(self, part: asyncio.Future[ChatError]) -> None:
        if not self.closed.done():
            self.closed.set_result(part.result())


async def declare(link: Link, room: str, *, stream: bool = True) -> None:
    """Declare the room's exchange and, with ``stream``, its stream and their binding. Both may exist.

    Raises:
        ConnectionLost: the stream is not up yet.
        ChatError: the exchange or queue exists with other arguments, or the account may not use it.
    """
    channel = await link.publishing.channel()
    try:
        await channel.call(
            "exchange_declare", exchange=names.exchange(room), exchange_type="fanout", durable=True
        )
        if stream:
            await channel.call(
                "queue_declare", queue=names.log(room), durable=True, arguments=names.LOG_ARGUMENTS
            )
            await channel.call("queue_bind", queue=names.log(room), exchange=names.exchange(room))
    except Refused as error:
        raise _refusal(error, room) from None
    finally:
        await channel.close()


def _refusal(error: Refused, room: str) -> ChatError:
    """Return the error for a broker that refuses to declare or to read the room's stream."""
    if error.reply_code == 406:
        return ChatError(
            f"the exchange or the log of room {room} exists here with other arguments: take another "
            f"room or virtual host, or delete {names.exchange(room)} and {names.log(room)} ({error})"
        )
    if error.reply_code == 403:
        return ChatError(f"this account of the broker may not use room {room}: {error}")
    return ConnectionLost(f"the log of room {room} is not up yet: {error}")


class Follower:
    """A consumer of a room's stream. It reads until it is closed, also what is published later."""

    def __init__(self, reader: StreamReader) -> None:
        self._reader = reader
        self.closed = reader.closed
        """Done when nothing more is delivered, with the reason."""

    @classmethod
    async def begin(
        cls,
        link: Link,
        room: str,
        start: Start,
        on_delivery: Callable[[Follower, Delivery], None],
        *,
        prefetch: int = names.PREFETCH,
    ) -> Follower:
        """Start to read a room's stream.

        Args:
            link: to the broker.
            room: its name.
            start: where to begin. If the broker has deleted that offset, with the oldest that is kept.
            on_delivery: called on the loop; it may be called before this method has returned.
            prefetch: deliveries that may be unacknowledged.

        Raises:
            ChatError: the stream can't be read.
        """
        reader = StreamReader(
            link.streams,
            names.log(room),
            start,
            lambda message: on_delivery(follower, Delivery.of(message)),
            prefetch=prefetch,
        )
        follower = cls(reader)
        try:
            await reader.begin()
        except Refused as error:
            raise _refusal(error, room) from None
        return follower

    def ack(self, delivery: Delivery) -> None:
        """Acknowledge a delivery and all before it, see `StreamReader.ack`."""
        self._reader.ack(delivery.message)

    async def close(self) -> None:
        """Stop reading. Never raises."""
        await self._reader.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()


async def read_one(link: Link, room: str, start: Start) -> Delivery:
    """Return the first message from ``start`` on. If there is none yet it fails after `READ_TIMEOUT`.

    Raises:
        ChatError: the stream can't be read.
    """
    found: asyncio.Future[Delivery] = asyncio.get_running_loop().create_future()

    def on_delivery(_: Follower, delivery: Delivery) -> None:
        if not found.done():
            found.set_result(delivery)

    async with await Follower.begin(link, room, start, on_delivery, prefetch=1) as follower:
        return await _result(found, follower, room)


async def oldest_offset(link: Link, room: str) -> int:
    """Return the offset of the oldest message that a stream keeps. Raises like `read_one`."""
    return (await read_one(link, room, "first")).offset


async def read_range(link: Link, room: str, start: int, end: int) -> tuple[int, list[Entry]]:
    """Read the entries of a stretch of the stream.

    Args:
        link: to the broker.
        room: its name.
        start: the first offset that is wanted; the broker may have deleted it.
        end: the last offset, included. It must not be beyond the newest message.

    Returns:
        The offset of the first message that was there, and the entries.

    Raises:
        ChatError: the stream can't be read.
    """
    entries: list[Entry] = []
    first = -1
    done: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def on_delivery(reader: Follower, delivery: Delivery) -> None:
        nonlocal first
        if first < 0:
            first = delivery.offset
        if delivery.entry is not None and delivery.offset <= end:
            entries.append(delivery.entry)
        if delivery.offset >= end and not done.done():
            done.set_result(delivery.offset)
        reader.ack(delivery)

    async with await Follower.begin(link, room, start, on_delivery) as follower:
        await _result(done, follower, room)
    return first, entries


async def publish_barrier(link: Link, room: str, at: int) -> tuple[int, str]:
    """Declare the room and publish a barrier entry: one that is published only to find the stream's end.

    It is an ``opened`` entry. The first one opens the room; all readers refuse every later one. When the
    publisher reads its barrier entry, it has read everything that the stream held before.

    Args:
        link: to the broker.
        room: its name.
        at: ms UTC.

    Returns:
        The offset at which the newest chunk begins, and the barrier's message id. The barrier is in that
        chunk or, if others publish at the same time, in an older one.

    Raises:
        ChatError: the room can't be declared, the broker did not take the entry, or it can't be read.
    """
    await declare(link, room)
    for attempt in range(BARRIERS):
        id = link.next_id()
        await link.publish(room, Opened(str(uuid.uuid4())), at, id)
        try:
            return (await read_one(link, room, "last")).offset, id
        except BrokerFault:  # a message beside it can't be delivered, see `stream_reader`
            if attempt == BARRIERS - 1:
                raise
    raise AssertionError("not reached")


def is_start(link: Link, room: str, offset: int) -> bool:
    """Return whether there was never a message before this offset that the broker can deliver."""
    return offset <= link.streams.after_gap(names.log(room), 0)


def gap_notice(queue: str, first: int, last: int) -> str:
    """Return what to tell about messages that were passed over, see `StreamConnections.on_gap`."""
    which = (
        N_(f"the message at offset {first}")
        if first == last
        else N_(f"the messages at offsets {first} to {last}")
    )
    return N_(
        f"the broker can't deliver {which} of {queue} over AMQP 0-9-1, and ends each connection that reads "
        "there (541); everybody passes over it"
    )


def tail_start(newest: int) -> Start:
    """Return where to begin to read, so that a `Room` knows its whole state at the offset ``newest``."""
    return newest - TAIL if newest > TAIL else "first"


def replayable(entries: list[Entry], *, from_start: bool) -> list[Entry]:
    """Return the entries without those at the front from which a room can't be replayed.

    `RoomReplica.replay` takes an ``opened`` entry at the front for the one that opened the room. At the start
    of the stream, entries before that one have no effect. Anywhere else an ``opened`` entry is a barrier
    entry, which was refused.

    Args:
        entries: in the order of the stream.
        from_start: they begin with the first message that the stream ever had.

    Raises:
        ChatError: the stream's start was deleted, and only barrier entries are left.
    """
    kept = list(dropwhile(lambda entry: isinstance(entry.body, Opened) != from_start, entries))
    if entries and not kept and not from_start:
        raise ChatError("the beginning of this room's log was deleted, and the rest has no checkpoint")
    return kept


async def _result(done: asyncio.Future[T], follower: Follower, room: str) -> T:
    """Return the future's result, if it comes before the consumer ends and within `READ_TIMEOUT`."""
    either: list[asyncio.Future[Any]] = [done, follower.closed]
    await asyncio.wait(either, timeout=READ_TIMEOUT, return_when=asyncio.FIRST_COMPLETED)
    if done.done():
        return done.result()
    if follower.closed.done():
        reason = follower.closed.result()
        raise _refusal(reason, room) if isinstance(reason, Refused) else reason
    raise read_timeout(room)


def read_timeout(room: str) -> ConnectionLost:
    """Return the error for a stream that was not read within `READ_TIMEOUT`."""
    return ConnectionLost(f"the log of room {room} could not be read within {READ_TIMEOUT:.0f} s")
