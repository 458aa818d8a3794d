"""What a session knows of its room: which events have come, up to where, and who is in it. No I/O."""

from __future__ import annotations

from chat.domain.event_window import EventWindow
from chat.domain.model import MEMBERSHIP, Cursor, Event, Member, Missing, MissingEvents, Welcome, log_of


class RoomView:
    """The events and members of one room, as they come over one connection after the other."""

    def __init__(self, cursor: Cursor | None) -> None:
        """``cursor``: the events up to it are known from before; None: none is."""
        self.cursor = cursor
        """Every event up to it has come, or is known to be missing."""
        self.members: dict[str, Member] = {}
        """By seat, in the order of joining."""
        self.own_seats: set[str] = set()
        """Several if a seat ended while the session was disconnected."""
        self._head = 0
        self._epoch = ""
        self._window: EventWindow | None = None  # None: no event of this log has come yet
        self._members_at = 0  # the seq of the newest event that changed the members

    def same_log(self, welcome: Welcome) -> bool:
        """Whether a seat that was taken is in the log that is known."""
        return log_of(self._epoch) in ("", log_of(welcome.epoch))

    def welcomed(self, welcome: Welcome) -> None:
        """A seat was taken, or taken again."""
        self.members = {member.seat: member for member in welcome.members}
        self.own_seats.add(welcome.seat)
        self._head, self._epoch = welcome.head, welcome.epoch
        if self.cursor is not None:
            self.cursor = Cursor(self.cursor.seq, welcome.epoch)

    def start_over(self) -> None:
        """The room has another log now."""
        self.cursor = self._window = None
        self._members_at = 0

    @property
    def caught_up(self) -> bool:
        """Whether the replay has reached the head of the welcome."""
        return (self.cursor.seq if self.cursor else 0) >= self._head

    def take(self, event: Event) -> bool:
        """An event has come; return False if it had come before."""
        window = self._since(event.prev)
        new = window.take(event.seq, event.prev)
        if new:
            self.cursor = Cursor(window.floor, self._epoch)
        return new

    def miss(self, missing: MissingEvents) -> tuple[Missing, ...]:
        """Events are missing; return those that have not come after all."""
        window = self._since(missing.events[0].prev)
        lost = tuple(one for one in missing.events if window.miss(one.seq, one.prev))
        self.cursor = Cursor(window.floor, self._epoch)
        return lost

    def follow(self, event: Event) -> bool:
        """Apply a new event to the list of members.

        Returns:
            False if the list must be asked for, because the event came late.
        """
        if event.kind not in MEMBERSHIP:
            return True
        if event.seq < self._members_at:
            return False
        if event.kind == "left":
            self.members.pop(event.seat, None)
        else:
            self.members[event.seat] = Member(event.seat, event.author, event.technique)
        self._members_at = event.seq
        return True

    def refresh(self, members: list[Member], seq: int = 0) -> None:
        """Replace the list of members; ``seq``: it includes at least the event with this seq."""
        self.members = {member.seat: member for member in members}
        self._members_at = max(self._members_at, seq)

    def _since(self, seq: int) -> EventWindow:
        """Return the window; a new one begins after the cursor, or else after this seq."""
        if self._window is None:
            self._window = EventWindow(seq if self.cursor is None else self.cursor.seq)
        return self._window
