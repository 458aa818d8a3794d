"""The domain as protobuf messages and gRPC statuses. No I/O.

`protos/chat.proto` is the specification. A refusal has a status code, for tools that know gRPC only, and an
error code in the trailing metadata, for clients of the chat.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import get_args
from urllib.parse import quote

import grpc
from google.protobuf.message import DecodeError

from chat.domain.access_token import bearer_token
from chat.domain.errors import ERRORS, BadRequest, ChatError, ConnectionLost
from chat.domain.keep_last import KEPT, keep_last
from chat.domain.model import (
    MAX_NUMBER,
    Cursor,
    Delete,
    Draft,
    Edit,
    Event,
    Hello,
    Kind,
    Limits,
    Member,
    Say,
    Welcome,
)
from chat.domain.validation import has_no_bytes, printable
from protos import chat_pb2 as pb

SERVICE = "chat.v1.ChatService"
MAX_FRAME = Limits().frame_bytes
"""Bytes of one message that a client may send."""
MAX_REPLY = 4 * 1024 * 1024
"""Bytes of one message that a server sends, at most: a page of 200 events of 4,000 bytes, with room."""

Metadata = Sequence[tuple[str, str]]

# --- events --------------------------------------------------------------------------------------

_KIND = {kind: pb.Event.Kind.Value(kind.upper()) for kind in get_args(Kind)}
_KIND_OF: dict[int, Kind] = {number: kind for kind, number in _KIND.items()}


@lru_cache(KEPT)
def event_message(event: Event) -> pb.Event:
    """Return the message, not to be changed: it is kept for those who come soon, and read the same."""
    return pb.Event(
        kind=_KIND[event.kind],
        seq=event.seq,
        prev=event.prev,
        at=event.at,
        author=event.author,
        seat=event.seat,
        technique=event.technique,
        n=event.n,
        id=event.id,
        text=event.text,
    )


def event_of(message: pb.Event) -> Event:
    """Raises `BadRequest` for a kind that this program does not know."""
    kind = _KIND_OF.get(message.kind)
    if kind is None:
        raise BadRequest(f"an event of the unknown kind {message.kind}")
    return Event(
        kind,
        message.seq,
        message.prev,
        message.at,
        message.author,
        message.seat,
        message.technique,
        message.n,
        message.id,
        message.text,
    )


def events_frame(events: Iterable[Event]) -> bytes:
    """Return a whole frame, serialized: the same bytes for every client."""
    return pb.ServerFrame(
        events=pb.Events(events=[event_message(event) for event in events])
    ).SerializeToString()


# --- what a client sends -------------------------------------------------------------------------


def client_frame_of(data: bytes) -> pb.ClientFrame:
    """Raises `BadRequest`."""
    try:
        return pb.ClientFrame.FromString(data)
    except DecodeError:
        raise BadRequest("the frame is not a chat.v1.ClientFrame") from None


def draft_frame(draft: Draft) -> pb.ClientFrame:
    """Raises `BadText` for a text that can't be encoded as UTF-8, `BadRequest` for a number out of range."""
    try:
        match draft:
            case Say():
                return pb.ClientFrame(send=pb.Send(n=draft.n, text=draft.text))
            case Edit():
                return pb.ClientFrame(edit=pb.Edit(n=draft.n, id=draft.id, text=draft.text))
            case Delete():
                return pb.ClientFrame(delete=pb.Delete(n=draft.n, id=draft.id))
    except UnicodeEncodeError as error:
        raise has_no_bytes(error) from None
    except ValueError as error:
        raise BadRequest(f"not a valid draft number: {error}", n=min(draft.n, MAX_NUMBER)) from None


def draft_of(frame: pb.ClientFrame) -> Draft:
    """Return the draft in a frame that holds one. Raises `BadRequest` for a number over 2^53 - 1."""
    match frame.WhichOneof("kind"):
        case "send":
            return Say(frame.send.text, _number(frame.send.n))
        case "edit":
            return Edit(_number(frame.edit.id), frame.edit.text, _number(frame.edit.n))
        case "delete":
            return Delete(_number(frame.delete.id), _number(frame.delete.n))
        case other:
            raise BadRequest(f"{other} is not a draft")


def _number(value: int) -> int:
    if value > MAX_NUMBER:
        raise BadRequest(f"{value} is over 2^53 - 1")
    return value


# --- hello and welcome -----------------------------------------------------------------------------------


def hello_frame(hello: Hello) -> pb.ClientFrame:
    """Return a hello without the access token, which is in the metadata of every call."""
    cursor = None if hello.cursor is None else pb.Cursor(seq=hello.cursor.seq, epoch=hello.cursor.epoch)
    try:
        return pb.ClientFrame(
            hello=pb.Hello(
                room=hello.room,
                nick=hello.nick,
                cursor=cursor,
                seat_key=hello.seat_key,
                replay=hello.replay,
            )
        )
    except UnicodeEncodeError as error:
        raise has_no_bytes(error) from None


def hello_of(message: pb.Hello, access: str) -> Hello:
    cursor = None
    if message.HasField("cursor"):
        cursor = Cursor(_number(message.cursor.seq), message.cursor.epoch)
    replay = _number(message.replay) if message.HasField("replay") else None
    return Hello(message.room, message.nick, cursor, access, message.seat_key, replay)


_made_last: tuple[tuple[Member, ...], bytes] = (), b""


