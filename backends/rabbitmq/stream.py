"""A room in the broker: its exchange, the stream that remembers what was published there, and how to read it.

Client and node use the same: two connections, because a broker that is short of memory stops reading from
those who publish, and must not stop the room's news with it.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Self, TypeVar

import pika

from backends.rabbitmq import names
from backends.rabbitmq.amqp import CANCELLED, Channel, Connection, Refused, greets
from backends.rabbitmq.codec import offset_of, pack, properties, unpack
from chat.domain.errors import ChatError, ConnectionLost
from chat.domain.model import Body, Entry, Opened
from chat.domain.room import TAIL
from chat.interfaces.address import Address

T = TypeVar("T")

ACK_EVERY = names.PREFETCH // 4
"""Deliveries after which the broker is told that they were taken."""
READ_TIMEOUT = 20.0
"""Seconds in which what is there must have been read."""

Start = int | Literal["first", "last"]
"""Where reading begins: an offset, the oldest message that is kept, or the newest chunk of messages."""


@dataclass(slots=True)
class Delivery:
    """A message of the stream, entry or not."""

    offset: int
    id: str
    """How its publisher called it; "" where he did not."""
    entry: Entry | None
    """None: the message is no entry, and every reader passes it over."""
    tag: int
    """To be given to `Follower.ack`."""


class Link:
    """What we have of a broker: a connection to publish, and one to consume."""

    def __init__(self, publishing: Connection, consuming: Connection, publisher: Channel) -> None:
        self.publishing = publishing
        self.consuming = consuming
        self.publisher = publisher
        """A channel on which every message is confirmed."""
        self.closed: asyncio.Future[ChatError] = asyncio.get_running_loop().create_future()
        """Done when any of it has ended, with the reason; the rest is to be closed."""
        self._instance = secrets.token_hex(6)
        self._published = 0
        for part in (publishing.closed, consuming.closed, publisher.closed):
            part.add_done_callback(self._ended)

    @classmethod
    async def open(cls, address: Address, access: str, name: str) -> Link:
        """Connect twice; ``name`` is what the broker's own tools show. Raises a `ChatError`."""
        await greets(address)
        publishing = await Connection.open(address, access, f"{name}, publishing")
        try:
            consuming = await Connection.open(address, access, f"{name}, consuming")
            try:
                return cls(publishing, consuming, await publishing.channel(confirm=True))
            except BaseException:
                await consuming.close()
                raise
        except BaseException:
            await publishing.close()
            raise

    @property
    def blocked(self) -> str:
        """Why the broker takes nothing at the moment; "" while it does."""
        return self.publishing.blocked

    async def close(self) -> None:
        await asyncio.gather(self.publishing.close(), self.consuming.close())

    def next_id(self) -> str:
        """Return a message id that nobody else has used."""
        self._published += 1
        return f"{self._instance}-{self._published}"

    def publish(self, room: str, body: Body, at: int, id: str) -> asyncio.Future[None]:
        """Publish an entry to the room's exchange; the future is done with the broker's confirm.

        See `Channel.publish` for how it fails.
        """
        return self.publisher.publish(names.exchange(room), "", pack(body, at), properties(body, at, id))

    def _ended(self, part: asyncio.Future[ChatError]) -> None:
        if not self.closed.done():
            self.closed.set_result(part.result())


async def declare(link: Link, room: str, *, stream: bool = True) -> None:
    """Make the room's exchange and, with ``stream``, its log, unless they are there.

    Raises `ChatError` where somebody declared them otherwise, `ConnectionLost` where they are not up yet.
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
        raise declined(error, room) from None
    finally:
        await channel.close()


def declined(error: Refused, room: str) -> ChatError:
    """Return what it means that the broker refused to declare or to read the room's log."""
    if error.reply_code == 406:
        return ChatError(
            f"somebody else has made room {room}'s exchange or log here, with other arguments: take another "
            f"room or virtual host, or delete {names.exchange(room)} and {names.log(room)} ({error})"
        )
    if error.reply_code == 403:
        return ChatError(f"this account of the broker may not use room {room}: {error}")
    return ConnectionLost(f"the log of room {room} is not up yet: {error}")


