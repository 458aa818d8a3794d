"""Fan-out: one encoding a technique, one write a connection.

A mailbox is the place of one connection in the room's events. A connection that keeps up is *live*: it gets
the same bytes as all others of its technique. One that does not is *behind*: it is written to again, page by
page from the ring or the log, when its peer has drained its buffer. If the ring moves on without it, it is
disconnected with a reason. So no connection delays another, and none costs more than a page and a buffer;
`chat.server.backlog` bounds what all of them cost.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from itertools import accumulate, takewhile
from typing import Any

from chat.domain.errors import ChatError, SlowReader
from chat.domain.model import MEMBERSHIP, Event
from chat.domain.room_replica import EVENT_BYTES, RING_EVENTS, EventRing, weight
from chat.interfaces.server import HIGH_WATER, LOW_WATER, Sink
from chat.server.backlog import Backlog

PAGE_BYTES = 128 * 1024
SMALL_PAGE = LOW_WATER
"""Bytes of a page while memory is short."""
LONGEST = 0.1
"""Seconds for which events are held back, at most."""
BURST = 0.1
"""Seconds after a batch in which an event that comes alone may be the first of many."""
ENOUGH = 200
"""Events that are held back no longer: to write more of them at once would save little."""
CROWD = 100
"""Connections from which on the whole coalescing time is used; with fewer it is shorter in proportion."""
MEMBERS = 0.1
"""Seconds for which who else has come or gone is held back: nobody waits for that."""
LARGE_CROWD = 5.0
"""That is in proportion also in larger crowds, up to so many times as long."""


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


def first_page(events: list[Event], most: int) -> list[Event]:
    """Return as many events from the front as have about so many bytes, at least one."""
    if sum(map(weight, events)) <= most:  # nearly always
        return events
    sizes = accumulate(map(weight, events))
    return events[: max(1, sum(1 for _ in takewhile(lambda size: size <= most, sizes)))]


def only_members(events: list[Event]) -> bool:
    """Return whether these events only tell who has come or gone."""
    return all(event.kind in MEMBERSHIP for event in events)


class Channel:
    """The fan-out of one room to one technique."""

    def __init__(
        self,
        kind: type[Sink[Any]],
        ring: EventRing,
        head: int,
        read: Callable[[Mailbox], None],
        backlog: Backlog,
    ) -> None:
        """Begin after the seq ``head``.

        Args:
            kind: the technique's sink; it encodes.
            ring: the room's newest events.
            head: the seq up to which events count as sent.
            read: fetches the next page of a mailbox from the log, and calls `Mailbox.take` with it.
            backlog: counts what the connections of all channels have not taken.
        """
        self.pending: list[Event] = []
        """Events that no connection has got yet."""
        self.ring = ring
        self._kind = kind
        self.encode = kind.encode
        self.read = read
        self.backlog = backlog
        self.sent = head
        """The seq up to which the live mailboxes have been written."""
        self.live: dict[Sink[Any], Mailbox] = {}
        self.behind: set[Mailbox] = set()
        self.ahead: list[Mailbox] = []
        """Those of `behind` that know, from their welcome, events that are still held back."""
        self._coalescing = kind.coalescing
        self._coalescing_single = kind.coalescing_single
        self._loop = asyncio.get_running_loop()
        self._burst_until = 0.0  # an event that comes alone before that waits for others
        self._held: asyncio.Handle | None = None  # writes wait until it fires ...
        self._enough = sys.maxsize  # ... or so many events are pending
        self._only_members = False  # what was written before has only told who has come or gone
        self._page: tuple[tuple[int, int], tuple[Any, int]] | None = None

    def flush(self, *, now: bool = False) -> None:
        """Write what is pending: at once, or when the coalescing time after a batch is over.

        Waiting after a batch makes the next write carry more, and a write of many events costs hardly more
        than one of a single event. After a write of a single message nothing is held back, because somebody
        may be waiting for it to answer; or only for a moment, see `Sink.coalescing_single`. Nobody waits for
        who else has come or gone: after such events only more of them are held back.
        """
        if self._held is not None:
            due = now or len(self.pending) >= self._enough
            if not due and (not self._only_members or only_members(self.pending)):
                return
            self._held.cancel()
            self._held = None
        elif not now and len(self.pending) == 1 and self._loop.time() < self._burst_until:
            self._hold_single()
            return
        events, self.pending = self.pending, []
        if not events:
            return
        began = time.perf_counter()
        self._page = None
        for page in pages(events):
            self.sent = page[-1].seq
            if self.live:
                self._write(self.encode(page))
        if self.ahead:
            ahead, self.ahead = self.ahead, []
            for mailbox in ahead:
                mailbox.pump()
        if self.behind:
            self._cut_lost()
        self._only_members = only_members(events)
        if now:
            return
        if len(events) > 1 or self._only_members:
            self._held, self._enough = self._loop.call_soon(self._hold, began), sys.maxsize
        elif self._coalescing_single:
            self._held, self._enough = self._loop.call_soon(self._hold_single), sys.maxsize

    def _hold(self, began: float) -> None:
        """Hold back what comes, for as long as the write took everybody: half of the time is for other work.

        So to tell who has come or gone takes no larger share of the time in a large crowd. Called when all
        connections have had their turn: some techniques write in tasks of their own.
        """
        took = min(LONGEST, time.perf_counter() - began)
        if self._only_members:
            wait = MEMBERS * min(LARGE_CROWD, len(self.live) / CROWD)
        else:
            wait = self._coalescing * min(1.0, len(self.live) / CROWD)
        wait = max(took, wait)
        self._hold_for(wait)
        if self._coalescing_single and not self._only_members:
            self._burst_until = self._loop.time() + wait + BURST

    def _hold_single(self) -> None:
        self._hold_for(self._coalescing_single * min(1.0, len(self.live) / CROWD))

    def _hold_for(self, wait: float) -> None:
        self._burst_until = 0.0
        self._held, self._enough = self._loop.call_later(wait, self._release), ENOUGH

    def _release(self) -> None:
        self._held = None
        self.flush()

    def _write(self, blob: Any) -> None:
        slow = [self.live[sink] for sink in self._kind.write_all(blob, self.live)]
        for mailbox in slow:
            if mailbox.sink.buffered() > HIGH_WATER and not mailbox.closed:
                mailbox.fall_behind()
            if not mailbox.closed:
                self.backlog.note(mailbox)

    def next_page(self, after: int) -> tuple[Any, int]:
        """Return what `encoded` does of the ring's events after a seq, which the ring must reach.

        It is kept until the next write: those who come at the same time get the same replay.
        """
        most = self.page_bytes
        if self._page is None or self._page[0] != (after, most):
            events = self.ring.after(after, RING_EVENTS)
            self._page = (after, most), self.encoded(events, small=self.ring.bytes <= most)
        return self._page[1]

    def encoded(self, events: list[Event], *, small: bool = False) -> tuple[Any, int]:
        """Return the first page of what the live mailboxes have already got, encoded, and its last seq.

        None instead of the page if there is nothing: then all up to that seq was written.

        Args:
            events: from a place on; those that are held back are left out.
            small: they are known to fit into one page.
        """
        page = [event for event in events if event.seq <= self.sent]
        if not small:
            page = first_page(page, self.page_bytes)
        return (self.encode(page), page[-1].seq) if page else (None, self.sent)

    @property
    def page_bytes(self) -> int:
        """How many bytes a page has, about."""
        return SMALL_PAGE if self.backlog.is_tight else PAGE_BYTES

    def _cut_lost(self) -> None:
        """Disconnect the slow readers whose next event is not in the ring any more."""
        for mailbox in list(self.behind):
            if mailbox.was_live and not self.ring.reaches(mailbox.cursor):
                mailbox.cut(
                    SlowReader(
                        "too slow: more events wait for you than the server keeps; reconnect and resume"
                    )
                )


class Mailbox:
    """The place of one connection in a channel."""

    def __init__(
        self, sink: Sink[Any], channel: Channel, after: int, on_cut: Callable[[ChatError], None]
    ) -> None:
        self.sink = sink
        self.cursor = after
        """While behind: the seq up to which the sink has been written."""
        self.was_live = False
        self._seen = None if sink.taken(after) is None else after
        self._channel = channel
        self._reading = False
        self.closed = False
        self._on_cut = on_cut
        self._when_live: Callable[[], None] | None = None
        channel.behind.add(self)

    @property
    def is_live(self) -> bool:
        """Whether it has read everything that was written."""
        return self.sink in self._channel.live

    @property
    def seqs_behind(self) -> int:
        """How many seqs lie between what it was written and what the live ones were."""
        return 0 if self.is_live else max(0, self._channel.sent - self.cursor)

    @property
    def written(self) -> int:
        """The seq up to which it was written."""
        return self._channel.sent if self.is_live else self.cursor

    @property
    def seen(self) -> int | None:
        """The seq up to which the peer has taken what was written, as far as is known; None: not known."""
        if self._seen is not None and not self.closed:
            self._seen = max(self._seen, self.sink.taken(self.written) or 0)
        return self._seen

    def pump(self) -> None:
        """Write while the peer takes it; become live when there is nothing more to catch up with."""
        channel = self._channel
        if self.cursor > channel.sent and channel.pending and not self.closed:
            channel.ahead.append(self)  # to write now, for each that comes, would cost a write to everybody
            return
        while self in channel.behind and not self._reading and self.sink.buffered() <= LOW_WATER:
            if self.cursor >= channel.sent:
                channel.behind.discard(self)
                channel.live[self.sink] = self
                self.was_live = True
                if self._when_live is not None:
                    self._when_live()
            elif channel.ring.reaches(self.cursor):
                self._write(*channel.next_page(self.cursor))
            else:
                self._reading = True
                channel.read(self)
        if not self.closed:
            channel.backlog.note(self)

    def note(self) -> None:
        """A reply was written to the sink."""
        if not self.closed:
            self._channel.backlog.note(self)

    def fit(self, events: list[Event], *, backwards: bool) -> list[Event]:
        """Return what of a page of history may be written now: all, or little while memory is short."""
        if not self._channel.backlog.is_tight:
            return events
        return first_page(events[::-1], SMALL_PAGE)[::-1] if backwards else first_page(events, SMALL_PAGE)

    def when_live(self, then: Callable[[], None]) -> None:
        """Call ``then`` once nothing that has happened is left to write."""
        self._channel.flush(now=True)
        if self.sink in self._channel.live:
            then()
        else:
            self._when_live = then

    def take(self, events: list[Event]) -> None:
        """Continue with a page that was read from the log."""
        self._reading = False
        if not self.closed:
            self._write(*self._channel.encoded(events))
            self.pump()

    def _write(self, page: Any, last: int) -> None:
        """Write one page, which ends with this seq; later ones are written to all."""
        if page is not None:
            self.sink.write(page)
        self.cursor = last

    def fall_behind(self) -> None:
        """The peer does not read: write nothing more until its buffer has drained."""
        channel = self._channel
        self.cursor = channel.sent
        del channel.live[self.sink]
        channel.behind.add(self)

    def close(self) -> None:
        self.closed = True
        self._channel.live.pop(self.sink, None)
        self._channel.behind.discard(self)
        self._channel.backlog.forget(self)

    def cut(self, reason: ChatError) -> None:
        """Disconnect the peer, with a reason."""
        if not self.closed:
            self._on_cut(reason)
        self.close()
        self.sink.close(reason)
