"""The log that several servers share: each room is a stream in a broker, and every node reads it in order.

An entry is appended by publishing it, and handed back when it comes out of the stream, own ones too: so all
nodes, and the clients that read the stream themselves, decide about the same entries in the same order. What
is published and has not come back when a connection ends is published again over the next one; a copy that
comes second is refused by the room, like any draft that is sent twice.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pika

from backends.rabbitmq import names
from backends.rabbitmq.amqp import Refused
from backends.rabbitmq.past import Past
from backends.rabbitmq.stream import (
    Delivery,
    Follower,
    Link,
    Start,
    begin_of_tail,
    boundary,
    enter_in_directory,
    knock,
)
from backends.rabbitmq.will import is_present, presence
from chat.domain.errors import ChatError, Closing, NotStored
from chat.domain.model import Body, Entry, Opened
from chat.domain.rate_limit import backoff
from chat.interfaces.address import parse_address
from chat.interfaces.log import Committed, Log, OnCommitted, OnFailed, Pending

log = logging.getLogger(__name__)

PATIENCE = 10.0
"""Seconds without a broker after which what is under way is given back as not stored."""
UNDER_WAY = 20_000
"""Entries that may be published and not yet back; more are not taken."""
STOP_TIMEOUT = 2.0
"""Seconds in which what is under way may come back when the log is closed."""
FIRST_EVERY = 30.0
"""Seconds for which it is believed where a room's history begins."""
AGAIN = 1.0
"""Seconds until we try once more to show that we are there."""


@dataclass(slots=True)
class _UnderWay:
    room: str
    body: Body
    at: int
    pending: Pending | None


def _pending(items: Iterable[_UnderWay]) -> list[Pending]:
    return [item.pending for item in items if item.pending is not None]


@dataclass(slots=True)
class _Followed:
    """A room that we follow."""

    name: str
    past: Past
    follower: Follower | None = None
    begin: int | None = None
    """The offset of the first message that has come."""
    tail: list[Entry] | None = field(default_factory=list)
    """What has come before the knock; None: what comes is handed back."""
    next: int = 0
    """The offset after the newest that has come."""
    last_id: str = ""
    """The message id of that newest one: by it the stream is known again."""
    handed_back: int = 0
    """The seq up to which reads answer."""
    first: int = 1
    first_at: float = float("-inf")
    broken: str = ""
    """Why the room can't be used any more."""


