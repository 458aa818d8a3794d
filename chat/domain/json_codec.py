"""The domain as JSON: the messages of the line protocols, the log's bodies, ``--json``.

`docs/protocol.md` is the specification. Every object has a ``kind``. Decoding is strict: a wrong type or
an unknown kind is an error that says where. Unknown fields are ignored, so that a newer peer may add some.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from operator import attrgetter
from typing import Any, Generic, TypeVar, get_args

import msgspec
from msgspec import Struct

from chat.domain.errors import ERRORS, BadRequest, ChatError
from chat.domain.json_depth import MAX_DEPTH, too_deep
from chat.domain.keep_last import keep_last
from chat.domain.model import (
    MAX_NUMBER,
    Ack,
    Body,
    Cursor,
    Delete,
    Edit,
    Event,
    Hello,
    Limits,
    Member,
    MissingEvents,
    Number,
    Say,
    Welcome,
)
from chat.domain.validation import printable
from chat.language import N_

T = TypeVar("T")
WHY = (
    N_("invalid character (byte {n})"),
    N_("Input data was truncated"),
    N_("trailing characters (byte {n})"),
)
"""What msgspec says most often of bytes that are not JSON."""

ZWJ = "\u200d"

_encoder = msgspec.json.Encoder()
encode = _encoder.encode
"""Return any struct of the model or of this module as JSON, UTF-8, without a newline."""


def shorten(text: str, size: int = 160) -> str:
    """Return the text, with its middle left out if it is longer than ``size`` characters."""
    if len(text) <= size:
        return text
    # A zero-width joiner would be measured as one with the blank, and the line be a cell too long.
    return f"{text[: size // 2].rstrip(ZWJ)} ... {text[-size // 2 :]}"


class Decoder(Generic[T]):
    """Decodes JSON values of one type.

    Args:
        what: the type.
        null_is_absent: read ``null`` in a field as if the field was not there. So some libraries write what
            they do not have.
    """

    def __init__(self, what: Any, *, null_is_absent: bool = False) -> None:
        self._what, self._null_is_absent = what, null_is_absent
        self._decode: Callable[[bytes], T] = msgspec.json.Decoder(what).decode

    def decode(self, data: bytes) -> T:
        """Return the value. Raises `BadRequest`, with a text for the sender."""
        if too_deep(data):
            raise BadRequest(N_(f"JSON nested too deeply: {MAX_DEPTH} levels are allowed"))
        try:
            try:
                return self._decode(data)
            except msgspec.ValidationError:
                if not self._null_is_absent or b"null" not in data:
                    raise
            value: T = msgspec.convert(_without_null(msgspec.json.decode(data)), self._what)
            return value
        except msgspec.ValidationError as error:
            # The error quotes the value, which may be as long as a frame.
            raise BadRequest(N_(f"JSON of the wrong shape: {shorten(printable(str(error)))}")) from None
        except msgspec.DecodeError as error:
            why = str(error).removeprefix("JSON is malformed: ")  # one of WHY
            if why.endswith("truncated") and b"\\ud" in data.lower():
                why += ", or a surrogate (\\ud800 to \\udfff) stands alone"
            raise BadRequest(N_(f"not JSON: {why}")) from None
        except UnicodeDecodeError as error:
            byte = f"0x{error.object[error.start]:02x}"
            raise BadRequest(N_(f"not UTF-8: byte {byte}")) from None


def _without_null(value: Any) -> Any:
    """Return a JSON value, but in its objects no fields that are ``null``."""
    if isinstance(value, dict):
        return {name: _without_null(field) for name, field in value.items() if field is not None}
    return [_without_null(one) for one in value] if isinstance(value, list) else value


# --- client to server --------------------------------------------------------------------------


class HelloMessage(Struct, frozen=True, tag_field="kind", tag="hello", omit_defaults=True):
    """The first message of a connection."""

    nick: str
    room: str = "lab"
    after: Number | None = None
    """The cursor's seq; absent: replay the newest events."""
    epoch: str = ""
    access: str = ""
    seat_key: str = ""
    replay: Number | None = None

    @classmethod
    def of(cls, hello: Hello) -> HelloMessage:
        cursor = hello.cursor
        return cls(
            nick=hello.nick,
            room=hello.room,
            after=cursor.seq if cursor else None,
            epoch=cursor.epoch if cursor else "",
            access=hello.access,
            seat_key=hello.seat_key,
            replay=hello.replay,
        )

    def hello(self) -> Hello:
        cursor = None if self.after is None else Cursor(self.after, self.epoch)
        return Hello(self.room, self.nick, cursor, self.access, self.seat_key, self.replay)


class HistoryMessage(Struct, frozen=True, tag_field="kind", tag="history", omit_defaults=True):
    """Asks for a page of old events; ``ref`` comes back in the reply."""

    ref: Number = 0
    after: Number | None = None
    before: Number | None = None
    limit: Number = 200


class MembersMessage(Struct, frozen=True, tag_field="kind", tag="members", omit_defaults=True):
    ref: Number = 0


class PingMessage(Struct, frozen=True, tag_field="kind", tag="ping", omit_defaults=True):
    ref: Number = 0


class LeaveMessage(Struct, frozen=True, tag_field="kind", tag="leave"):
    """Ends the seat; the server closes the connection."""


Request = HelloMessage | Say | Edit | Delete | HistoryMessage | MembersMessage | PingMessage | LeaveMessage

# --- server to client --------------------------------------------------------------------------


