"""The model's values as chat.x has them, and back, for both sides. No I/O."""

from __future__ import annotations

from collections.abc import Sequence

from backends.oncrpc.codec import MAX_MACHINE
from backends.oncrpc.proof import bare
from chat.domain.errors import ERRORS, BadRequest, ChatError
from chat.domain.model import MAX_NUMBER, Cursor, Event, Hello, Kind, Limits, Member, Welcome
from chat.domain.validation import printable
from chat.transport.wire_limits import WireLimits
from protos.chat_xdr import (
    CHAT_MAX_KEY,
    CHAT_MAX_NICK,
    CHAT_MAX_REASON,
    CHAT_MAX_TEXT,
    CHAT_MAX_WORD,
    chat_cursor,
    chat_error,
    chat_event,
    chat_kind,
    chat_limits,
    chat_member,
    chat_status,
    join_args,
    join_ok,
    seen_member,
)

STATUS = {
    code: chat_status[f"CHAT_{code.upper()}"]
    for code in ERRORS
    if code != "connection_lost"  # no server reports it
}
"""Every error by its code."""
_ERROR = {status: ERRORS[code] for code, status in STATUS.items()}
_KIND: dict[Kind, chat_kind] = {
    "opened": chat_kind.CHAT_OPENED,
    "joined": chat_kind.CHAT_JOINED,
    "resumed": chat_kind.CHAT_RESUMED,
    "left": chat_kind.CHAT_LEFT,
    "sent": chat_kind.CHAT_SENT,
    "edited": chat_kind.CHAT_EDITED,
    "deleted": chat_kind.CHAT_DELETED,
}
_KIND_OF = {kind: name for name, kind in _KIND.items()}
_MAX_MS = 0xFFFFFFFF

# --- errors ------------------------------------------------------------------------------------


def error_to(error: ChatError, n: int = 0) -> tuple[chat_status, chat_error]:
    """Return an error as a result has it; ``n`` is the refused draft, unless the error names it."""
    wait = 0 if error.retry_after is None else min(max(1, round(error.retry_after * 1000)), _MAX_MS)
    return STATUS.get(error.code, chat_status.CHAT_ERROR), chat_error(
        _shortened(str(error)), error.n or n, wait
    )


def error_from(status: chat_status, value: object) -> ChatError:
    """Return the error of a result that is not CHAT_OK."""
    if not isinstance(value, chat_error) or status not in _ERROR:
        return ChatError(f"the server answered {status.name} without a reason")
    wait = value.retry_after_ms / 1000 if value.retry_after_ms else None
    return _ERROR[status](printable(value.text), n=value.n, retry_after=wait)


def _shortened(text: str) -> str:
    data = text.encode(errors="replace")
    if len(data) <= CHAT_MAX_REASON:
        return data.decode()
    return data[: CHAT_MAX_REASON - 4].decode(errors="ignore") + " ..."


# --- joining -----------------------------------------------------------------------------------


def fits(text: str, bound: int) -> bool:
    """Whether XDR can carry the text, and it has at most so many bytes of UTF-8."""
    try:
        return len(text.encode()) <= bound
    except UnicodeEncodeError:
        return False


LIMITS = WireLimits(
    fits,
    text=CHAT_MAX_TEXT,
    nick=CHAT_MAX_NICK,
    key=CHAT_MAX_KEY,
    epoch=CHAT_MAX_WORD,
    token=MAX_MACHINE,  # every call has it in its credentials
)


def hello_to(hello: Hello) -> join_args:
    """Raises a `ChatError` for a hello that does not fit into chat.x: the server would refuse it, too."""
    hello = LIMITS.check_hello(hello)
    cursor = chat_cursor(hello.cursor.seq, hello.cursor.epoch) if hello.cursor else None
    return join_args(hello.room, hello.nick, hello.access, hello.seat_key, cursor)


def hello_from(args: join_args, shown: str = "") -> Hello:
    """Return the hello; ``shown`` is the access token of the credentials, for arguments without one."""
    cursor = Cursor(number(args.cursor.seq), args.cursor.epoch) if args.cursor else None
    return Hello(args.room, args.nick, cursor, args.access or shown, bare(args.seat_key))


def welcome_to(welcome: Welcome, start: int) -> join_ok:
    limits = welcome.limits
    return join_ok(
        welcome.room,
        welcome.nick,
        welcome.seat,
        welcome.seat_key,
        welcome.epoch,
        welcome.first,
        welcome.head,
        welcome.n,
        start,
        chat_limits(*(getattr(limits, name) for name in Limits.__struct_fields__)),
    )


def welcome_from(ok: join_ok, members: Sequence[Member]) -> Welcome:
    return Welcome(
        ok.room,
        ok.nick,
        ok.seat,
        bare(ok.seat_key),  # the cookie is of no use elsewhere
        ok.epoch,
        ok.first,
        ok.head,
        ok.n,
        tuple(members),
        Limits(*(getattr(ok.limits, name) for name in Limits.__struct_fields__)),
    )


# --- events and members ------------------------------------------------------------------------


def number(value: int) -> int:
    """Return a number from a peer. Raises `BadRequest` for one that XDR has and the chat has not."""
    if value > MAX_NUMBER:
        raise BadRequest(f"the number {value} is too large: all are below 2^53")
    return value


def event_to(event: Event) -> chat_event:
    return chat_event(
        _KIND[event.kind],
        event.seq,
        event.prev,
        event.at,
        event.author,
        event.seat,
        event.technique,
        event.n,
        event.id,
        event.text,
    )


def event_from(event: chat_event) -> Event:
    return Event(
        _KIND_OF[event.kind],
        event.seq,
        event.prev,
        event.at,
        event.author,
        event.seat,
        event.technique,
        event.n,
        event.id,
        event.text,
    )


def member_to(member: Member) -> chat_member:
    return chat_member(member.seat, member.nick, member.technique)


def member_from(member: chat_member | seen_member) -> Member:
    if isinstance(member, chat_member):
        return Member(member.seat, member.nick, member.technique)
    one, seen = member.member, member.seen
    return Member(one.seat, one.nick, one.technique, None if seen is None else number(seen))


def seen_to(member: Member) -> seen_member:
    return seen_member(member_to(member), member.seen)