def _with_members(members: tuple[Member, ...]) -> bytes:
    """Return a serialized welcome that has only the members; who has come is added to what was made last."""
    global _made_last
    known, data = _made_last
    if members[: len(known)] != known:  # somebody has left, or it is another room
        known, data = (), b""
    if more := members[len(known) :]:
        data += pb.Welcome(members=map(member_message, more)).SerializeToString()
    _made_last = members, data
    return data


@keep_last
def _limits(limits: Limits) -> pb.Limits:
    return pb.Limits(**{name: getattr(limits, name) for name in Limits.__struct_fields__})


def welcome_frame(welcome: Welcome, window: int) -> bytes:
    """Return a whole frame, serialized. The members are most of it, and not the receiver's own.

    Serialized messages that are joined are one message with all their fields, by the encoding of protobuf.
    """
    own = pb.Welcome(
        room=welcome.room,
        nick=welcome.nick,
        seat=welcome.seat,
        seat_key=welcome.seat_key,
        epoch=welcome.epoch,
        first=welcome.first,
        head=welcome.head,
        n=welcome.n,
        limits=_limits(welcome.limits),
        window=window,
    )
    message = own.SerializeToString() + _with_members(welcome.members)
    return _WELCOME + _varint(len(message)) + message


_WELCOME = bytes([pb.ServerFrame.WELCOME_FIELD_NUMBER << 3 | 2])  # 2: its length follows


def _varint(value: int) -> bytes:
    data = bytearray()
    while value > 0x7F:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    data.append(value)
    return bytes(data)


def welcome_of(message: pb.Welcome) -> Welcome:
    return Welcome(
        room=message.room,
        nick=message.nick,
        seat=message.seat,
        seat_key=message.seat_key,
        epoch=message.epoch,
        first=message.first,
        head=message.head,
        n=message.n,
        members=tuple(map(member_of, message.members)),
        limits=Limits(**{name: getattr(message.limits, name) for name in Limits.__struct_fields__}),
    )


def member_message(member: Member) -> pb.Member:
    return pb.Member(seat=member.seat, nick=member.nick, technique=member.technique, seen=member.seen)


def member_of(message: pb.Member) -> Member:
    seen = _number(message.seen) if message.HasField("seen") else None
    return Member(message.seat, message.nick, message.technique, seen)


# --- the access token ----------------------------------------------------------------------------

_UNQUOTED = "".join(map(chr, range(0x21, 0x7F))).replace("%", "")  # metadata holds visible ASCII only


def credentials(access: str) -> Metadata:
    """Return the metadata with the token; characters that metadata can't carry are percent-encoded."""
    return (("authorization", "Bearer " + quote(access, safe=_UNQUOTED)),) if access else ()


def access_of(metadata: Iterable[tuple[str, str | bytes]] | None) -> str:
    """Return the token that a call carries, perhaps percent-encoded; "" for none."""
    for key, value in metadata or ():
        if key == "authorization" and isinstance(value, str) and (shown := bearer_token(value)):
            return shown
    return ""


# --- errors --------------------------------------------------------------------------------------

STATUS = {
    "error": grpc.StatusCode.UNKNOWN,
    "bad_request": grpc.StatusCode.INVALID_ARGUMENT,
    "bad_text": grpc.StatusCode.INVALID_ARGUMENT,
    "bad_name": grpc.StatusCode.INVALID_ARGUMENT,
    "nick_taken": grpc.StatusCode.ALREADY_EXISTS,
    "access_denied": grpc.StatusCode.UNAUTHENTICATED,
    "not_yours": grpc.StatusCode.PERMISSION_DENIED,
    "no_such_message": grpc.StatusCode.NOT_FOUND,
    "no_such_room": grpc.StatusCode.NOT_FOUND,
    "draft_conflict": grpc.StatusCode.FAILED_PRECONDITION,
    "stale_cursor": grpc.StatusCode.OUT_OF_RANGE,
    "seat_gone": grpc.StatusCode.ABORTED,
    "seat_taken": grpc.StatusCode.ABORTED,
    "full": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "too_fast": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "not_stored": grpc.StatusCode.INTERNAL,
    "closing": grpc.StatusCode.UNAVAILABLE,
    "slow_reader": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "connection_lost": grpc.StatusCode.UNAVAILABLE,
}
"""The status of a call that ends with an error, by the error's code."""


def problem_frame(error: ChatError) -> pb.ServerFrame:
    return pb.ServerFrame(
        problem=pb.Problem(code=error.code, text=str(error), n=error.n, retry_after=_seconds(error) or 0.0)
    )


def problem_of(message: pb.Problem) -> ChatError:
    kind = ERRORS.get(message.code, ChatError)
    return kind(printable(message.text), n=message.n, retry_after=message.retry_after or None)


def trailer(error: ChatError) -> Metadata:
    """Return the trailing metadata of a call that ends with this error."""
    more = [("chat-error", error.code)]
    if (seconds := _seconds(error)) is not None:
        more.append(("chat-retry-after", str(seconds)))
    return tuple(more)


def _seconds(error: ChatError) -> float | None:
    return None if error.retry_after is None else max(0.001, round(error.retry_after, 3))


def refusal(error: grpc.aio.AioRpcError) -> ChatError | None:
    """Return the error that a chat server sent; None for an error of the library or the network."""
    trailing = dict(error.trailing_metadata() or ())
    kind = ERRORS.get(str(trailing.get("chat-error", "")))
    if kind is None or kind is ConnectionLost:
        return None
    retry_after = None
    with suppress(KeyError, ValueError):
        retry_after = float(trailing["chat-retry-after"])
    return kind(printable(error.details() or ""), retry_after=retry_after)
