"""The bodies of requests and responses, as JSON. `backends.rest.descriptions` explains them to users."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from chat.domain.json_codec import Decoder
from chat.domain.model import Cursor, Event, Limits, Member, Number, Welcome

LIMITS = Limits()
NICK = {"minLength": 1, "maxLength": LIMITS.nick_chars, "pattern": r"^[^\s/@#]\S*$"}
TEXT = {
    "minLength": 1,
    "maxLength": LIMITS.text_bytes,
    "pattern": r"^[^\x00-\x08\x0b-\x1f\x7f]*$",
}
"""The rules for nicks and texts, as far as a pattern can express them that all engines read alike.

PCRE and Go's regexp do not know ``\\uXXXX``, and PCRE without its flag ``u``, as generated PHP has it,
compares bytes: so a class names characters of ASCII only. The room checks all rules.
"""


class SeatRequest(Struct, frozen=True, omit_defaults=True):
    """Asks for a seat."""

    nick: Annotated[str, Meta(examples=["ann"], extra_json_schema=NICK)]
    cursor: Cursor | None = None
    """Where to read on; None: begin with the newest events."""
    seat_key: str = ""
    """The key of a seat that was taken before; "": a new seat."""
    replay: Number | None = None
    """Without a cursor: how many of the newest events to read first."""


class SeatAnswer(Struct, frozen=True):
    """The seat is taken: a `Welcome`, and where to read on."""

    room: str
    nick: str
    seat: str
    seat_key: str
    start: Number
    """The seq after which to ask for events."""
    epoch: str
    first: Number
    head: Number
    n: Number
    members: tuple[Member, ...]
    limits: Limits

    @classmethod
    def of(cls, welcome: Welcome, start: int) -> SeatAnswer:
        return cls(start=start, **{name: getattr(welcome, name) for name in Welcome.__struct_fields__})

    def welcome(self) -> Welcome:
        return Welcome(**{name: getattr(self, name) for name in Welcome.__struct_fields__})


class TextBody(Struct, frozen=True):
    """The text of a message."""

    text: Annotated[str, Meta(examples=["hello"], extra_json_schema=TEXT)]


class Receipt(Struct, frozen=True, gc=False):
    """The draft is stored."""

    n: Number
    """The draft's number: that of the request, or the one that the server chose."""
    seq: Number
    """The seq of the event that the draft became."""
    id: Number
    """The message."""


class Message(Struct, frozen=True, omit_defaults=True):
    """A message as it is now."""

    id: Number
    author: str
    seat: str
    technique: str
    at: Number
    """When it was sent."""
    text: str
    seq: Number
    """The seq of the latest event that changed the message; its id if none did."""
    edited_at: Number = 0
    """When it was last edited; 0: never."""


class EventPage(Struct, frozen=True):
    """Events in the room's order."""

    events: list[Event]
    head: Number
    """The seq of the room's newest event."""


class RoomState(Struct, frozen=True):
    room: str
    epoch: str
    head: Number


class RoomList(Struct, frozen=True):
    rooms: list[str]


class MemberList(Struct, frozen=True, omit_defaults=True):
    members: list[Member]
    behind: dict[str, int] = {}


class Problem(Struct, frozen=True, omit_defaults=True):
    """An error (RFC 9457)."""

    type: str
    """``urn:chat:`` and the kind of the problem."""
    title: str
    status: int
    detail: str
    """What happened, to what, and what to do next."""
    code: str
    """The error's name, the same in every technique."""
    n: Number = 0
    """The refused draft; 0: none."""
    retry_after: float = 0.0
    """Seconds after which to try again; 0: not known."""


encode = msgspec.json.Encoder().encode
decode_seat_request: Decoder[SeatRequest] = Decoder(SeatRequest, null_is_absent=True)
decode_text: Decoder[TextBody] = Decoder(TextBody, null_is_absent=True)
