"""The values of the domain: drafts, entries, events, members and limits.

Values are frozen ``msgspec`` structs. To create one takes a tenth of the time of a dataclass, and a server
creates two for every message; `chat.domain.json_codec` encodes and decodes them directly. Those that every
message needs are left out of garbage collection (``gc=False``), because none can be part of a cycle.

Units everywhere: ``at`` is integer milliseconds since the Unix epoch, UTC; ``seq`` counts from 1 in
its room; durations are seconds. An empty string or 0 in an optional field means "absent".
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from chat.language import N_

MAX_NUMBER = 2**53 - 1
Number = Annotated[int, Meta(ge=0, le=MAX_NUMBER)]
"""A seq, a draft number or a time: exact in every JSON library and in SQLite."""

# --- drafts: what a client asks for ------------------------------------------------------------


class Say(Struct, frozen=True, gc=False, tag_field="kind", tag="say"):
    """A new message."""

    text: str
    n: Number = 0
    """The draft's number, counted from 1 by its seat. 0: the server takes the next one."""


class Edit(Struct, frozen=True, tag_field="kind", tag="edit"):
    """Replace the text of an own message."""

    id: Number
    """The message: the seq of its ``sent`` event."""
    text: str
    n: Number = 0


class Delete(Struct, frozen=True, tag_field="kind", tag="delete"):
    """Delete an own message."""

    id: Number
    n: Number = 0


Draft = Say | Edit | Delete


class Ack(Struct, frozen=True):
    """The draft is committed to the log and was accepted by the room."""

    n: Number
    seq: Number
    """The seq of the event that the draft became."""


# --- entries: what the log holds ---------------------------------------------------------------


class _Body(Struct, frozen=True, tag_field="kind", tag=str.lower, omit_defaults=True):
    pass


class Opened(_Body, frozen=True):
    """The first entry of every room; ``epoch`` is the identity of this log of this room."""

    epoch: str


class Joined(_Body, frozen=True):
    """A person took a seat."""

    seat: str
    """The seat's public name: a hash of its seat key (`chat.domain.validation.seat_name`)."""
    author: str
    """The nick, NFC."""
    key: str
    """The nick's case folding (`chat.domain.validation.nick_key`). The node that appends the entry computes
    it; only the readers of a stream do so themselves, because anybody may have published the entry."""
    technique: str
    node: str
    """The server that owns the seat's connection."""


class Resumed(_Body, frozen=True):
    """A seat moved to another node or technique."""

    seat: str
    author: str
    technique: str
    node: str


class Left(_Body, frozen=True):
    """A seat ended. Refused unless node and author are those of the seat."""

    seat: str
    author: str
    technique: str
    node: str


class Sent(_Body, frozen=True, gc=False):
    seat: str
    author: str
    technique: str
    n: Number
    text: str


class Edited(_Body, frozen=True):
    seat: str
    author: str
    technique: str
    n: Number
    id: Number
    text: str


class Deleted(_Body, frozen=True):
    seat: str
    author: str
    technique: str
    n: Number
    id: Number


class SeatState(Struct, frozen=True):
    """One member, as a checkpoint carries it."""

    seat: str
    author: str
    key: str
    technique: str
    node: str
    n: Number
    """The seat's highest draft number so far."""


class Checkpoint(_Body, frozen=True):
    """The state so far, for a reader whose log lacks the beginning. Not an event."""

    epoch: str
    head: Number
    members: tuple[SeatState, ...]


Body = Opened | Joined | Resumed | Left | Sent | Edited | Deleted | Checkpoint


class Entry(Struct, frozen=True, gc=False):
    """A committed line of the log. Only `chat.domain.room.Room.apply` decides what it means."""

    seq: Number
    at: Number
    body: Body


# --- events: what every client of the room sees ------------------------------------------------

Kind = Literal["opened", "joined", "resumed", "left", "sent", "edited", "deleted"]
MEMBERSHIP = frozenset(("joined", "resumed", "left"))
"""Kinds of events that change the list of members."""


class Event(Struct, frozen=True, gc=False, omit_defaults=True):
    """An accepted entry. Flat, so that every technique can carry it in its own way."""

    kind: Kind
    seq: Number
    prev: Number
    """The seq of the event before this one; 0 for the first. Seqs have holes, prev has none."""
    at: Number
    author: str = ""
    """The nick; the right to edit and delete belongs to the seat."""
    seat: str = ""
    technique: str = ""
    n: Number = 0
    """The author's draft number (sent, edited, deleted)."""
    id: Number = 0
    """The message this is about: its own seq for sent, the target's for edited and deleted."""
    text: str = ""
    """The text (sent, edited), or the epoch (opened)."""


class Missing(Struct, frozen=True, gc=False, omit_defaults=True):
    """An event that did not come: its place and its kind, not its content."""

    seq: Number
    prev: Number
    kind: Kind = "sent"


