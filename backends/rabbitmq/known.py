"""What a reader of a room's stream knows of it, kept between one connection of a seat and its next.

Without it, whoever comes back would read the room's tail again (`chat.domain.room.TAIL`); with it, only
what was published meanwhile.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field

from chat.domain.model import Entry, Event
from chat.domain.room import Outcome, Room

RING = 1000
"""Newest events that are kept for the replay and for pages of history."""
KEPT = 8
"""Seats of this process of which it is kept for when they come back; the oldest is let go for one more."""


@dataclass(slots=True)
class Known:
    """A room as it was after the entry ``last``."""

    state: Room = field(default_factory=Room)
    ring: deque[Event] = field(default_factory=lambda: deque(maxlen=RING))
    first: int = 1
    """The seq of the oldest message that the stream still has."""
    last: Entry | None = None
    """The newest entry that was applied: by it the stream is known again. None: not all of it is loaded."""

    def apply(self, entry: Entry) -> Outcome:
        """Do what `Room.apply` does, and keep what it gives."""
        outcome = self.state.apply(entry)
        if isinstance(outcome, Event):
            self.ring.append(outcome)
        if self.last is not None:
            self.last = entry
        return outcome


_kept: OrderedDict[tuple[str, str, str], Known] = OrderedDict()


def keep(url: str, room: str, seat: str, known: Known) -> None:
    """Keep it for the next connection of this seat."""
    _kept[url, room, seat] = known
    while len(_kept) > KEPT:
        _kept.popitem(last=False)


def recall(url: str, room: str, seat: str) -> Known:
    """Return what was kept, and keep it no longer; where nothing was: a room that is not loaded."""
    return _kept.pop((url, room, seat), None) or Known()
