"""The bodies of requests and responses, as JSON. Their docstrings are the descriptions in openapi.json."""

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
    "pattern": "^[^\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u2028-\\u202e\\u2066-\\u2069\\ufffe\\uffff]*$",
}
"""What the contract says about names and texts, as far as JSON Schema can.

The room decides (`chat.domain.validation`)."""


class SeatRequest(Struct, frozen=True, omit_defaults=True):
    """Asks for a seat."""

    nick: Annotated[str, Meta(examples=["ann"], extra_json_schema=NICK)]
    """A name that no member of the room has, without invisible characters."""
    cursor: Cursor | None = None
    """The place after which to read; without it the newest events come first."""
    seat_key: str = ""
    """The key of a seat that was taken before; it gets that seat back if it has not ended."""


class SeatAnswer(Struct, frozen=True):
    """The seat is taken; `chat.domain.model.Welcome`, and the seq after which to read."""

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
    """The text of a new message, or the new text of an old one."""

    text: Annotated[str, Meta(examples=["hello"], extra_json_schema=TEXT)]
    """At most 4,000 bytes of UTF-8, no character that acts on a terminal, and not only spaces."""


class Receipt(Struct, frozen=True, gc=False):
    """The draft is stored."""

    n: Number
    """The draft's number: that of the request, or the next one of the seat."""
    seq: Number
    """The seq of the event that the draft became."""
    id: Number
    """The message that it is about."""


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
    """The seq of the latest event that changed the message, or of its ``sent`` event."""
    edited_at: Number = 0
    """When it was edited last; absent: never."""


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


class MemberList(Struct, frozen=True):
    members: list[Member]


class Problem(Struct, frozen=True, omit_defaults=True):
    """An error (RFC 9457)."""

    type: str
    """``urn:chat:`` and the kind of the problem."""
    title: str
    status: int
    detail: str
    """What happened, to what, and what to do next."""
    code: str
    """The name of the error, the same in every technique."""
    n: Number = 0
    """The draft this is about; absent: none."""
    retry_after: float = 0.0
    """Seconds after which another try makes sense; absent: not known."""


encode = msgspec.json.Encoder().encode
decode_seat_request: Decoder[SeatRequest] = Decoder(SeatRequest)
decode_text: Decoder[TextBody] = Decoder(TextBody)
