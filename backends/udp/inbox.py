"""What has come of the room, in any order, doubled, or not at all; and what of it goes on to the reader.

No socket and no clock: `backends.udp.client` says when a hole has lasted long enough.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from chat.domain.event_window import WIDTH, Window
from chat.domain.model import Event, Missing, MissingEvents

INBOX = 2000
"""Events that wait for the reader or for one before them; more are lost, as in a full buffer."""


class Inbox:
    """The events of one connection.

    First what is replayed, then what is pushed: as it comes or, with ``in_order``, each when the ones before
    it are here.
    """

    def __init__(self, start: int, head: int, *, in_order: bool) -> None:
        """Begin after ``start``; the events up to ``head`` are replayed."""
        self.lost = 0
        """Events that were named as missing, and have not come since."""
        self.late = 0
        """Events that came after they were named as missing."""
        self.twice = 0
        """Events that were pushed and known already."""
        self.mended = 0
        """Events that did not come by themselves and were asked for."""
        self._window = Window(start)
        self._window.hear_of(head)
        self._head = head
        self._in_order = in_order
        self._out: list[Event | MissingEvents] = []
        self._live: list[Event | MissingEvents] = []  # pushed while the replay is not done
        self._held: dict[int, Event] = {}  # in order: what the reader may not see yet

    @property
    def replayed(self) -> bool:
        return self._window.floor >= self._head

    @property
    def complete(self) -> bool:
        """Whether nothing is missing that was heard of."""
        return self._window.complete

    @property
    def floor(self) -> int:
        """Everything up to this seq has come, or is known to be missing."""
        return self._window.floor

    @property
    def highest(self) -> int:
        """The highest seq that was heard of."""
        return self._window.highest

    @property
    def hurry(self) -> bool:
        """Whether so much has come behind a hole that it is not to be waited for any longer."""
        return self._window.full

    @property
    def full(self) -> bool:
        """Whether so much waits, for the reader or for one before it, that nothing more is taken."""
        return len(self._out) + len(self._live) + len(self._held) >= INBOX

    @property
    def unread(self) -> bool:
        """Whether the reader has so much to read that nothing more is asked for."""
        return len(self._out) >= INBOX

    def __bool__(self) -> bool:
        """Whether there is something to read."""
        return bool(self._out)

    def read(self) -> Sequence[Event | MissingEvents]:
        """Return what the reader has not seen."""
        out, self._out = self._out, []
        return out

    # --- what comes ----------------------------------------------------------------------------

    def hear_of(self, head: int) -> None:
        """The room has an event with this seq."""
        self._window.hear_of(head)

    def push(self, events: Iterable[Event]) -> None:
        """Events have come by themselves."""
        window = self._window
        for event in events:
            seq = event.seq
            if window.knows(seq):
                self.twice += seq > self._head
            elif self.full or (window.ahead >= 2 * WIDTH - 1 and event.prev > window.floor):
                window.hear_of(seq)  # it will be found missing
            else:
                if seq <= window.floor:
                    self.lost -= 1
                    self.late += 1
                self._take(event, live=not self.replayed)
        self._end_replay()  # all that was left of it may have come by itself

    def pull(self, events: Sequence[Event], *, mending: bool = False) -> None:
        """Events have come that were asked for: the replay's next ones, or, ``mending``, those of a hole."""
        for event in events:
            if not self._window.knows(event.seq) and (mending or event.seq <= self._head):
                self.mended += mending
                self._take(event, live=False)
        self._end_replay()

    def name(self, missing: Sequence[Missing]) -> None:
        """These are the events of a hole; what has not come of them by now is missing."""
        lost = tuple(one for one in missing if self._window.miss(one.seq, one.prev))
        if lost:
            self.lost += len(lost)
            self._out.append(MissingEvents(lost))

    def skip(self, seq: int) -> None:
        """There is nothing that could come up to this seq."""
        self._window.skip(seq)
        self._release()
        self._end_replay()

    def holes(self, up_to: int) -> list[tuple[int, int]]:
        """Return the holes up to a seq: what lies between two that are known, or behind the last."""
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
        """Let go what was pushed meanwhile, when all that is replayed is here."""
        if self._live and self.replayed:
            self._out += self._live
            self._live.clear()

    def _release(self) -> None:
        """Let go what nothing before is missing of any more."""
        for seq in sorted(seq for seq in self._held if seq <= self._window.floor):
            self._out.append(self._held.pop(seq))
