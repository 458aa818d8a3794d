"""The events of one connection: collects them in whatever order they come, and finds out which are missing.

No socket and no clock: `backends.udp.client` decides how long to wait for an event that is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from chat.domain.event_window import WIDTH, EventWindow
from chat.domain.model import Event, Missing, MissingEvents

BUFFER_EVENTS = 2000
"""Events that may wait for the consumer or for an earlier event; more are dropped."""


class ReceiveBuffer:
    """Passes on first the replayed events, then the live ones.

    Live events are passed on as they come. With ``in_order`` each waits until those before it have come.
    """

    def __init__(self, start: int, head: int, *, in_order: bool) -> None:
        """Begin after the seq ``start``; the events up to the seq ``head`` are the replay."""
        self.lost = 0
        """Events that were reported as missing and have not come since."""
        self.late = 0
        """Events that came after they were reported as missing."""
        self.duplicates = 0
        """Live events that came again."""
        self.repaired = 0
        """Events that did not come as live events and were requested."""
        self._window = EventWindow(start)
        self._window.hear_of(head)
        self._head = head
        self._in_order = in_order
        self._out: list[Event | MissingEvents] = []
        self._live: list[Event | MissingEvents] = []  # came before the replay was complete
        self._held: dict[int, Event] = {}  # with in_order: an earlier event is missing

    @property
    def replayed(self) -> bool:
        """Whether the replay is complete."""
        return self._window.floor >= self._head

    @property
    def complete(self) -> bool:
        """Whether no event is missing up to `highest`."""
        return self._window.complete

    @property
    def floor(self) -> int:
        """Every event up to this seq has come or was reported as missing."""
        return self._window.floor

    @property
    def highest(self) -> int:
        """The highest seq that came or was announced."""
        return self._window.highest

    @property
    def window_full(self) -> bool:
        """Whether so many events came after a missing one that its range must be closed now."""
        return self._window.full

    @property
    def full(self) -> bool:
        """Whether so many events wait that no more are accepted."""
        return len(self._out) + len(self._live) + len(self._held) >= BUFFER_EVENTS

    @property
    def unread(self) -> bool:
        """Whether the consumer has so much to read that nothing more is requested."""
        return len(self._out) >= BUFFER_EVENTS

    def __bool__(self) -> bool:
        """Whether there is something to read."""
        return bool(self._out)

    def read(self) -> Sequence[Event | MissingEvents]:
        """Return what the consumer has not read yet."""
        out, self._out = self._out, []
        return out

    # --- what comes ----------------------------------------------------------------------------

    def announce(self, head: int) -> None:
        """Note that the room has an event with this seq."""
        self._window.hear_of(head)

    def add_live(self, events: Iterable[Event]) -> None:
        """Add events that the server has sent by itself."""
        window = self._window
        for event in events:
            seq = event.seq
            if window.knows(seq):
                self.duplicates += seq > self._head
            elif self.full or (window.ahead >= 2 * WIDTH - 1 and event.prev > window.floor):
                window.hear_of(seq)  # it will be found missing
            else:
                if seq <= window.floor:
                    self.lost -= 1
                    self.late += 1
                self._take(event, live=not self.replayed)
        self._end_replay()  # the rest of it may have come as live events

    def add_requested(self, events: Sequence[Event], *, repair: bool = False) -> None:
        """Add events from a page: the next ones of the replay or, with ``repair``, some that were missing."""
        for event in events:
            if not self._window.knows(event.seq) and (repair or event.seq <= self._head):
                self.repaired += repair
                self._take(event, live=False)
        self._end_replay()

    def report_missing(self, missing: Sequence[Missing]) -> None:
        """Report those of a missing range's events as missing that have not come by now."""
        lost = tuple(one for one in missing if self._window.miss(one.seq, one.prev))
        if lost:
            self.lost += len(lost)
            self._out.append(MissingEvents(lost))

    def skip(self, seq: int) -> None:
        """Stop waiting for events up to this seq: there are none that could come."""
        self._window.skip(seq)
        self._release()
        self._end_replay()

    def missing_ranges(self, up_to: int) -> list[tuple[int, int]]:
        """Return the ranges up to a seq in which events are missing.

        Each is a pair of seqs: events are missing after the first and before the second one.
        """
        return [(after, min(before, up_to + 1)) for after, before in self._window.holes() if after < up_to]

    def _take(self, event: Event, *, live: bool) -> None:
        floor = self._window.floor
        self._window.take(event.seq, event.prev)
        if not self._in_order:
            (self._live if live else self._out).append(event)
            return
        self._held[event.seq] = event
        if self._window.floor > floor:
            self._release()

    def _end_replay(self) -> None:
        """Pass on the live events that came meanwhile, once the replay is complete."""
        if self._live and self.replayed:
            self._out += self._live
            self._live.clear()

    def _release(self) -> None:
        """Pass on the held events before which nothing is missing any more."""
        for seq in sorted(seq for seq in self._held if seq <= self._window.floor):
            self._out.append(self._held.pop(seq))
