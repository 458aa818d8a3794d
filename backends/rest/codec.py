"""What goes over HTTP: the bodies as JSON, problems for errors, and what headers and queries say. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from math import ceil
from typing import Annotated
from urllib.parse import unquote_to_bytes

import msgspec
from msgspec import Meta, Struct

from chat.domain.errors import (
    ERRORS,
    AccessDenied,
    BadName,
    BadRequest,
    BadText,
    ChatError,
    Closing,
    DraftConflict,
    Full,
    NickTaken,
    NoSuchMessage,
    NoSuchRoom,
    NotStored,
    NotYours,
    SeatGone,
    SlowReader,
    StaleCursor,
    TooFast,
)
from chat.domain.json_codec import Decoder
from chat.domain.model import MAX_NUMBER, Cursor, Event, Limits, Member, Number, Welcome
from chat.domain.validation import printable

JSON = b"application/json"
PROBLEM = b"application/problem+json"

LIMITS = Limits()
NICK = {"minLength": 1, "maxLength": LIMITS.nick_chars, "pattern": r"^[^\s/@#]\S*$"}
TEXT = {
    "minLength": 1,
    "maxLength": LIMITS.text_bytes,
    "pattern": "^[^\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u2028-\\u202e\\u2066-\\u2069\\ufffe\\uffff]*$",
}
"""What the contract says about names and texts, as far as JSON Schema can.

The room decides (`chat.domain.validation`)."""

# --- bodies ------------------------------------------------------------------------------------


class SeatRequest(Struct, frozen=True, omit_defaults=True):
    """Asks for a seat."""

    nick: Annotated[str, Meta(examples=["ann"], extra_json_schema=NICK)]
    """A name that nobody in the room has, without anything invisible."""
    cursor: Cursor | None = None
    """The place to read on from; without it the newest events are read first."""
    seat_key: str = ""
    """The key of a seat taken before: gets that seat back as long as it has not ended."""


class SeatAnswer(Struct, frozen=True):
    """The seat is taken; `chat.domain.model.Welcome`, and where to read on from."""

    room: str
    nick: str
    seat: str
    seat_key: str
    start: Number
    """Events are to be asked for after this seq."""
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
    """A message's text, to be said or to replace another."""

    text: Annotated[str, Meta(examples=["hello"], extra_json_schema=TEXT)]
    """At most 4,000 bytes of UTF-8, nothing that acts on a terminal, and something besides spaces."""


class Receipt(Struct, frozen=True, gc=False):
    """The draft is stored."""

    n: Number
    """The draft's number: what the request said, or the one that the server took."""
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
    """The seq of the event that it is what it is by."""
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
    """What is wrong (RFC 9457)."""

    type: str
    """``urn:chat:`` and the kind of the problem."""
    title: str
    status: int
    detail: str
    """What happened, to what, and what to do next."""
    code: str
    """The same error's name in every technique."""
    n: Number = 0
    """The draft this is about; absent: none."""
    retry_after: float = 0.0
    """Seconds after which another try makes sense; absent: nobody knows."""


encode = msgspec.json.Encoder().encode
decode_seat_request: Decoder[SeatRequest] = Decoder(SeatRequest)
decode_text: Decoder[TextBody] = Decoder(TextBody)


# --- problems ----------------------------------------------------------------------------------

