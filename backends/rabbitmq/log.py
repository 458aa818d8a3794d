"""The log that several servers share: each room is a stream in a broker, and every node reads it in order.

An entry is appended by publishing it, and handed back when it comes out of the stream. So all nodes, and the
clients that read the stream themselves, decide about the same entries in the same order. If a connection
ends, the entries in flight are published again over the next one. The room refuses a copy that comes second,
like any draft that is sent twice.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from backends.rabbitmq import directory, names
from backends.rabbitmq.amqp_errors import Refused, hindrance
from backends.rabbitmq.broker import SCHEMES, VARIABLE
from backends.rabbitmq.log_room import LogRoom
from backends.rabbitmq.stream import Delivery, Link, gap_notice
from backends.rabbitmq.will import is_present, presence
from chat.domain.errors import ChatError, Closing, NotStored
from chat.domain.model import Body, Entry
from chat.domain.rate_limit import backoff
from chat.interfaces.address import parse_address
from chat.interfaces.log import Committed, Log, OnCommitted, OnFailed, Pending
from chat.interfaces.tls import Fingerprint, Trust
from chat.transport.pinning import trust_in

T = TypeVar("T")

log = logging.getLogger(__name__)

RECONNECT_TIMEOUT = 10.0
"""Seconds without a broker after which the entries in flight are given back as not stored."""
BLOCKED_TIMEOUT = 1.0
"""Seconds after which they are given back as not stored, if the broker takes no messages."""
MAX_IN_FLIGHT = 20_000
"""Entries that may be published and not yet delivered; more are refused."""
STOP_TIMEOUT = 2.0
"""Seconds for which `StreamLog.stop` waits for the entries in flight."""
PRESENCE_RETRY = 1.0
"""Seconds between two attempts to declare this node's presence queue."""


@dataclass(slots=True)
class _InFlight:
    """An entry that was published and was not delivered yet."""

    room: str
    body: Body
    at: int
    pending: Pending | None


def _pending(entries: Iterable[_InFlight]) -> list[Pending]:
    return [entry.pending for entry in entries if entry.pending is not None]


