"""A client's copy of a room: it reads the room's stream, and decides about every entry as all readers do."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

from backends.rabbitmq import directory
from backends.rabbitmq.amqp_errors import Refused
from backends.rabbitmq.history_reader import HistoryReader
from backends.rabbitmq.stream import (
    READ_TIMEOUT,
    Delivery,
    Follower,
    Link,
    is_start,
    oldest_offset,
    publish_barrier,
    read_one,
    read_timeout,
    replayable,
    tail_start,
)
from backends.rabbitmq.stream_reader import Start
from chat.domain.errors import BadRequest, ChatError, ConnectionLost
from chat.domain.model import Ack, Body, Event
from chat.domain.room import Outcome, event_of
from chat.domain.room_replica import RoomReplica
from chat.language import N_


class RoomReader:
    """Follows a room's stream, and publishes entries of the client.

    An entry of the client is decided like every other one: when it comes out of the stream.
    """

    def __init__(
        self,
        link: Link,
        room: str,
        replica: RoomReplica,
        *,
        on_event: Callable[[Event], None],
        on_lost: Callable[[ChatError], None],
        on_passed_over: Callable[[int, str], None],
    ) -> None:
        """Prepare; `load` begins to read.

        Args:
            link: to the broker.
            room: its name.
            replica: new, or loaded by an earlier connection.
            on_event: called on the loop with each event that was published after the loading.
            on_lost: called when the stream can't be read any more, with the reason.
            on_passed_over: called with the seq of each message that has no effect, and why.
        """
        self.replica = replica
        """The room, up to the newest entry that was delivered; before the end of `load`: as it was given."""
        self._link = link
        self._room = room
        self._on_event = on_event
        self._on_lost = on_lost
        self._on_passed_over = on_passed_over
        self._history = HistoryReader(self._live_link, room)
        self._loading: list[Delivery] | None = []  # None: a delivery is applied when it comes
        self._unread: deque[tuple[Event, Delivery | None]] = deque()
        self._start = 0  # the seq after which `next_batch` begins
        self._changed = asyncio.Event()
        self._undecided: dict[str, asyncio.Future[Outcome]] = {}  # the client's entries, by message id
        self._follower: Follower | None = None
        self._reason: ChatError | None = None

    # --- loading -------------------------------------------------------------------------------

    async def load(self) -> None:
        """Read the stream until the room's state is known, and keep on reading.

        Raises:
            ChatError: the room can't be declared or read.
        """
        newest, barrier = await publish_barrier(self._link, self._room, _now())
        replica = self.replica if await self._is_same_stream(newest) else RoomReplica()
        last = replica.last
        loaded = await self._read_until(barrier, tail_start(newest) if last is None else last.seq)
        if len(loaded) == 1 and loaded[0].id == barrier and last is None:
            await directory.add_room(self._link, self._room)  # the barrier has opened it
        from_start = is_start(self._link, self._room, loaded[0].offset)
        if not from_start:
            replica.first = await oldest_offset(self._link, self._room) + 1
        entries = [delivery.entry for delivery in loaded if delivery.entry is not None]
        for delivery in loaded:
            if delivery.entry is None:
                self._on_passed_over(delivery.offset + 1, delivery.reason)
        if last is None:
            entries = replayable(entries, from_start=from_start)
        for _ in replica.replay(entries, lambda entry, outcome: self._refused(entry.seq, outcome)):
            await asyncio.sleep(0)
        self.replica = replica
        late, self._loading = (self._loading or [])[len(loaded) :], None
        for delivery in late:
            self._apply(delivery)

    async def _is_same_stream(self, newest: int) -> bool:
        """Return whether this stream holds the newest entry of the replica: else it is another stream."""
        last = self.replica.last
        if last is None or last.seq > newest:
            return False
        return (await read_one(self._link, self._room, last.seq - 1)).entry == last

    async def _read_until(self, barrier: str, start: Start) -> list[Delivery]:
        """Follow the stream from ``start`` on; return what was delivered when the barrier has come."""
        reached: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._undecided[barrier] = reached
        self._follower = await Follower.begin(self._link, self._room, start, self._delivered)
        self._follower.closed.add_done_callback(self._follower_closed)
        try:
            async with asyncio.timeout(READ_TIMEOUT):
                await reached
        except TimeoutError:
            raise read_timeout(self._room) from None
        return list(self._loading or [])

    # --- from the stream -----------------------------------------------------------------------

    def _delivered(self, follower: Follower, delivery: Delivery) -> None:
        if self._loading is None:
            self._apply(delivery)
            return
        self._loading.append(delivery)
        follower.ack(delivery)
        reached = self._undecided.pop(delivery.id, None)
        if reached is not None and not reached.done():
            reached.set_result(None)

    def _apply(self, delivery: Delivery) -> None:
        entry = delivery.entry
        outcome = self.replica.apply(entry) if entry is not None else None
        if isinstance(outcome, Event):
            self._unread.append((outcome, delivery))
            self._changed.set()
            self._on_event(outcome)
        elif not self._unread and self._follower is not None:
            self._follower.ack(delivery)
        if entry is None:
            self._on_passed_over(delivery.offset + 1, delivery.reason)
        else:
            self._refused(entry.seq, outcome)
        own = self._undecided.pop(delivery.id, None) if delivery.id else None
        if own is not None and not own.done():
            if entry is None:
                outcome = BadRequest(
                    f"the published message has come back and is no entry: {delivery.reason}"
                )
            own.set_result(outcome)
        if entry is None or self._reason is not None:
            return
        if (checkpoint := self.replica.take_checkpoint(own=own is not None)) is not None:
            self._publish(checkpoint, self._link.next_id())

    def _refused(self, seq: int, outcome: Outcome) -> None:
        """Tell why an entry has no effect, if it has none."""
        if isinstance(outcome, Ack):
            self._on_passed_over(seq, N_(f"it is a copy of seq {outcome.seq}"))
        elif isinstance(outcome, ChatError):
            self._on_passed_over(seq, str(outcome))

    def _follower_closed(self, closed: asyncio.Future[ChatError]) -> None:
        """Report that the stream can't be read any more, e.g. because somebody has deleted it."""
        if self._reason is None:
            reason = closed.result()
            self._on_lost(ConnectionLost(str(reason)) if isinstance(reason, Refused) else reason)

    # --- to the stream -------------------------------------------------------------------------

    async def decide(self, body: Body) -> Outcome:
        """Publish an entry, and wait until it is delivered and the room has decided.

        Returns:
            What `Room.apply` has decided.

        Raises:
            NotStored: the broker did not take the entry.
            ConnectionLost: the connection ended first; the entry may be stored.
        """
        id = self._live_link().next_id()
        decided: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._undecided[id] = decided

        def confirmed(done: asyncio.Future[None]) -> None:
            if not done.cancelled() and (error := done.exception()) is not None and not decided.done():
                decided.set_exception(error)

        self._publish(body, id).add_done_callback(confirmed)
        try:
            return await decided  # `end` ends the waiting if the connection does
        finally:
            self._undecided.pop(id, None)

    def _publish(self, body: Body, id: str) -> asyncio.Future[None]:
        return self._link.publish(self._room, body, _now(), id)

    # --- reading -------------------------------------------------------------------------------

    def start_after(self, seq: int) -> None:
        """Let `next_batch` begin with the first event after this seq."""
        self._start = seq
        live = {event.seq: delivery for event, delivery in self._unread}
        self._unread = deque(
            (event, live.get(event.seq)) for event in self.replica.ring if event.seq > self._start
        )

    async def next_batch(self, limit: int) -> tuple[list[Event], Delivery | None]:
        """Wait for events; return them and the delivery to give to `ack` after they were processed.

        Args:
            limit: events, at most.

        Raises:
            ChatError: why the connection has ended; only after all events were returned.
        """
        while self._unread and self._start < (first := self._unread[0][0]).prev:
            page = await self.page(after=self._start, before=None, limit=limit)
            if not (older := [event for event in page if event.seq < first.seq]):
                break
            self._start = older[-1].seq
            return older, None
        while not self._unread:
            if self._reason is not None:
                raise self._reason
            self._changed.clear()
            await self._changed.wait()
        batch, last = list[Event](), None
        while self._unread and len(batch) < limit:
            event, delivery = self._unread.popleft()
            batch.append(event)
            last = delivery or last
        self._start = batch[-1].seq
        return batch, last

    def ack(self, delivery: Delivery) -> None:
        """Let the broker deliver more: this delivery, and all before it, were processed."""
        if self._follower is not None:
            self._follower.ack(delivery)

    async def page(self, *, after: int | None, before: int | None, limit: int) -> list[Event]:
        """Return a page of history, like `ChatClient.history`. Raises a `ChatError`."""
        if (page := self.replica.page(after, before, limit)) is not None:
            return page
        prev, entries = await self._history.read(
            after=after, before=before, limit=limit, head=self.replica.head
        )
        events = []
        for entry in entries:
            events.append(event_of(entry, prev))
            prev = entry.seq
        return events

    # --- the end -------------------------------------------------------------------------------

    def _live_link(self) -> Link:
        if self._reason is not None:
            raise self._reason
        return self._link

    def end(self, reason: ChatError) -> None:
        """Let everything that waits fail: the connection is over."""
        self._reason = reason
        self._changed.set()
        # A final reason is about the connection. What was published may be stored all the same.
        unknown = (
            ConnectionLost(f"it is unknown whether the message was stored: {reason}")
            if reason.final
            else reason
        )
        for waiting in self._undecided.values():
            if not waiting.done():
                waiting.set_exception(unknown)
                waiting.exception()  # its caller may have given up
        self._undecided.clear()


def _now() -> int:
    return int(time.time() * 1000)