STATUS: dict[type[ChatError], int] = {
    ChatError: 500,
    BadRequest: 400,
    AccessDenied: 401,
    NotYours: 403,
    SeatGone: 403,
    NoSuchMessage: 404,
    NoSuchRoom: 404,
    NickTaken: 409,
    StaleCursor: 409,
    BadName: 422,
    BadText: 422,
    DraftConflict: 422,
    TooFast: 429,
    Closing: 503,
    Full: 503,
    NotStored: 503,
    SlowReader: 503,
}
AGAIN: dict[type[ChatError], float] = {Closing: 1.0, NotStored: 1.0}
"""Seconds after which another try makes sense, where the error itself does not say."""
TITLES = {
    "bad_request": "The request does not speak this protocol",
    "access_denied": "The access token is missing or wrong",
    "not_yours": "The message is somebody else's",
    "seat_gone": "No seat has this key",
    "no_such_message": "There is no such message",
    "no_such_room": "There is no such room",
    "nick_taken": "Somebody has this nick",
    "stale_cursor": "The cursor belongs to another log",
    "bad_name": "This is no name",
    "bad_text": "This text can't be said",
    "draft_conflict": "The draft number was used for something else",
    "too_fast": "Over the rate",
    "closing": "The server is going down",
    "full": "No more seats or rooms",
    "not_stored": "The log could not store it",
    "slow_reader": "This client fell too far behind",
    "not_found": "There is no such resource",
    "not_allowed": "The resource does not have this method",
    "not_acceptable": "There is only JSON here",
    "precondition_failed": "It has changed in the meantime",
    "misdirected": "This server has another name",
    "strange_page": "Pages of this origin may not call",
    "too_large": "The request is too large",
    "too_many": "Too many requests wait",
    "too_slow": "The request did not come to its end",
    "unsupported_media_type": "Only JSON is read here",
    "error": "The server failed",
}
KINDS = {
    403: "strange_page",
    404: "not_found",
    405: "not_allowed",
    406: "not_acceptable",
    408: "too_slow",
    412: "precondition_failed",
    413: "too_large",
    415: "unsupported_media_type",
    421: "misdirected",
    429: "too_many",
    431: "too_large",
}
"""The problems of HTTP itself, which no other technique has: their ``code`` is ``bad_request``."""
Headers = list[tuple[bytes, bytes]]


class Refused(ChatError):
    """A `ChatError` that HTTP has another status for than the usual one."""

    def __init__(self, status: int, error: ChatError, headers: Headers | None = None) -> None:
        super().__init__(str(error))
        self.status, self.error, self.headers = status, error, headers or []


def problem(error: ChatError, status: int = 0, n: int = 0) -> tuple[int, Headers, bytes]:
    """Return the status, headers and body that tell of an error; ``n`` is the draft it may be about."""
    headers: Headers = []
    if isinstance(error, Refused):
        status, headers, error = error.status, list(error.headers), error.error
    status = status or STATUS.get(type(error), 500)
    retry_after = AGAIN.get(type(error)) if error.retry_after is None else error.retry_after
    kind = KINDS.get(status, "bad_request") if isinstance(error, BadRequest) else error.code
    body = encode(
        Problem(
            f"urn:chat:{kind}",
            TITLES.get(kind, kind),
            status,
            printable(str(error)),
            error.code,
            error.n or n,
            0.0 if retry_after is None else max(0.001, round(retry_after, 3)),
        )
    )
    headers += [(b"content-type", PROBLEM), (b"content-length", str(len(body)).encode())]
    if status == 401:
        headers.append((b"www-authenticate", b'Bearer realm="chat"'))
    if retry_after is not None:  # in whole seconds (RFC 9110, 10.2.3); the exact ones are in the body
        headers.append((b"retry-after", str(max(1, ceil(retry_after))).encode()))
    return status, headers, body


_decode_problem: Decoder[Problem] = Decoder(Problem)


def read_problem(body: bytes) -> ChatError:
    """Return the error that a problem tells of. Raises `BadRequest` for what is none."""
    told = _decode_problem.decode(body)
    kind = ERRORS.get(told.code, ChatError)
    return kind(printable(told.detail), n=told.n, retry_after=told.retry_after or None)


# --- what headers say --------------------------------------------------------------------------

OURS = frozenset(
    (b"authorization", b"seat-key", b"idempotency-key", b"content-type", b"content-encoding", b"origin")
)
"""Headers that may come once: two of them say two things."""


