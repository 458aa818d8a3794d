"""The messages: one JSON object in each datagram. No I/O.

`docs/datagrams.md` is the specification. Messages that the line protocol has too come from
`chat.domain.json_codec`.
"""

from __future__ import annotations

from collections.abc import Sequence
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
"""Bytes of a datagram that nearly every network carries in one piece. A longer one travels in fragments, and
is lost if one of them is (RFC 8085, section 3.2; QUIC uses the same size, RFC 9000, section 14)."""
MAX_DATAGRAM = 65507
"""The most bytes of a datagram: 65,535 less the headers of IPv4 and UDP (RFC 768)."""
TRAILER = 64
"""The most bytes that `backends.udp.message_auth` adds: a newline, the counter, a space, the MAC."""
MAX_BODY = MTU - TRAILER
"""Bytes of JSON that leave space for a trailer: all readers get the same JSON, with a trailer or without."""
MAX_NONCE_CHARS = 32
MIN_HELLO = 256
"""The least bytes of our client's hello. The cookie that answers it is shorter: before an address is proven,
a server never sends more bytes to it than came from it (RFC 9000, section 8.1 allows three times as many)."""

Nonce = Annotated[str, Meta(max_length=MAX_NONCE_CHARS)]

# --- client to server --------------------------------------------------------------------------


class HelloMessage(Struct, frozen=True, tag_field="kind", tag="hello", omit_defaults=True):
    """Asks for a cookie and, with one, for a seat."""

    nick: str
    room: str = "lab"
    after: Number | None = None
    epoch: str = ""
    seat_key: str = ""
    replay: Number | None = None
    nonce: Nonce = ""
    """Chosen at random for every connection; comes back in the answers, and the keys are derived from it."""
    cookie: str = ""
    pad: str = ""

    @classmethod
    def of(cls, hello: Hello, nonce: str) -> HelloMessage:
        """Return the message for a hello, without its access token: that is never sent."""
        cursor = hello.cursor
        return cls(
            nick=hello.nick,
            room=hello.room,
            after=cursor.seq if cursor else None,
            epoch=cursor.epoch if cursor else "",
            seat_key=hello.seat_key,
            replay=hello.replay,
            nonce=nonce,
        )

    def hello(self, access: str) -> Hello:
        """Return what the hub needs, with the access token that the message's trailer has proven."""
        cursor = None if self.after is None else Cursor(self.after, self.epoch)
        return Hello(self.room, self.nick, cursor, access, self.seat_key, self.replay)


class NamesMessage(Struct, frozen=True, tag_field="kind", tag="names", omit_defaults=True):
    """Asks which events there are between two seqs: their places and kinds, no text."""

    after: Number
    before: Number
    ref: Number = 0


class MembersMessage(Struct, frozen=True, tag_field="kind", tag="members", omit_defaults=True):
    """Asks for a page of the members, beginning with the one at index ``skip``."""

    ref: Number = 0
    skip: Number = 0


class AwayMessage(Struct, frozen=True, tag_field="kind", tag="away"):
    """Ends the connection; the seat stays for the grace time. Not answered."""


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
    """Answers a hello without a valid cookie: the client sends it again with this one."""

    cookie: str
    nonce: Nonce = ""
    access: bool = False
    """Whether the server asks for the access token: the hello and everything after it carries a MAC."""


class WelcomeMessage(Struct, frozen=True, tag_field="kind", tag="welcome", omit_defaults=True):
    """The seat is taken. Events come from now on; those after ``start`` can be asked for."""

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
        """Return the message for a welcome, without its members: they are asked for."""
        room, nick, seat, seat_key = welcome.room, welcome.nick, welcome.seat, welcome.seat_key
        first, head, n = welcome.first, welcome.head, welcome.n
        return cls(
            room, nick, seat, seat_key, welcome.epoch, first, head, n, start, welcome.limits, nonce, salt
        )

    def welcome(self, members: Sequence[Member]) -> Welcome:
        """Return what the session needs."""
        theirs = (name for name in Welcome.__struct_fields__ if name != "members")
        return Welcome(members=tuple(members), **{name: getattr(self, name) for name in theirs})


class EndMessage(Struct, frozen=True, tag_field="kind", tag="end", omit_defaults=True):
    """Says why the connection ends, or why a hello is refused. Nothing comes after it."""

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
    """The reply to ``history``: as many events as fit in a datagram, at least one if there is any."""

    ref: Number
    head: Number
    events: list[Event]


class NameListMessage(Struct, frozen=True, tag_field="kind", tag="names"):
    """The reply to ``names``."""

    ref: Number
    more: bool
    """Whether there are more between the last one and ``before``."""
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
    """The reply to a ping or a leave from an address without a seat; not longer than either."""


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


_request: Decoder[Request] = Decoder(Request, null_is_absent=True)
_response: Decoder[Response] = Decoder(Response)
_event: Decoder[Event] = Decoder(Event)
_kind: Decoder[_Kind] = Decoder(_Kind)


def decode_request(data: bytes) -> Request:
    """Return what a client sent. Raises `BadRequest`, with ``n`` and ``ref`` if they could be read."""
    return decode_numbered(_request, data)


def decode_response(data: bytes) -> Response | Event:
    """Return what a server sent. Raises `BadRequest`."""
    if _kind.decode(data).kind in EVENT_KINDS:
        return _event.decode(data)
    return _response.decode(data)


def encode_hello(hello: HelloMessage) -> bytes:
    """Return the hello, padded to `MIN_HELLO` bytes. Raises UnicodeEncodeError for a lone surrogate."""
    plain = encode(hello)
    if len(plain) >= MIN_HELLO:
        return plain
    pad = "x" * (MIN_HELLO - len(plain))
    return plain[:-1] + b',"pad":"%b"}' % pad.encode()
