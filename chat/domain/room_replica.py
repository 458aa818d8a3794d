"""A copy of one room, fed with the entries of its log: the state, the newest events, the cursor checks.

The hub keeps one for each room that is loaded; where a broker keeps the log, so does each client.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from chat.domain.errors import StaleCursor, history_starts
from chat.domain.model import MEMBERSHIP, Checkpoint, Cursor, Entry, Event, Member
from chat.domain.room import Outcome, Room, replay_order

RING_EVENTS = 1000
RING_BYTES = 1024 * 1024
EVENT_BYTES = 250
"""Bytes of an event without its text, roughly, in any encoding."""
REPLAY_BATCH = 500
"""Entries that `RoomReplica.replay` applies at each step."""


def weight(event: Event) -> int:
    """Return roughly how many bytes an event takes."""
    text = event.text
    return EVENT_BYTES + (len(text) if text.isascii() else len(text.encode(errors="replace")))


class EventRing:
    """The newest events of a room: at most `RING_EVENTS`, and about `RING_BYTES`."""

    def __init__(self) -> None:
        self.floor = 0
        """The ring holds every event after this seq."""
        self._events: deque[Event] = deque()
        self._weights: deque[int] = deque()  # of each event
        self.bytes = 0
        """Of all events, roughly."""

    def __len__(self) -> int:
        return len(self._events)

    def __iter__(self) -> Iterator[Event]:
        return iter(self._events)

    def append(self, event: Event) -> None:
        events = self._events
        if not events:
            self.floor = event.prev
        events.append(event)
        size = weight(event)
        self._weights.append(size)
        self.bytes += size
        while len(events) > RING_EVENTS or self.bytes > RING_BYTES:
            self.floor = events.popleft().seq
            self.bytes -= self._weights.popleft()

    @property
    def complete(self) -> bool:
        """Whether it holds every event that the room ever had."""
        return self.floor == 0

    def reaches(self, seq: int) -> bool:
        """Return whether it holds every event after this seq."""
        return seq >= self.floor

    def after(self, seq: int, limit: int) -> list[Event]:
        """Return the first events after a seq. Only right if the ring `reaches` that seq."""
        newer: list[Event] = []
        for event in reversed(self._events):
            if event.seq <= seq:
                break
            newer.append(event)
        return newer[: -limit - 1 : -1]

    def before(self, seq: int | None, limit: int) -> list[Event] | None:
        """Return the last events before a seq (None: the newest); None if the ring does not hold them all."""
        older = [event for event in self._events if seq is None or event.seq < seq]
        return older[-limit:] if len(older) >= limit or self.complete else None

    def before_last(self, count: int) -> int:
        """Return the seq after which the last ``count`` events come, or all if there are fewer."""
        if self._events and not count:
            return self._events[-1].seq
        return self._events[-min(count, len(self._events))].prev if self._events else self.floor


class RoomReplica:
    """The state of a room, and its newest events."""

    def __init__(self) -> None:
        self.state = Room()
        self.ring = EventRing()
        self.first = 1
        """The seq of the oldest entry that the log still keeps, as far as is known."""
        self.last: Entry | None = None
        """The newest entry that was applied, refused ones included."""
        self._members: tuple[Member, ...] | None = None  # None: they have changed

    @property
    def epoch(self) -> str:
        return self.state.epoch

    @property
    def head(self) -> int:
        """The seq of the newest event."""
        return self.state.head

    def apply(self, entry: Entry) -> Outcome:
        """Let the room decide about a committed entry, and keep the event that it becomes."""
        outcome = self.state.apply(entry)
        if type(outcome) is Event:
            self.ring.append(outcome)
            if outcome.kind in MEMBERSHIP:
                if outcome.kind == "joined" and self._members is not None:
                    self._members += (Member(outcome.seat, outcome.author, outcome.technique),)
                else:
                    self._members = None
        elif outcome is None:  # a checkpoint
            self._members = None
        self.last = entry
        return outcome

    def replay(
        self, entries: list[Entry], on_refused: Callable[[Entry, Outcome], None] | None = None
    ) -> Iterator[list[int]]:
        """Load the room from the newest entries of its log; or continue, if it was loaded before.

        Args:
            entries: in the order of the log. To load a room whose log's beginning was cut off, they must hold
                a checkpoint. To continue, they must follow the entry `last`.
            on_refused: called with each entry that the room has refused, and why.

        Yields:
            After every `REPLAY_BATCH` entries, so that the caller can let others run: the seqs that the room
            has refused. A seq that the missing beginning could have made acceptable is not among them.

        Raises:
            ChatError: the beginning was cut off, and there is no checkpoint.
        """
        ordered, sure = replay_order(entries) if self.last is None else (entries, 0)
        refused: list[int] = []
        for place, entry in enumerate(ordered, 1):
            outcome = self.apply(entry)
            if outcome is not None and type(outcome) is not Event and entry.seq > sure:
                refused.append(entry.seq)
                if on_refused is not None:
                    on_refused(entry, outcome)
            if place % REPLAY_BATCH == 0:
                yield refused
                refused = []
        if entries:  # a checkpoint is applied before entries that precede it in the log
            self.last = entries[-1]
        if not self.ring:  # and may be all that is left
            self.ring.floor = self.head
        yield refused

    def check_cursor(self, cursor: Cursor, room: str) -> None:
        """Raise `StaleCursor` if a client can't continue from this cursor. ``room`` is for the error text."""
        if cursor.epoch and cursor.epoch != self.epoch:
            raise StaleCursor(f"room {room} has another log than the cursor's: begin without a cursor")
        if cursor.seq > self.state.applied:
            raise StaleCursor(
                f"the cursor {cursor.seq} is beyond the newest event {self.head} of room {room}: "
                "begin without a cursor"
            )
        if 0 < cursor.seq < self.first - 1:
            raise StaleCursor(history_starts(self.first))

    def page(self, after: int | None, before: int | None, limit: int) -> list[Event] | None:
        """Return a page of history from the newest events; None if the log has to be read for it.

        Args:
            after: the page begins after this seq; None: it is a page of the last events before ``before``.
            before: the seq that the page ends before; None: the newest.
            limit: events, at most.
        """
        if after is None:
            return self.ring.before(before, limit)
        if before is None and self.ring.reaches(after):
            return self.ring.after(after, limit)
        return None

    def replay_from(self, count: int) -> int | None:
        """Return the seq after which the last ``count`` events come; None if the log has to be read."""
        return self.ring.before_last(count) if self.ring.complete or len(self.ring) >= count else None

    def take_checkpoint(self, *, own: bool) -> Checkpoint | None:
        """Return a checkpoint if one is due, and count it as written.

        Args:
            own: this replica's owner wrote the newest entry. Others wait one and a half times as long: they
                write a checkpoint only if the writer of the newest entry writes none.
        """
        if not self.state.checkpoint_due(own=own):
            return None
        self.state.checkpointed = self.state.applied
        return self.state.checkpoint()

    def members(self) -> tuple[Member, ...]:
        """Return the members, in the order of joining: the same object until one comes or goes."""
        if self._members is None:
            self._members = tuple(
                Member(one.seat, one.author, one.technique) for one in self.state.members.values()
            )
        return self._members
