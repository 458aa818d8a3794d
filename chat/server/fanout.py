"""Fan-out: one ring of the newest events a room, one encoding a technique, one write a connection.

A mailbox is a cursor into the ring. A connection that keeps up is *live*: it gets the same bytes as
all others of its technique. One that does not is *behind*: it is written to again, page by page from
the ring or the log, when its peer has drained its buffer; if the ring moves on without it, it is cut.
So the room never waits for anybody, and nobody costs more memory than a page and a buffer.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from itertools import takewhile
from typing import Any

from chat.domain.errors import ChatError, SlowReader
from chat.domain.model import Event
from chat.interfaces.server import HIGH_WATER, LOW_WATER, Sink

RING_EVENTS = 1000
RING_BYTES = 1024 * 1024
PAGE_BYTES = 128 * 1024
CROWD = 100
"""Connections for which the whole gap is kept: what a batch saves grows with those it is written to."""
EVENT_BYTES = 250  # an event around its text, roughly, in any encoding


def weight(event: Event) -> int:
    """Return roughly what an event takes, in bytes."""
    return EVENT_BYTES + len(event.text)


class Ring:
    """The newest events of a room, bounded in count and bytes."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._events)

    def append(self, event: Event) -> None:
        events = self._events
        events.append(event)
        self._bytes += weight(event)
        while len(events) > RING_EVENTS or self._bytes > RING_BYTES:
            self._bytes -= weight(events.popleft())

    @property
    def complete(self) -> bool:
        """Whether everything that ever happened is in it."""
        return not self._events or self._events[0].prev == 0

    def reaches(self, seq: int) -> bool:
        """Whether every event after ``seq`` is in the ring."""
        return not self._events or seq >= self._events[0].prev

    def after(self, seq: int, limit: int) -> list[Event]:
        """Return the first events after a seq; only right if the ring `reaches` it."""
        newer = list(takewhile(lambda event: event.seq > seq, reversed(self._events)))
        return newer[: -limit - 1 : -1]

    def before_last(self, count: int) -> int:
        """Return the seq after which the last ``count`` events come."""
        if not self._events:
            return 0
        return self._events[-min(count, len(self._events))].prev


def pages(events: list[Event]) -> Iterator[list[Event]]:
    """Cut events into pages of about `PAGE_BYTES`."""
    if len(events) * EVENT_BYTES <= PAGE_BYTES and sum(map(weight, events)) <= PAGE_BYTES:
        yield events
        return
    page: list[Event] = []
    size = 0
    for event in events:
        size += weight(event)
        if page and size > PAGE_BYTES:
            yield page
            page, size = [], weight(event)
        page.append(event)
    yield page


class Channel:
    """The fan-out of one room to one technique."""

    def __init__(
        self,
        kind: type[Sink[Any]],
        ring: Ring,
        head: int,
        read: Callable[[Mailbox], None],
    ) -> None:
        """Begin after ``head``; ``read`` fetches a mailbox's next page from the log: `Mailbox.take`."""
        self.pending: list[Event] = []
        """Events that nobody has got yet."""
        self.ring = ring
        self.encode = kind.encode
        self.read = read
        self.sent = head
        """The seq up to which the live mailboxes have been written."""
        self.live: dict[Sink[Any], Mailbox] = {}
        self.behind: set[Mailbox] = set()
        self._gap = kind.gap
        self._loop = asyncio.get_running_loop()
        self._rest: asyncio.TimerHandle | None = None

    def flush(self, *, now: bool = False) -> None:
        """Write what is pending: at once, or when the rest after a burst is over.

        Under load the rest makes batches, and one write of many events costs hardly more than one of
        one event. A single event is never held back: somebody may be waiting for it to answer.
        """
        if self._rest is not None:
            if not now:
                return
            self._rest.cancel()
            self._rest = None
        events, self.pending = self.pending, []
        if not events:
            return
        for page in pages(events):
            self.sent = page[-1].seq
            if self.live:
                self._write(self.encode(page))
        if self.behind:
            self._cut_lost()
        if len(events) > 1 and not now:
            rest = self._gap * min(1.0, len(self.live) / CROWD)
            self._rest = self._loop.call_later(rest, self._rested)

    def _rested(self) -> None:
        self._rest = None
        self.flush()

    def _write(self, blob: Any) -> None:
        slow = []
        for sink, mailbox in self.live.items():
            sink.write(blob)
            if sink.buffered() > HIGH_WATER:
                slow.append(mailbox)
        for mailbox in slow:
            mailbox.fall_behind()

    def _cut_lost(self) -> None:
        for mailbox in list(self.behind):
            if mailbox.was_live and not self.ring.reaches(mailbox.cursor):
                mailbox.cut(
                    SlowReader("too slow: more waits for you than the server keeps; come back and resume")
                )


class Mailbox:
    """One connection's place in a channel."""

    def __init__(self, sink: Sink[Any], channel: Channel, after: int) -> None:
        self.sink = sink
        self.cursor = after
        """While behind: the seq up to which the sink has been written."""
        self.was_live = False
        self._channel = channel
        self._reading = False
        self._closed = False
        channel.behind.add(self)

    def pump(self) -> None:
        """Write on while the peer takes it; become live when there is nothing more to catch up with."""
        channel = self._channel
        if self.cursor > channel.sent:  # it read in the history what the gap still holds back
            channel.flush(now=True)
        while self in channel.behind and not self._reading and self.sink.buffered() <= LOW_WATER:
            if self.cursor >= channel.sent:
                channel.behind.discard(self)
                channel.live[self.sink] = self
                self.was_live = True
            elif channel.ring.reaches(self.cursor):
                self._write(channel.ring.after(self.cursor, RING_EVENTS))
            else:
                self._reading = True
                channel.read(self)

    def take(self, events: list[Event]) -> None:
        """Go on with a page that was read from the log."""
        self._reading = False
        if not self._closed:
            self._write(events)
            self.pump()

    def _write(self, events: list[Event]) -> None:
        """Write one page, of what the live ones have already got: the rest comes to all at once."""
        channel = self._channel
        page = [event for event in next(pages(events), []) if event.seq <= channel.sent]
        if page:
            self.sink.write(channel.encode(page))
            self.cursor = page[-1].seq
        else:
            self.cursor = channel.sent

    def fall_behind(self) -> None:
        """The peer does not take what it has been written: write no more until it has drained."""
        channel = self._channel
        self.cursor = channel.sent
        del channel.live[self.sink]
        channel.behind.add(self)

    def close(self) -> None:
        self._closed = True
        self._channel.live.pop(self.sink, None)
        self._channel.behind.discard(self)

    def cut(self, reason: ChatError) -> None:
        """End the connection."""
        self.close()
        self.sink.close(reason)
