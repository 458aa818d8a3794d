"""Entries of a room as its tests write them, and a log that gives them their seqs."""

from __future__ import annotations

from chat.domain.model import Body, Deleted, Edited, Entry, Event, Joined, Opened, Sent
from chat.domain.room import Outcome, Room

EPOCH = "0ddba11"
SMALL = 12  # the window in the tests that must reach beyond it


def joined(seat: str = "s1", nick: str = "ann", node: str = "n1") -> Joined:
    return Joined(seat, nick, nick.casefold(), "tcp", node)


def sent(n: int, text: str = "hello", seat: str = "s1", nick: str = "ann") -> Sent:
    return Sent(seat, nick, "tcp", n, text)


def edited(n: int, id: int, text: str = "other", seat: str = "s1", nick: str = "ann") -> Edited:
    return Edited(seat, nick, "tcp", n, id, text)


def deleted(n: int, id: int, seat: str = "s1", nick: str = "ann") -> Deleted:
    return Deleted(seat, nick, "tcp", n, id)


class Log:
    """Gives the seqs, and feeds a room."""

    def __init__(self, *bodies: Body) -> None:
        self.room = Room()
        self.entries: list[Entry] = []
        for body in (Opened(EPOCH), joined(), *bodies):
            self.add(body)

    def add(self, body: Body) -> Outcome:
        entry = Entry(len(self.entries) + 1, 1_700_000_000_000 + len(self.entries), body)
        self.entries.append(entry)
        return self.room.apply(entry)

    def accepted(self, body: Body) -> Event:
        outcome = self.add(body)
        assert isinstance(outcome, Event), outcome
        return outcome
