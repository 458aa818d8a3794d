"""A room as in a good tutorial: a list in memory, no rules that a tutorial would leave out. No I/O.

The broken twins are built around it. It does what `docs/protocol.md` asks of a room, and nothing more.
"""

from __future__ import annotations

import secrets
import time
import uuid

from chat.domain.errors import NickTaken, NoSuchMessage, NotYours
from chat.domain.model import Ack, Draft, Edit, Event, Hello, Kind, Limits, Member, Say, Welcome
from chat.domain.validation import seat_name

LIMITS = Limits(burst=0)
"""It has no limit of drafts."""


class TextbookRoom:
    """The members and the log of one room."""

    def __init__(self) -> None:
        self.epoch = str(uuid.uuid4())
        self.log: list[Event] = []
        self.members: dict[str, Member] = {}
        """By seat key."""
        self.numbers: dict[str, int] = {}
        """By seat: the highest draft number so far."""
        self._done: dict[tuple[str, int], int] = {}  # by seat and number: the seq that a draft became
        self._add("opened", text=self.epoch)

    @property
    def head(self) -> int:
        return self.log[-1].seq

    def enter(self, hello: Hello, technique: str) -> tuple[Welcome, str, list[Event]]:
        """Give a seat, or give it back; return its welcome, its key, and what has happened by that.

        Raises:
            NickTaken: another seat has the nick.
        """
        news: list[Event] = []
        if (key := hello.seat_key) not in self.members:
            if any(member.nick.casefold() == hello.nick.casefold() for member in self.members.values()):
                raise NickTaken(f"{hello.nick} is taken")
            key = secrets.token_urlsafe(12)
            member = Member(seat_name(key), hello.nick, technique)
            self.members[key] = member
            news.append(self._add("joined", member))
        member = self.members[key]
        welcome = Welcome(
            hello.room, member.nick, member.seat, key, self.epoch, 1, self.head,
            self.numbers.get(member.seat, 0), tuple(self.members.values()), LIMITS,
        )  # fmt: skip
        return welcome, key, news

    def leave(self, key: str) -> list[Event]:
        """End a seat; return what has happened by that."""
        member = self.members.pop(key, None)
        return [self._add("left", member)] if member else []

    def apply(self, key: str, draft: Draft, *, numbered: bool = True) -> Event | Ack:
        """Do what a draft asks for, once.

        Args:
            key: of the seat.
            draft: the draft.
            numbered: remember its number, so that the same draft is recognised when it comes again.

        Raises:
            ChatError: the room refuses it.
        """
        member = self.members[key]
        n = draft.n or self.numbers.get(member.seat, 0) + 1
        if numbered and (seq := self._done.get((member.seat, n))) is not None:
            return Ack(n, seq)
        if not isinstance(draft, Say):
            self._check(member, draft.id, n)
        self.numbers[member.seat] = max(n, self.numbers.get(member.seat, 0))
        match draft:
            case Say():
                event = self._add("sent", member, n if numbered else 0, self.head + 1, draft.text)
            case Edit():
                event = self._add("edited", member, n if numbered else 0, draft.id, draft.text)
            case _:
                event = self._add("deleted", member, n if numbered else 0, draft.id)
        self._done[member.seat, n] = event.seq
        return event

    def page(self, after: int | None, before: int | None, limit: int) -> list[Event]:
        """Return a page of events, as `ChatClient.history` does."""
        found = [one for one in self.log if (after or 0) < one.seq < (before or self.head + 1)]
        return found[:limit] if after is not None else found[-limit:]

    def replay(self, hello: Hello) -> list[Event]:
        """Return the events that a client gets first."""
        if hello.cursor is not None:
            return [one for one in self.log if one.seq > hello.cursor.seq]
        return self.log[max(0, len(self.log) - hello.events(LIMITS)) :]

    def _check(self, member: Member, id: int, n: int) -> None:
        message = next((one for one in self.log if one.seq == id and one.kind == "sent"), None)
        if message is None:
            raise NoSuchMessage(f"there is no message {id}", n=n)
        if message.seat != member.seat:
            raise NotYours(f"message {id} is not yours", n=n)

    def _add(
        self, kind: Kind, member: Member | None = None, n: int = 0, id: int = 0, text: str = ""
    ) -> Event:
        seq = self.log[-1].seq + 1 if self.log else 1
        author, seat, technique = (member.nick, member.seat, member.technique) if member else ("", "", "")
        event = Event(kind, seq, seq - 1, int(time.time() * 1000), author, seat, technique, n, id, text)
        self.log.append(event)
        return event