class Follower:
    """Reads a room's stream from some place on, for as long as it is not closed."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._acked = 0  # the newest delivery that the broker was told of
        self.closed = channel.closed
        """Done when nothing more comes, with the reason."""

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
        """Read from ``start`` on; what is older than the oldest message that is kept begins there.

        At most ``prefetch`` deliveries come that are not acknowledged. Raises a `ChatError`.
        """
        channel = await link.consuming.channel(prefetch=prefetch)
        follower = cls(channel)
        beginning = start if isinstance(start, int) else 0

        def deliver(method: Any, properties: pika.BasicProperties, data: bytes) -> None:
            offset = offset_of(properties.headers)
            if offset < beginning:  # a chunk is delivered as a whole
                follower.ack(Delivery(offset, "", None, method.delivery_tag))
                return
            id = properties.message_id
            entry = unpack(offset, data)
            # Before `begin` has returned, if the deliveries come with the broker's answer.
            on_delivery(
                follower, Delivery(offset, id if isinstance(id, str) else "", entry, method.delivery_tag)
            )

        try:
            await channel.consume(names.log(room), deliver, arguments={"x-stream-offset": start})
        except Refused as error:
            raise declined(error, room) from None
        except BaseException:
            await channel.close()
            raise
        channel.raw.add_on_cancel_callback(
            lambda _: channel.raw.close(CANCELLED, f"the log of room {room} is gone")
        )
        return follower

    def ack(self, delivery: Delivery) -> None:
        """It has been dealt with, and everything before it.

        The broker is told now and then: to it an ack of a stream is a credit, and each costs a frame.
        """
        if delivery.tag - self._acked >= ACK_EVERY:
            self._acked = delivery.tag
            self._channel.ack(delivery.tag, multiple=True)

    async def close(self) -> None:
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()


async def peek(link: Link, room: str, start: Start) -> Delivery:
    """Return the first message from ``start`` on. There must be one. Raises a `ChatError`."""
    found: asyncio.Future[Delivery] = asyncio.get_running_loop().create_future()

    def on_delivery(_: Follower, delivery: Delivery) -> None:
        if not found.done():
            found.set_result(delivery)

    async with await Follower.begin(link, room, start, on_delivery, prefetch=1) as follower:
        return await _or_end(found, follower, room)


async def boundary(link: Link, room: str, which: Literal["first", "last"]) -> int:
    """Return the offset of the oldest message that is kept, or of the newest chunk's first one.

    The stream must not be empty. Raises a `ChatError`.
    """
    return (await peek(link, room, which)).offset


async def collect(link: Link, room: str, start: int, end: int) -> tuple[int, list[Entry]]:
    """Return the first offset that was there from ``start`` on, and the entries from it to ``end``, included.

    ``end`` must be the offset of a message, or less than the newest one's. Raises a `ChatError`.
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
        await _or_end(done, follower, room)
    return first, entries


async def knock(link: Link, room: str, at: int) -> tuple[int, str]:
    """Make the room, and publish a knock; return the offset of the newest chunk's first message, and its id.

    The knock is an ``opened`` entry. The first one opens the room; every later one is refused by all, and is
    what tells us, when we read it, that we know everything that was there when we came. It is in the newest
    chunk or, if others are quick, in an older one; what was there when we came is in older ones for sure.
    """
    await declare(link, room)
    id = link.next_id()
    await link.publish(room, Opened(str(uuid.uuid4())), at, id)
    return await boundary(link, room, "last"), id


def begin_of_tail(newest: int) -> Start:
    """Return where to begin to read, so that a `Room` knows all it must at that offset."""
    return newest - TAIL if newest > TAIL else "first"


async def enter_in_directory(link: Link, room: str, *, removed: bool = False) -> None:
    """Tell the servers on this log, also those that come later, of a room, or that it is no more.

    Raises a `ChatError`.
    """
    channel = await link.publishing.channel()
    await channel.call(
        "queue_declare", queue=names.DIRECTORY, durable=True, arguments=dict(names.DIRECTORY_ARGUMENTS)
    )
    await channel.close()
    body = json.dumps({"room": room, "removed": True} if removed else {"room": room}).encode()
    await link.publisher.publish("", names.DIRECTORY, body, pika.BasicProperties(delivery_mode=2))


async def _or_end(done: asyncio.Future[T], follower: Follower, room: str) -> T:
    """Wait for the future, but not longer than the follower lives. Raises a `ChatError`."""
    either: list[asyncio.Future[Any]] = [done, follower.closed]
    await asyncio.wait(either, timeout=READ_TIMEOUT, return_when=asyncio.FIRST_COMPLETED)
    if done.done():
        return done.result()
    if follower.closed.done():
        reason = follower.closed.result()
        raise declined(reason, room) if isinstance(reason, Refused) else reason
    raise ConnectionLost(f"the log of room {room} could not be read within {READ_TIMEOUT:.0f} s")
