"""One room of a `StreamLog`: the consumer of its stream, and how far it was read."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from backends.rabbitmq.history_reader import HistoryReader
from backends.rabbitmq.stream import (
    READ_TIMEOUT,
    Delivery,
    Follower,
    Link,
    is_start,
    oldest_offset,
    publish_barrier,
    read_timeout,
    replayable,
    tail_start,
)
from backends.rabbitmq.stream_reader import Start
from chat.domain.model import Entry
from chat.language import N_

log = logging.getLogger(__name__)

OLDEST_EVERY = 30.0
"""Seconds for which the offset of the oldest message is cached."""


class LogRoom:
    """A room whose stream is followed, over one connection after another."""

    def __init__(
        self,
        name: str,
        link: Callable[[], Link],
        *,
        on_delivery: Callable[[LogRoom, Delivery, Entry | None], None],
        on_deleted: Callable[[LogRoom], None],
    ) -> None:
        """Prepare; `load` begins to read.

        Args:
            name: the room's.
            link: returns the current link to the broker, or raises why there is none.
            on_delivery: called on the loop with each new message, and with its entry if that is to be handed
                back; entries that `load` returns are not.
            on_deleted: called once, when another stream was found in the place of this one.
        """
        self.name = name
        self.history = HistoryReader(link, name)
        self.handed_back = 0
        """The seq of the newest entry that was handed back. Reads return nothing beyond it."""
        self.deleted = ""
        """Why the room can't be used any more: its stream was deleted; "" while it can."""
        self.follower: Follower | None = None
        self._on_delivery = on_delivery
        self._on_deleted = on_deleted
        self._barrier = ""  # the message id of the barrier entry that is waited for
        self._reached: asyncio.Future[None] | None = None
        self._tail: list[Entry] | None = []  # entries before the barrier of `load`; None after it
        self._first: int | None = None  # the offset of the first message that was delivered
        self._next = 0  # the offset after the newest message that was delivered
        self._last_id = ""  # the message id of that one: a stream is recognised by it
        self._oldest = 1
        self._oldest_at = float("-inf")

    @property
    def loaded(self) -> bool:
        """Whether `load` has read the room's newest entries."""
        return self._tail is None

    async def load(self, link: Link, at: int, count: int) -> list[Entry]:
        """Read the newest entries, and keep on reading.

        Args:
            link: to the broker.
            at: the time of the barrier entry, ms UTC.
            count: entries, at most.

        Returns:
            The entries to replay, the barrier entry included.

        Raises:
            ChatError: the room can't be declared or read.
        """
        newest, barrier = await publish_barrier(link, self.name, at)
        tail: list[Entry] = []
        self._tail = tail
        await self._follow(link, tail_start(newest), barrier)
        entries = tail[-count:]
        whole = self._first is not None and is_start(link, self.name, self._first)
        return replayable(entries, from_start=whole and len(entries) == len(tail))

    async def resume(self, link: Link, at: int) -> None:
        """Go on where an earlier connection has ended; return when all that was missed was delivered.

        Args:
            link: to the broker.
            at: the time of the barrier entry, ms UTC.

        Raises:
            ChatError: the room can't be declared or read.
        """
        newest, barrier = await publish_barrier(link, self.name, at)
        if newest < self._next - 1:
            self._mark_deleted()
            return
        await self._follow(link, max(0, self._next - 1), barrier)

    async def _follow(self, link: Link, start: Start, barrier: str) -> None:
        """Read from ``start`` on, and return when the barrier entry was delivered."""
        self._barrier = barrier
        self._reached = reached = asyncio.get_running_loop().create_future()
        follower: Follower | None = None
        try:
            follower = await Follower.begin(link, self.name, start, self._delivered)
            either: list[asyncio.Future[Any]] = [reached, link.closed, follower.closed]
            await asyncio.wait(either, timeout=READ_TIMEOUT, return_when=asyncio.FIRST_COMPLETED)
            for ended in (link.closed, follower.closed):
                if ended.done() and not reached.done():
                    raise ended.result()
            if not reached.done():
                raise read_timeout(self.name)
        except BaseException:
            if follower is not None:
                await follower.close()
            raise
        finally:
            self._barrier = ""
        self.follower = follower

    def _delivered(self, follower: Follower, delivery: Delivery) -> None:
        is_barrier = delivery.id != "" and delivery.id == self._barrier
        if self.deleted:
            if is_barrier:
                self._pass_barrier()
            return
        if self.loaded and delivery.offset < self._next:
            if delivery.offset == self._next - 1 and delivery.id != self._last_id:
                self._mark_deleted()
            return
        self._next, self._last_id = delivery.offset + 1, delivery.id
        if self._first is None:
            self._first = delivery.offset
        entry = delivery.entry
        if self._tail is not None and entry is not None:
            self._tail.append(entry)
            entry = None
        self._on_delivery(self, delivery, entry)
        if is_barrier:
            self._pass_barrier()
        follower.ack(delivery)

    def _pass_barrier(self) -> None:
        """End the loading: from the next delivery on entries are handed back."""
        if self._tail is not None:
            self._tail = None
            self.handed_back = self._next
        if self._reached is not None and not self._reached.done():
            self._reached.set_result(None)

    def _mark_deleted(self) -> None:
        self.deleted = N_(
            f"the log of room {self.name} was deleted on the broker, and another one is there: "
            "start the server again"
        )
        log.error("%s", self.deleted)
        self._on_deleted(self)

    async def oldest_seq(self, link: Callable[[], Link]) -> int:
        """Return the seq of the oldest message that the stream keeps; it may be `OLDEST_EVERY` old.

        Raises:
            ChatError: the stream can't be read.
        """
        now = asyncio.get_running_loop().time()
        if now - self._oldest_at > OLDEST_EVERY:
            self._oldest = await oldest_offset(link(), self.name) + 1
            self._oldest_at = asyncio.get_running_loop().time()
        return self._oldest
