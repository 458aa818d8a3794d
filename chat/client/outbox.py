"""The drafts of one session that the room has not answered yet. No I/O, no clock, no tasks."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import structs

from chat.domain.event_window import WIDTH
from chat.domain.model import Draft, Say


@dataclass(slots=True)
class QueuedDraft:
    """A draft in the outbox."""

    token: int
    """What the user's call returned."""
    draft: Draft
    """Its number is 0 until it is sent for the first time: only the welcome tells where to count from."""
    since: float
    """When the user made it, by the session's clock."""
    on_wire: bool = False
    """It was sent over the connection of now."""


class Outbox:
    """Drafts in the order of the user's calls, and the numbers of those that were sent.

    A draft is removed when the room's answer is known. Its number is remembered until its event has come,
    because the event may come after an explicit acknowledgement.
    """

    def __init__(self) -> None:
        self.number = 0
        """The highest draft number that this session has used."""
        self._tokens = 0
        self._queued: dict[int, QueuedDraft] = {}  # by token
        self._sent: dict[int, QueuedDraft] = {}  # by draft number

    def __len__(self) -> int:
        return len(self._queued)

    @property
    def tokens(self) -> list[int]:
        """The tokens of the drafts in it, oldest first."""
        return list(self._queued)

    def add(self, draft: Draft, now: float) -> int:
        """Append a draft; return its token."""
        self._tokens += 1
        self._queued[self._tokens] = QueuedDraft(self._tokens, draft, now)
        return self._tokens

    def next(self) -> QueuedDraft | None:
        """Return the oldest draft that is to be sent."""
        return next((one for one in self._queued.values() if not one.on_wire), None)

    def sending(self, queued: QueuedDraft) -> None:
        """It is sent now: give it a number, unless it has one from an earlier connection."""
        if not queued.draft.n:
            self.number += 1
            queued.draft = structs.replace(queued.draft, n=self.number)
        self._sent[queued.draft.n] = queued
        while len(self._sent) > len(self._queued) + WIDTH:  # the event of the oldest will not come any more
            gone = (n for n, one in self._sent.items() if one.token not in self._queued)
            del self._sent[next(gone)]
        queued.on_wire = True

    def arrived(self, n: int) -> QueuedDraft | None:
        """The event of the draft with this number has come: remove the draft, and return it."""
        if (queued := self._sent.pop(n, None)) is not None:
            self._queued.pop(queued.token, None)
        return queued

    def acknowledged(self, queued: QueuedDraft) -> bool:
        """Remove a draft whose event may still come; return False if it was not there any more."""
        return self._queued.pop(queued.token, None) is not None

    def failed(self, queued: QueuedDraft) -> None:
        """Remove a draft that was refused for good: its event will not come."""
        self._queued.pop(queued.token, None)
        self._sent.pop(queued.draft.n, None)

    def on_wire(self) -> list[QueuedDraft]:
        """Return the drafts that were sent over the last connection and not answered."""
        return [one for one in self._queued.values() if one.on_wire]

    def send_again(self) -> None:
        """Mark every draft that was sent as to be sent again, over a new connection."""
        for queued in self._queued.values():
            queued.on_wire = False

    def changes(self) -> list[QueuedDraft]:
        """Return the drafts that change a message."""
        return [one for one in self._queued.values() if not isinstance(one.draft, Say)]
