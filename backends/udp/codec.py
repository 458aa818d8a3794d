"""The datagrams: one JSON object in each. No I/O.

`docs/datagrams.md` is the specification. What is the same as in the line protocol comes from
`chat.domain.json_codec`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated

from msgspec import Meta, Struct

from chat.domain.errors import ERRORS, ChatError
from chat.domain.json_codec import (
    EVENT_KINDS,
    AckMessage,
    Decoder,
    ErrorMessage,
    HistoryMessage,
    LeaveMessage,
    PingMessage,
    decode_numbered,
    encode,
)
from chat.domain.model import (
    Cursor,
    Delete,
    Edit,
    Event,
    Hello,
    Limits,
    Member,
    Missing,
    Number,
    Say,
    Welcome,
)
from chat.domain.validation import printable

MTU = 1200
"""Bytes of a datagram that pass nearly every network in one piece; a longer one travels in fragments, and is
lost when one of them is (RFC 8085, section 3.2; QUIC takes the same, RFC 9000, section 14)."""
LONGEST = 65507
"""Bytes of a datagram at most: 65,535 less the headers of IPv4 and UDP (RFC 768)."""
SEAL = 64
"""Bytes that a seal adds at most (`backends.udp.seal`): a newline, the counter, a blank, the MAC."""
FIT = MTU - SEAL
"""Bytes of JSON that leave room for a seal: all get the same JSON, with a seal or without."""
NONCE_CHARS = 32
PADDED = 256
"""Bytes of a client's hello at least. The cookie that answers it is shorter: a server never sends more to an
address than came from there until it knows that somebody is there."""

Nonce = Annotated[str, Meta(max_length=NONCE_CHARS)]

# --- client to server --------------------------------------------------------------------------


class HelloMessage(Struct, frozen=True, tag_field="kind", tag="hello", omit_defaults=True):
    """Asks for a cookie and, with one, for a seat."""

    nick: str
    room: str = "lab"
    after: Number | None = None
    epoch: str = ""
    seat_key: str = ""
    nonce: Nonce = ""
    """Chosen anew for every connection; comes back in the answers, and makes the keys of the seals."""
    cookie: str = ""
    pad: str = ""

    @classmethod
    def of(cls, hello: Hello, nonce: str) -> HelloMessage:
        cursor = hello.cursor
        return cls(
            nick=hello.nick,
            room=hello.room,
            after=cursor.seq if cursor else None,
            epoch=cursor.epoch if cursor else "",
            seat_key=hello.seat_key,
            nonce=nonce,
        )

    def hello(self, access: str) -> Hello:
        cursor = None if self.after is None else Cursor(self.after, self.epoch)
        return Hello(self.room, self.nick, cursor, access, self.seat_key)


class NamesMessage(Struct, frozen=True, tag_field="kind", tag="names", omit_defaults=True):
    """Asks which events there are between two seqs: their places and kinds."""

    after: Number
    before: Number
    ref: Number = 0


class MembersMessage(Struct, frozen=True, tag_field="kind", tag="members", omit_defaults=True):
    """Asks for a page of the members, from the one at this place on."""

    ref: Number = 0
    skip: Number = 0


class AwayMessage(Struct, frozen=True, tag_field="kind", tag="away"):
    """Ends the connection; the seat stays for the grace time."""


Request = (
    HelloMessage
    | Say
    | Edit
    | Delete
    | HistoryMessage
    | NamesMessage
    | MembersMessage
    | PingMessage
    | LeaveMessage
    | AwayMessage
)

# --- server to client --------------------------------------------------------------------------


class CookieMessage(Struct, frozen=True, tag_field="kind", tag="cookie", omit_defaults=True):
    """Answers a hello without a cookie: say it again, with this one."""

    cookie: str
    nonce: Nonce = ""
    access: bool = False
    """The server asks for the access token: seal the hello, and everything after it."""


class WelcomeMessage(Struct, frozen=True, tag_field="kind", tag="welcome", omit_defaults=True):
    """The seat is taken. Events come from now on; what happened after ``start`` is there to be asked for."""

    room: str
    nick: str
    seat: str
    seat_key: str
    epoch: str
    first: Number
    head: Number
    n: Number
    start: Number
    limits: Limits
    nonce: Nonce = ""
    salt: str = ""

    @classmethod
    def of(cls, welcome: Welcome, start: int, nonce: str, salt: str) -> WelcomeMessage:
        own = (name for name in cls.__struct_fields__ if name not in ("start", "nonce", "salt"))
        return cls(start=start, nonce=nonce, salt=salt, **{name: getattr(welcome, name) for name in own})

    def welcome(self, members: Sequence[Member]) -> Welcome:
        theirs = (name for name in Welcome.__struct_fields__ if name != "members")
        return Welcome(members=tuple(members), **{name: getattr(self, name) for name in theirs})


class EndMessage(Struct, frozen=True, tag_field="kind", tag="end", omit_defaults=True):
    """The last word of a connection, or of a hello that is refused."""

    code: str
    text: str
    nonce: Nonce = ""
    retry_after: float | None = None

    @classmethod
    def of(cls, error: ChatError, nonce: str) -> EndMessage:
        plain = ErrorMessage.of(error)
        return cls(plain.code, plain.text, nonce, plain.retry_after)

    def error(self) -> ChatError:
        return ERRORS.get(self.code, ChatError)(printable(self.text), retry_after=self.retry_after)


class EventsMessage(Struct, frozen=True, tag_field="kind", tag="events"):
    """Several events that happened close together."""

    events: list[Event]


class PageMessage(Struct, frozen=True, tag_field="kind", tag="page"):
    """The reply to ``history``: as many events as a datagram holds, at least one if there is any."""

    ref: Number
    head: Number
    events: list[Event]


class NameListMessage(Struct, frozen=True, tag_field="kind", tag="names"):
    """The reply to ``names``."""

    ref: Number
    more: bool
    """There are more between the last one and ``before``."""
    names: list[Missing]


class MemberListMessage(Struct, frozen=True, tag_field="kind", tag="members"):
    """The reply to ``members``."""

    ref: Number
    more: bool
    members: list[Member]


class PongMessage(Struct, frozen=True, tag_field="kind", tag="pong"):
    """The reply to ``ping``; ``head`` is the seq of the newest event that was sent."""

    ref: Number
    head: Number


class GoneMessage(Struct, frozen=True, tag_field="kind", tag="gone"):
    """The reply to a ping or a leave from an address that has no seat; not longer than either."""


Response = (
    CookieMessage
    | WelcomeMessage
    | EndMessage
    | EventsMessage
    | AckMessage
    | ErrorMessage
    | PageMessage
    | NameListMessage
    | MemberListMessage
    | PongMessage
    | GoneMessage
)


class _Kind(Struct):
    kind: str


_request: Decoder[Request] = Decoder(Request)
_response: Decoder[Response] = Decoder(Response)
_event: Decoder[Event] = Decoder(Event)
_kind: Decoder[_Kind] = Decoder(_Kind)


def decode_request(data: bytes) -> Request:
    """Return what a client sent. Raises `BadRequest`, with the numbers that could be read."""
    return decode_numbered(_request, data)


def decode_response(data: bytes) -> Response | Event:
    """Return what a server sent. Raises `BadRequest`."""
    if _kind.decode(data).kind in EVENT_KINDS:
        return _event.decode(data)
    return _response.decode(data)


def encode_hello(hello: HelloMessage) -> bytes:
    """Return the hello, padded so that its answer is shorter. Raises UnicodeEncodeError."""
    plain = encode(hello)
    if len(plain) >= PADDED:
        return plain
    pad = "x" * (PADDED - len(plain))
    return plain[:-1] + b',"pad":"%b"}' % pad.encode()


# --- what fits -----------------------------------------------------------------------------------


class Packer:
    """Fills one list in one datagram."""

    def __init__(self, opening: bytes, closing: bytes = b"]}") -> None:
        self._opening, self._closing = opening, closing
        self._room = FIT - len(opening) - len(closing)
        self._parts: list[bytes] = []

    def __len__(self) -> int:
        return len(self._parts)

    def add(self, part: bytes) -> bool:
        """Take one in; return False if it does not fit beside those that are there. The first always does."""
        if self._parts and len(part) + 1 > self._room:
            return False
        self._parts.append(part)
        self._room -= len(part) + 1
        return True

    def add_all(self, items: Iterable[object]) -> bool:
        """Take in what fits, in order; return whether all did."""
        return all(self.add(encode(item)) for item in items)

    def datagram(self, *, backwards: bool = False) -> bytes:
        """Return the datagram; ``backwards``: the last that was taken in stands first."""
        parts = self._parts[::-1] if backwards else self._parts
        return self._opening + b",".join(parts) + self._closing


def pack(events: Sequence[Event]) -> tuple[bytes, ...]:
    """Return the events in as few datagrams as hold them: one alone as it is, several as ``events``."""
    datagrams: list[bytes] = []
    batch: list[bytes] = []
    room = 0
    for part in map(encode, events):
        if len(part) >= room and batch:
            datagrams.append(_together(batch))
            batch = []
        if not batch:
            room = FIT - len(_EVENTS) - 2
        batch.append(part)
        room -= len(part) + 1
    if batch:
        datagrams.append(_together(batch))
    return tuple(datagrams)


_EVENTS = b'{"kind":"events","events":['


def _together(parts: list[bytes]) -> bytes:
    return parts[0] if len(parts) == 1 else _EVENTS + b",".join(parts) + b"]}"


def encode_page(ref: int, head: int, events: Sequence[Event], *, backwards: bool) -> bytes:
    """Return the page; of more events than fit the first ones, ``backwards`` the last ones."""
    packer = Packer(b'{"kind":"page","ref":%d,"head":%d,"events":[' % (ref, head))
    packer.add_all(reversed(events) if backwards else events)
    return packer.datagram(backwards=backwards)


def encode_names(ref: int, events: Sequence[Event], more: bool) -> bytes:
    """Return the places and kinds; ``more``: there are others behind these events."""
    packer = Packer(b'{"kind":"names","ref":%d,"names":[' % ref, b'],"more":false}')
    whole = packer.add_all(Missing(event.seq, event.prev, event.kind) for event in events)
    return _say_more(packer.datagram(), more or not whole)


def encode_members(ref: int, members: Sequence[Member]) -> bytes:
    """Return as many of the members as fit."""
    packer = Packer(b'{"kind":"members","ref":%d,"members":[' % ref, b'],"more":false}')
    whole = packer.add_all(members)
    return _say_more(packer.datagram(), not whole)


def _say_more(datagram: bytes, more: bool) -> bytes:
    return datagram.removesuffix(b"false}") + b"true}" if more else datagram