def read_headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Return the headers by their names in lower case. Raises `BadRequest` for two where one belongs."""
    headers: dict[bytes, bytes] = {}
    for name, value in raw:
        if name in headers:
            if name in OURS:
                raise BadRequest(f"the header {name.decode('latin-1')} came twice: one is enough")
            value = headers[name] + b", " + value
        headers[name] = value
    return headers


def access_token(headers: dict[bytes, bytes]) -> str:
    """Return the access token of ``Authorization: Bearer`` (RFC 6750, 2.1); "" for none.

    Beyond the RFC it may be any text, as UTF-8.
    """
    scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
    return token.strip().decode(errors="replace") if scheme.lower() == b"bearer" else ""


def draft_number(headers: dict[bytes, bytes]) -> int:
    """Return the number of ``Idempotency-Key``, with or without quotes; 0: there is none.

    Raises `BadRequest`.
    """
    value = headers.get(b"idempotency-key")
    if value is None:
        return 0
    digits = value[1:-1] if len(value) > 2 and value[:1] == value[-1:] == b'"' else value
    if (n := whole_number(digits)) is None or n == 0:
        raise BadRequest(
            f"an Idempotency-Key is the number of the draft here, counted from 1 to {MAX_NUMBER} by its seat"
        )
    return n


def whole_number(digits: bytes, most: int = MAX_NUMBER) -> int | None:
    """Return what the digits say; None if they are none, or say too much."""
    if not digits.isdigit() or len(digits) > 16 or (number := int(digits)) > most:
        return None
    return number


@lru_cache(64)
def wants_json(accept: bytes) -> bool:
    """Whether ``Accept`` has room for JSON (RFC 9110, 12.5.1): the closest range that fits decides."""
    best, wanted = 0, False
    for part in accept.lower().split(b","):
        kind, *parameters = (piece.strip() for piece in part.split(b";"))
        # Who takes nothing but problems asks for what has no other body.
        closeness = {b"*/*": 1, b"application/*": 2, PROBLEM: 2, JSON: 3}.get(kind, 0)
        if closeness > best:
            best, wanted = closeness, not any(_is_zero(parameter) for parameter in parameters)
    return wanted


def _is_zero(parameter: bytes) -> bool:
    name, _, value = parameter.partition(b"=")
    return name.strip() == b"q" and value.strip().strip(b"0") in (b"", b".")


@lru_cache(64)
def is_json(content_type: bytes) -> bool:
    """Whether a body of this type is JSON in UTF-8."""
    kind, *parameters = (piece.strip() for piece in content_type.lower().split(b";"))
    named = [
        value.strip(b' "') for name, _, value in (p.partition(b"=") for p in parameters) if name == b"charset"
    ]
    return kind == JSON and all(value in (b"utf-8", b"utf8") for value in named)


# --- entity tags -------------------------------------------------------------------------------


def etag(epoch: str, seq: int) -> bytes:
    """Return the entity tag of what is as it is since an event: its log and its seq."""
    return b'"%b-%d"' % (epoch.encode(), seq)


def names(tags: bytes | None, tag: bytes, *, weak: bool) -> bool:
    """Whether a list of entity tags has this one, or ``*`` (RFC 9110, 13.1.1 and 13.1.2).

    ``weak``: one that is weak counts, too, as in ``If-None-Match``.
    """
    if tags is None:
        return False
    if tags == tag or tags.strip() == b"*":
        return True
    listed = (one.strip() for one in tags.split(b","))
    return any((one.removeprefix(b"W/") if weak else one) == tag for one in listed)


# --- queries -----------------------------------------------------------------------------------


def read_query(query: bytes, most: dict[bytes, int]) -> dict[bytes, int]:
    """Return the numbers of a query; ``most`` says which there are, and how large. Raises `BadRequest`.

    What is not in ``most`` is ignored.
    """
    found: dict[bytes, int] = {}
    for part in query.split(b"&") if query else ():
        name, _, value = part.partition(b"=")
        if b"%" in part:
            name, value = unquote_to_bytes(name), unquote_to_bytes(value)
        if name not in most:
            continue
        if name in found:
            raise BadRequest(f"{name.decode()} came twice: one is enough")
        if (number := whole_number(value, most[name])) is None:
            raise BadRequest(f"{name.decode()} is a whole number from 0 to {most[name]}")
        found[name] = number
    return found