class WelcomeMessage(Struct, frozen=True, tag_field="kind", tag="welcome"):
    room: str
    nick: str
    seat: str
    seat_key: str
    epoch: str
    first: Number
    head: Number
    n: Number
    members: tuple[Member, ...]
    limits: Limits

    @classmethod
    def of(cls, welcome: Welcome) -> WelcomeMessage:
        return cls(*_fields(welcome))

    def welcome(self) -> Welcome:
        return Welcome(*_fields(self))


_fields = attrgetter(*Welcome.__struct_fields__)  # a message has the same in the same order
_members_json = keep_last(encode)


def encode_welcome(welcome: Welcome) -> bytes:
    """Return the `WelcomeMessage` as JSON; its members are encoded once for all who get the same."""
    members: Any = msgspec.Raw(_members_json(welcome.members))
    return encode(WelcomeMessage.of(msgspec.structs.replace(welcome, members=members)))


class AckMessage(Struct, frozen=True, tag_field="kind", tag="ack"):
    """Answers a draft that no event can answer: one that was accepted before."""

    n: Number
    seq: Number

    @classmethod
    def of(cls, ack: Ack) -> AckMessage:
        return cls(ack.n, ack.seq)


class ErrorMessage(Struct, frozen=True, tag_field="kind", tag="error", omit_defaults=True):
    """A refusal; ``n`` names the draft, ``ref`` the request, neither: the connection."""

    code: str
    text: str
    n: Number = 0
    ref: Number = 0
    retry_after: float | None = None

    @classmethod
    def of(cls, error: ChatError, ref: int = 0) -> ErrorMessage:
        retry_after = None if error.retry_after is None else max(0.001, round(error.retry_after, 3))
        return cls(error.code, str(error), error.n, ref or error.ref, retry_after)

    def error(self) -> ChatError:
        kind = ERRORS.get(self.code, ChatError)
        return kind(printable(self.text), n=self.n, retry_after=self.retry_after)


class PageMessage(Struct, frozen=True, tag_field="kind", tag="page"):
    """The reply to ``history``."""

    ref: Number
    events: list[Event]


class MemberListMessage(Struct, frozen=True, tag_field="kind", tag="members"):
    """The reply to ``members``."""

    ref: Number
    members: list[Member]


class PongMessage(Struct, frozen=True, tag_field="kind", tag="pong"):
    """The reply to ``ping``."""

    ref: Number


Response = WelcomeMessage | AckMessage | ErrorMessage | PageMessage | MemberListMessage | PongMessage


class _Kind(Struct):
    kind: str


class _Numbers(Struct):
    n: Any = 0
    ref: Any = 0


EVENT_KINDS = frozenset(("opened", "joined", "resumed", "left", "sent", "edited", "deleted"))
_request: Decoder[Request] = Decoder(Request, null_is_absent=True)
_response: Decoder[Response] = Decoder(Response)
_event: Decoder[Event] = Decoder(Event)
_kind: Decoder[_Kind] = Decoder(_Kind)
_numbers: Decoder[_Numbers] = Decoder(_Numbers)
_body: Decoder[Body] = Decoder(Body)


def _starts(*kinds: str) -> tuple[bytes, ...]:
    return tuple(b'{"kind":"%b"' % kind.encode() for kind in kinds)


_EVENT_STARTS = _starts("sent", *(EVENT_KINDS - {"sent"}))  # the most frequent first
_RESPONSE_STARTS = _starts(*(str(kind.__struct_config__.tag) for kind in get_args(Response)))


def decode_request(data: bytes) -> Request:
    """Return what a client sent.

    Raises:
        BadRequest: with the number of the draft or the request, if it could be read, so that the client does
            not wait for the answer for ever.
    """
    return decode_numbered(_request, data)


def decode_numbered(decoder: Decoder[T], data: bytes) -> T:
    """Decode a request of any protocol; raises like `decode_request`."""
    try:
        return decoder.decode(data)
    except BadRequest as error:
        with suppress(BadRequest):
            numbers = _numbers.decode(data)
            error.n = numbers.n if type(numbers.n) is int and 0 <= numbers.n <= MAX_NUMBER else 0
            error.ref = numbers.ref if type(numbers.ref) is int and 0 <= numbers.ref <= MAX_NUMBER else 0
        raise


decode_body = _body.decode
"""Return a log entry's body. Raises `BadRequest`."""


def decode_response(data: bytes) -> Response | Event:
    """Return what a server sent. Raises `BadRequest`.

    The kind says which decoder is needed. Our servers write it first, so the leading bytes show it; if it
    is elsewhere, the object is parsed twice.
    """
    if data.startswith(_EVENT_STARTS):
        return _event.decode(data)
    if data.startswith(_RESPONSE_STARTS) or _kind.decode(data).kind not in EVENT_KINDS:
        return _response.decode(data)
    return _event.decode(data)


def encode_lines(events: Sequence[Event]) -> bytes:
    """Return the events as JSON lines, each ended by a newline."""
    return _encoder.encode_lines(events)


def event_json(event: Event, room: str, epoch: str) -> str:
    """Return the event for people and scripts: one line, every field, with its room and epoch.

    Characters that could control a terminal are escaped, in JSON's own way.
    """
    fields = {name: getattr(event, name) for name in Event.__struct_fields__}
    return printable(json.dumps({"room": room, "epoch": epoch, **fields}, ensure_ascii=False))


def missing_json(missing: MissingEvents, room: str, epoch: str) -> str:
    """Return what a technique has lost, for scripts: the seqs, and what kinds of events they were."""
    kinds = [one.kind for one in missing.events]
    return json.dumps({"room": room, "epoch": epoch, "kind": "gap", "seqs": missing.seqs, "kinds": kinds})