class StreamLog(Log):
    """The rooms of the virtual host that ``url`` names."""

    shared = True

    def __init__(self, url: str, *, clock: Callable[[], float] = time.time) -> None:
        """Raises `ChatError` for a URL that is none."""
        try:
            self._address = parse_address(url, 5672, ("amqp",))
        except ValueError as error:
            raise ChatError(str(error)) from None
        self.node = secrets.token_hex(6)
        self._clock = clock
        self._open = False
        self._link: Link | None = None
        self._rooms: dict[str, _Followed] = {}
        self._names: set[str] = set()
        self._under_way: OrderedDict[str, _UnderWay] = OrderedDict()
        self._published = 0
        self._batch: list[Committed] = []
        self._tails: dict[str, list[Entry]] = {}
        self._knocks: dict[str, asyncio.Future[None]] = {}
        self._drained = asyncio.Event()  # nothing is under way
        self._keeper: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    # --- opening and closing -------------------------------------------------------------------

    async def start(self, committed: OnCommitted, failed: OnFailed) -> None:
        self._loop = asyncio.get_running_loop()
        self._committed = committed
        self._failed = failed
        self._link = await self._connect()
        self._open = True
        self._keeper = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        if not self._open:
            return
        self._open = False
        if self._under_way and self._link is not None:
            self._drained.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._drained.wait(), STOP_TIMEOUT)
        self._hand_back()
        for task in [*self._tasks, *filter(None, [self._keeper])]:
            task.cancel()
        await asyncio.gather(*self._tasks, *filter(None, [self._keeper]), return_exceptions=True)
        if self._link is not None:
            await self._link.close()

    async def _connect(self) -> Link:
        """Connect, show that we are there, and learn which rooms there are. Raises a `ChatError`."""
        link = await Link.open(self._address, "", f"chat serve, node {self.node}")
        try:
            channel = await link.consuming.channel()
            await channel.call("queue_declare", queue=names.NODES, durable=True)
            await channel.consume(names.NODES, lambda *_: None, auto_ack=True)
            self._spawn(self._be_present(link))
            await self._read_directory(link)
        except BaseException:
            await link.close()
            raise
        return link

    async def _be_present(self, link: Link) -> None:
        """Declare the queue that shows it; an earlier connection of ours may have it for a while."""
        while not link.closed.done():
            try:
                await presence(link, self.node, lambda _: None)
            except Refused:
                await asyncio.sleep(AGAIN)
            except ChatError:
                return  # the link has ended
            else:
                return

    async def _read_directory(self, link: Link) -> None:
        """Read the names of all rooms, and go on reading the names of those that are opened later."""
        declaring = await link.publishing.channel()
        await declaring.call(
            "queue_declare", queue=names.DIRECTORY, durable=True, arguments=dict(names.DIRECTORY_ARGUMENTS)
        )
        await declaring.close()
        mark = secrets.token_hex(8)
        read = self._loop.create_future()
        channel = await link.consuming.channel(prefetch=names.PREFETCH)

        def on_message(method: Any, properties: pika.BasicProperties, body: bytes) -> None:
            with suppress(ValueError, TypeError, KeyError, AttributeError):
                told = json.loads(body)
                if told.get("removed"):
                    self._names.discard(told["room"])
                elif isinstance(told["room"], str):
                    self._names.add(told["room"])
            if properties.message_id == mark and not read.done():
                read.set_result(None)
            channel.ack(method.delivery_tag)

        await channel.consume(names.DIRECTORY, on_message, arguments={"x-stream-offset": "first"})
        # Our mark comes back last: then everything before it was read.
        await link.publisher.publish("", names.DIRECTORY, b"{}", pika.BasicProperties(message_id=mark))
        await asyncio.wait([read, link.closed], return_when=asyncio.FIRST_COMPLETED)
        if not read.done():
            raise link.closed.result()

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- a broker that goes and comes ------------------------------------------------------------

    async def _keep(self) -> None:
        """Connect again whenever the connection ends."""
        while True:
            assert self._link is not None
            reason = await asyncio.shield(self._link.closed)
            log.warning("the log's broker is gone (%s); trying to connect again", reason)
            broken, self._link = self._link, None
            await broken.close()
            given_up = self._loop.call_later(PATIENCE, self._give_up)
            failures = 0
            while self._link is None:
                await asyncio.sleep(backoff(failures, random.random()))
                failures += 1
                link: Link | None = None
                try:
                    link = await self._connect()
                    await self._resume(link)
                except ChatError as error:
                    if link is not None:
                        await link.close()
                    if failures == 1:
                        log.warning("no log yet: %s", error)
                else:
                    self._link = link
            given_up.cancel()
            log.warning("the log's broker is back")
            for id, item in self._under_way.items():
                self._publish(id, item)

    def _give_up(self) -> None:
        """Give up waiting. What is in the stream after all is handed back like another node's entry."""
        if self._link is None:
            items, self._under_way = list(self._under_way.values()), OrderedDict()
            self._failed(_pending(items), self._away())

    def _away(self) -> NotStored:
        return NotStored(f"not stored, the log's broker at {self._address} is away: try again")

    async def _resume(self, link: Link) -> None:
        """Follow every room on from where we were; what happened meanwhile is handed back."""
        for followed in self._rooms.values():
            if followed.broken or followed.tail is not None:
                continue
            newest, id = await knock(link, followed.name, self._now())
            if newest < followed.next - 1:
                self._broken(followed)
                continue
            await self._follow(link, followed, max(0, followed.next - 1), id)

    def _broken(self, followed: _Followed) -> None:
        followed.broken = (
            f"the log of room {followed.name} was deleted on the broker, and another one is there: "
            "start the server again"
        )
        log.error("%s", followed.broken)
        # An exchange without a queue takes a message, confirms it, and forgets it.
        lost = [id for id, item in self._under_way.items() if item.room == followed.name]
        items = [self._under_way.pop(id) for id in lost]
        if items:
            error = NotStored(f"not stored: {followed.broken}")
            self._loop.call_soon(self._failed, _pending(items), error)

    async def _follow(self, link: Link, followed: _Followed, start: Start, id: str) -> None:
        """Read from there on, and return when the knock with this id has come. Raises a `ChatError`."""
        known = self._knocks[id] = self._loop.create_future()

        def on_delivery(follower: Follower, delivery: Delivery) -> None:
            self._delivered(followed, follower, delivery)

        try:
            follower = await Follower.begin(link, followed.name, start, on_delivery)
            either: list[asyncio.Future[Any]] = [known, link.closed, follower.closed]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not known.done():
                raise link.closed.result() if link.closed.done() else follower.closed.result()
        finally:
            self._knocks.pop(id, None)

        followed.follower = follower

        def ended(_: object) -> None:
            # Whether its connection ends or the stream was deleted: what there is then is found out anew.
            if self._open and self._rooms.get(followed.name) is followed:
                self._spawn(link.close())

        follower.closed.add_done_callback(ended)

    # --- from the stream -----------------------------------------------------------------------

    def _delivered(self, followed: _Followed, follower: Follower, delivery: Delivery) -> None:
        if self._rooms.get(followed.name) is not followed:
            return
        known = self._knocks.get(delivery.id) if delivery.id else None
        if followed.broken:
            if known is not None and not known.done():
                known.set_result(None)  # whoever waits for it finds the room broken
            return
        if followed.tail is None and delivery.offset < followed.next:
            if delivery.offset == followed.next - 1 and delivery.id != followed.last_id:
                self._broken(followed)
            return
        followed.next, followed.last_id = delivery.offset + 1, delivery.id
        own = self._under_way.pop(delivery.id, None) if delivery.id else None
        if not self._under_way:
            self._drained.set()
        entry = delivery.entry
        if followed.begin is None:
            followed.begin = delivery.offset
        if followed.tail is not None:
            # Before a room is opened nothing counts; where the beginning is cut off, that was long ago.
            if entry is not None and (followed.tail or followed.begin or isinstance(entry.body, Opened)):
                followed.tail.append(entry)
        elif entry is not None:
            if not self._batch:
                self._loop.call_soon(self._hand_back)
            self._batch.append(Committed(followed.name, entry, own.pending if own else None))
        if known is not None and not known.done():
            known.set_result(None)
            self._end_tail(followed)
        follower.ack(delivery)

    def _end_tail(self, followed: _Followed) -> None:
        """What comes from now on is handed back; in the same moment, so that nothing is between the two."""
        if followed.tail is not None:
            self._tails[followed.name] = followed.tail
            followed.tail = None
            followed.handed_back = followed.next

    def _hand_back(self) -> None:
        batch, self._batch = self._batch, []
        for item in batch:
            self._rooms[item.room].handed_back = item.entry.seq
        if batch:
            self._committed(batch)

    # --- to the stream -------------------------------------------------------------------------

    def append(self, room: str, body: Body, pending: Pending | None) -> None:
        if not self._open:
            raise Closing("the log is closed")
        broken = followed.broken if (followed := self._rooms.get(room)) else ""
        if broken or self._link is None or len(self._under_way) >= UNDER_WAY:
            refusal = NotStored(f"not stored: {broken}") if broken else self._away()
            if self._link is not None and not broken:
                refusal = NotStored(f"not stored, the broker takes nothing ({self._link.blocked}): try again")
            self._loop.call_soon(self._failed, [pending] if pending else [], refusal)
            return
        self._published += 1
        id = f"{self.node}-{self._published}"
        item = self._under_way[id] = _UnderWay(room, body, self._now(), pending)
        self._publish(id, item)

    def _publish(self, id: str, item: _UnderWay) -> None:
        assert self._link is not None

        def confirmed(done: asyncio.Future[None]) -> None:
            error = None if done.cancelled() else done.exception()
            # Where the connection has ended it stays, and is published again.
            if isinstance(error, NotStored) and self._under_way.pop(id, None) is not None:
                self._failed(_pending([item]), error)

        self._link.publish(item.room, item.body, item.at, id).add_done_callback(confirmed)

    def _now(self) -> int:
        return int(self._clock() * 1000)

    # --- reading -------------------------------------------------------------------------------

    async def rooms(self) -> list[str]:
        return sorted(self._names)

    async def tail(self, room: str, count: int) -> list[Entry]:
        link = self._standing()
        self._names.add(room)
        if (before := self._rooms.pop(room, None)) is not None and before.follower is not None:
            await before.follower.close()  # the room could not be loaded then
        followed = self._rooms[room] = _Followed(room, Past(self._standing, room))
        try:
            newest, id = await knock(link, room, self._now())
            await self._follow(link, followed, begin_of_tail(newest), id)
        except BaseException:
            self._rooms.pop(room, None)
            raise
        entries = self._tails.pop(room)
        if len(entries) == 1:
            await enter_in_directory(link, room)
        return entries[-count:]

    def refuse(self, room: str, seq: int) -> None:
        """Do nothing: a stream stores no decisions, and every reader decides again (`Past`)."""

    async def read(
        self, room: str, *, after: int | None = None, before: int | None = None, limit: int
    ) -> tuple[int, list[Entry]]:
        followed = self._rooms.get(room)
        if followed is None:
            return 0, []
        if followed.broken:
            raise ChatError(followed.broken)
        return await followed.past.read(after=after, before=before, limit=limit, head=followed.handed_back)

    async def first(self, room: str) -> int:
        followed = self._rooms.get(room)
        if followed is None:
            return 1
        if self._loop.time() - followed.first_at > FIRST_EVERY:
            followed.first = await boundary(self._standing(), room, "first") + 1
            followed.first_at = self._loop.time()
        return followed.first

    async def gone(self, nodes: Collection[str]) -> set[str]:
        if self._link is None:
            return set()
        try:
            return {node for node in nodes if not await is_present(self._link, node)}
        except ChatError:  # the link has ended: nobody knows
            return set()

    async def remove(self, room: str) -> None:
        channel = await self._standing().publishing.channel()
        await channel.call("queue_delete", queue=names.log(room))
        await channel.call("exchange_delete", exchange=names.exchange(room))
        await channel.close()
        self._names.discard(room)
        await enter_in_directory(self._standing(), room, removed=True)

    def _standing(self) -> Link:
        """Return the link that stands. Raises `NotStored` or `Closing` when there is none."""
        if not self._open:
            raise Closing("the log is closed")
        if self._link is None:
            raise self._away()
        return self._link