class StreamLog(Log):
    """The rooms in one virtual host of a broker."""

    shared = True
    nodes_return = False

    def __init__(
        self,
        url: str,
        *,
        clock: Callable[[], float] = time.time,
        trust: Trust | Fingerprint | None = None,
    ) -> None:
        """Prepare; `start` connects.

        Args:
            url: ``amqp://USER:PASSWORD@HOST:PORT/VHOST``, or ``amqps://``.
            clock: returns seconds since the Unix epoch.
            trust: whom to trust as the broker; it only counts for ``amqps://``.

        Raises:
            ChatError: the URL is malformed.
        """
        try:
            address = parse_address(url, 5672, SCHEMES)
        except ValueError as error:
            raise ChatError(str(error)) from None
        named_by = "--log"
        with suppress(ValueError):  # with --broker
            if parse_address(os.environ.get(VARIABLE, ""), 5672, SCHEMES).url == address.url:
                named_by = VARIABLE
        self._address = replace(address, named_by=named_by)
        self._trust = trust if address.encrypted else None
        self.node = secrets.token_hex(6)
        self._clock = clock
        self._open = False
        self._link: Link | None = None  # None: not connected to the broker
        self._rooms: dict[str, LogRoom] = {}  # those that were loaded, or are being loaded
        self._names: set[str] = set()  # all that exist
        self._in_flight: OrderedDict[str, _InFlight] = OrderedDict()  # by message id
        self._published = 0
        self._batch: list[Committed] = []
        self._blocked = asyncio.Event()  # the broker takes no messages
        self._drained = asyncio.Event()  # nothing is in flight
        self._reconnecting: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    # --- opening and closing -------------------------------------------------------------------

    async def start(self, committed: OnCommitted, failed: OnFailed) -> None:
        self._loop = asyncio.get_running_loop()
        self._committed = committed
        self._failed = failed
        self._link = link = await self._connect()
        self._open = True
        self._reconnecting = asyncio.create_task(self._reconnect(link))

    async def stop(self) -> None:
        if not self._open:
            return
        self._open = False
        if self._in_flight and self._link is not None:
            self._drained.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._drained.wait(), STOP_TIMEOUT)
        self._hand_back()
        tasks = [*self._tasks, *filter(None, [self._reconnecting])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._link is not None:
            await self._link.close()

    async def _connect(self) -> Link:
        """Connect, declare this node's presence, and learn the names of all rooms. Raises a `ChatError`."""
        trust = await trust_in(self._trust, [self._address])
        link = await Link.open(self._address, "", f"chat serve, node {self.node}", trust)
        self._blocked.clear()  # what an earlier link was told says nothing about this one
        link.on_blocked = lambda: self._on_blocked(link)
        link.streams.on_gap = lambda *gap: log.warning("%s", gap_notice(*gap))
        try:
            channel = await link.consuming.channel()
            await channel.call("queue_declare", queue=names.NODES, durable=True)
            await channel.consume(names.NODES, lambda *_: None, auto_ack=True)
            self._spawn(self._declare_presence(link))
            await directory.follow(link, self._names)
        except BaseException:
            await link.close()
            raise
        return link

    async def _declare_presence(self, link: Link) -> None:
        """Declare the presence queue. For a while an earlier connection of this node may own it."""
        while not link.closed.done():
            try:
                await presence(link, self.node, lambda _: None)
            except Refused:
                await asyncio.sleep(PRESENCE_RETRY)
            except ChatError:
                return  # the link has ended
            else:
                return

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- connecting again ----------------------------------------------------------------------

    async def _reconnect(self, link: Link) -> None:
        """Connect again whenever the connection ends."""
        while True:
            reason = await asyncio.shield(link.closed)
            log.warning("the log's broker is gone (%s); trying to connect again", reason)
            self._link = None
            await link.close()
            timeout = self._loop.call_later(RECONNECT_TIMEOUT, self._give_back)
            self._link = link = await self._connect_again()
            timeout.cancel()
            log.warning("the log's broker is back")
            for id, entry in self._in_flight.items():
                self._publish(link, id, entry)

    async def _connect_again(self) -> Link:
        """Try until there is a connection, and every room was read up to its end."""
        failures = 0
        while True:
            await asyncio.sleep(backoff(failures, random.random()))
            failures += 1
            link: Link | None = None
            try:
                link = await self._connect()
                for room in list(self._rooms.values()):
                    if room.loaded and not room.deleted:
                        await room.resume(link, self._now())
                        self._watch(link, room)
            except ChatError as error:
                if link is not None:
                    await link.close()
                if failures == 1:
                    log.warning("no log yet: %s", error)
            else:
                return link

    def _give_back(self) -> None:
        """Give the entries in flight back as not stored, although some may be in the stream.

        Those are handed back later, like the entries of another node.
        """
        if (error := self._hindrance()) is not None:
            entries, self._in_flight = list(self._in_flight.values()), OrderedDict()
            self._failed(_pending(entries), error)

    def _on_blocked(self, link: Link) -> None:
        """Say that the broker takes no messages, or takes them again; nothing in flight waits long."""
        if link.blocked:
            log.warning("the log: %s", hindrance(link.blocked))
            self._blocked.set()
            self._loop.call_later(BLOCKED_TIMEOUT, self._give_back)
        else:
            log.warning("the log's broker takes messages again")
            self._blocked.clear()

    async def _unless_blocked(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what the coroutine returns. Raises `NotStored` if the broker takes no messages meanwhile."""
        working, blocked = asyncio.ensure_future(work), asyncio.ensure_future(self._blocked.wait())
        try:
            either: list[asyncio.Future[Any]] = [working, blocked]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            error = self._hindrance()
            if working.done() or error is None:
                return await working
            raise error
        finally:
            blocked.cancel()
            working.cancel()
            await asyncio.wait([working])

    def _hindrance(self) -> NotStored | None:
        """Return why nothing can be stored at the moment; None if it can."""
        if self._link is None:
            return self._away()
        if self._link.blocked:
            return NotStored(f"not stored, {hindrance(self._link.blocked)}")
        return None

    def _away(self) -> NotStored:
        return NotStored(f"not stored, the log's broker at {self._address} can't be reached: try again")

    def _watch(self, link: Link, room: LogRoom) -> None:
        """Connect again when the room's consumer ends, even if the connection is still open.

        The stream may have been deleted; what is there then is found out by `LogRoom.resume`.
        """

        def closed(_: object) -> None:
            if self._open and self._rooms.get(room.name) is room:
                self._spawn(link.close())

        if room.follower is not None and not room.deleted:
            room.follower.closed.add_done_callback(closed)

    # --- from the stream -----------------------------------------------------------------------

    def _on_delivery(self, room: LogRoom, delivery: Delivery, entry: Entry | None) -> None:
        if self._rooms.get(room.name) is not room:
            return
        own = self._in_flight.pop(delivery.id, None) if delivery.id else None
        if not self._in_flight:
            self._drained.set()
        if entry is not None:
            if not self._batch:
                self._loop.call_soon(self._hand_back)
            self._batch.append(Committed(room.name, entry, own.pending if own else None))

    def _hand_back(self) -> None:
        batch, self._batch = self._batch, []
        for item in batch:
            self._rooms[item.room].handed_back = item.entry.seq
        if batch:
            self._committed(batch)

    def _on_deleted(self, room: LogRoom) -> None:
        """Give back the room's entries in flight as not stored.

        They may have been confirmed: an exchange without a queue confirms a message and drops it.
        """
        lost = [id for id, entry in self._in_flight.items() if entry.room == room.name]
        entries = [self._in_flight.pop(id) for id in lost]
        if entries:
            error = NotStored(f"not stored: {room.deleted}")
            self._loop.call_soon(self._failed, _pending(entries), error)

    # --- to the stream -------------------------------------------------------------------------

    def append(self, room: str, body: Body, pending: Pending | None) -> None:
        if not self._open:
            raise Closing("the log is closed")
        link, refusal = self._link, self._hindrance()
        if (known := self._rooms.get(room)) is not None and known.deleted:
            refusal = NotStored(f"not stored: {known.deleted}")
        elif len(self._in_flight) >= MAX_IN_FLIGHT:
            refusal = NotStored("not stored, too many wait for the broker: try again")
        elif link is not None and refusal is None:
            self._published += 1
            id = f"{self.node}-{self._published}"
            entry = self._in_flight[id] = _InFlight(room, body, self._now(), pending)
            self._publish(link, id, entry)
            return
        self._loop.call_soon(self._failed, [pending] if pending else [], refusal or self._away())

    def _publish(self, link: Link, id: str, entry: _InFlight) -> None:
        def confirmed(done: asyncio.Future[None]) -> None:
            error = None if done.cancelled() else done.exception()
            # If the connection has ended the entry stays in flight, and is published again.
            if isinstance(error, NotStored) and self._in_flight.pop(id, None) is not None:
                self._failed(_pending([entry]), error)

        link.publish(entry.room, entry.body, entry.at, id).add_done_callback(confirmed)

    def _now(self) -> int:
        return int(self._clock() * 1000)

    # --- reading -------------------------------------------------------------------------------

    async def rooms(self) -> list[str]:
        return sorted(self._names)

    async def tail(self, room: str, count: int) -> list[Entry]:
        link = self._current_link()
        self._names.add(room)
        if (before := self._rooms.pop(room, None)) is not None and before.follower is not None:
            await before.follower.close()  # the hub could not load the room then
        loading = self._rooms[room] = LogRoom(
            room, self._current_link, on_delivery=self._on_delivery, on_deleted=self._on_deleted
        )
        try:
            entries = await self._unless_blocked(loading.load(link, self._now(), count))
        except BaseException:
            self._rooms.pop(room, None)
            raise
        self._watch(link, loading)
        if len(entries) == 1:  # the barrier entry has opened the room
            await directory.add_room(link, room)
        return entries

    def refuse(self, room: str, seq: int) -> None:
        """Do nothing: a stream stores no decisions, and `HistoryReader` decides again."""

    async def read(
        self, room: str, *, after: int | None = None, before: int | None = None, limit: int
    ) -> tuple[int, list[Entry]]:
        known = self._rooms.get(room)
        if known is None:
            return 0, []
        if known.deleted:
            raise ChatError(known.deleted)
        return await known.history.read(after=after, before=before, limit=limit, head=known.handed_back)

    async def first(self, room: str) -> int:
        known = self._rooms.get(room)
        return 1 if known is None else await known.oldest_seq(self._current_link)

    async def gone(self, nodes: Collection[str]) -> set[str]:
        if self._link is None:
            return set()
        try:
            return {node for node in nodes if not await is_present(self._link, node)}
        except ChatError:  # the link has ended, and nothing is certain
            return set()

    async def remove(self, room: str) -> None:
        link = self._current_link()
        channel = await link.publishing.channel()
        await channel.call("queue_delete", queue=names.log(room))
        await channel.call("exchange_delete", exchange=names.exchange(room))
        await channel.close()
        self._names.discard(room)
        await directory.remove_room(link, room)

    def _current_link(self) -> Link:
        """Return the link to the broker. Raises `NotStored` or `Closing` if there is none."""
        if not self._open:
            raise Closing("the log is closed")
        if self._link is None:
            raise self._away()
        return self._link