class MissingEvents(Struct, frozen=True):
    """Events that a technique has lost, in the room's order. Each may still come, late."""

    events: tuple[Missing, ...]

    @property
    def seqs(self) -> list[int]:
        return [one.seq for one in self.events]

    def __str__(self) -> str:
        """Name them for a person: ``2 messages missing: 41, 43``."""
        messages = [str(one.seq) for one in self.events if one.kind == "sent"]
        others = [f"{one.seq} ({one.kind})" for one in self.events if one.kind != "sent"]
        parts = []
        if messages:
            seqs, n = ", ".join(messages), len(messages)
            parts.append(N_(f"{n} message{'s' if n > 1 else ''} missing: {seqs}"))
        if others:
            seqs, n = ", ".join(others), len(others)
            parts.append(N_(f"{n} event{'s' if n > 1 else ''} missing: {seqs}"))
        return "; ".join(parts)


# --- joining -----------------------------------------------------------------------------------


class Cursor(Struct, frozen=True):
    """A place in a room's log. An empty epoch means the current one; seq 0 the beginning."""

    seq: Number
    epoch: str = ""


def log_of(epoch: str) -> str:
    """Return what names the log in an epoch.

    Behind a point is the generation, another one after each start of a server. Only servers compare those.
    """
    return epoch.partition(".")[0]


class Hello(Struct, frozen=True):
    """Asks for a seat.

    With a cursor every event after it is replayed, without one the newest events.
    """

    room: str
    nick: str
    cursor: Cursor | None = None
    access: str = ""
    """The shared access token."""
    seat_key: str = ""
    """The key of a seat that was taken before. If that seat has not ended, it is given back."""
    replay: Number | None = None
    """Without a cursor: how many of the newest events to replay; `Limits.replay` at most, also for None."""

    def events(self, limits: Limits) -> int:
        """Return how many of the newest events to replay to a client without a cursor."""
        return limits.replay if self.replay is None else min(self.replay, limits.replay)


class Member(Struct, frozen=True, omit_defaults=True):
    seat: str
    nick: str
    technique: str
    seen: Number | None = None
    """The seq up to which its client has what came, as far as its server knows; None: not known, or not asked
    for. Over a technique that pushes: what its connection has taken. Over one that polls: the place after
    which it asked last."""


class Limits(Struct, frozen=True):
    """What the server allows. Every client gets it in its `Welcome`."""

    text_bytes: int = 4000
    """UTF-8 bytes of one message."""
    nick_chars: int = 24
    nick_bytes: int = 96
    frame_bytes: int = 65536
    """The largest frame (line, body, datagram, ...) that a client may send."""
    burst: int = 50
    """Drafts a seat may send at once; 0: no limit."""
    rate: float = 10.0
    """Drafts a second after the burst."""
    replay: int = 200
    """Events replayed to a client without a cursor."""
    page: int = 200
    """Events in one reply to a history request, at most."""
    grace: float = 15.0
    """Seconds that a seat outlives its connection."""
    rooms: int = 1000
    """Rooms in use: an empty one is archived after `Bounds.empty`."""
    seats: int = 2000


class Bounds(Struct, frozen=True):
    """What the server allows one address and one connection.

    They are in no welcome, because a client for one person never meets them. In a number of things 0 means
    no bound.
    """

    entries: int = 500
    """Lines about people who come that an address may cause at once: a new seat, or one that moves to another
    technique. As many as a class behind one address needs, after a restart too."""
    entry_rate: float = 2.0
    """Such lines a second after that."""
    new_rooms: int = 100
    """Rooms that an address may open at once."""
    room_rate: float = 0.1
    """New rooms a second after that."""
    address_seats: int = 500
    """Seats of one address: a quarter of `Limits.seats`."""
    loopback_seats: int = 1500
    """Seats from this machine itself: everybody on a login server, behind a tunnel or a proxy has its
    address."""
    connection_seats: int = 200
    """Seats that were taken over one connection."""
    pages: int = 300
    """Pages of history, or lists of members, that a seat may read at once. To go on reading from where one is
    costs nothing within the newest events."""
    page_rate: float = 100.0
    """Such pages a second after that."""
    address_pages: int = 1000
    """The same for an address, of what it reads without a seat."""
    address_page_rate: float = 200.0
    unread_bytes: int = 32 * 1024 * 1024
    """Bytes that wait for all connections together whose peers do not read."""
    empty: float = 600.0
    """Seconds after which an empty room is archived."""


NO_BOUNDS = Bounds(
    entries=0,
    new_rooms=0,
    address_seats=0,
    loopback_seats=0,
    connection_seats=0,
    pages=0,
    address_pages=0,
)
"""For a server that is measured."""


class Welcome(Struct, frozen=True):
    """The seat is taken."""

    room: str
    nick: str
    seat: str
    seat_key: str
    epoch: str
    first: Number
    """The seq of the oldest event that can still be read; 0: none."""
    head: Number
    """The seq of the newest event; the replay reaches at least this far."""
    n: Number
    """The highest draft number that this seat has used: the next is one more."""
    members: tuple[Member, ...]
    limits: Limits
