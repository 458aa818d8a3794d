"""The chat's words as chat.x has them, and back: for the client and the server alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chat.domain.errors import ERRORS, AccessDenied, BadRequest, ChatError, StaleCursor
from chat.domain.model import MAX_NUMBER, Cursor, Event, Hello, Kind, Limits, Member, Welcome
from chat.domain.validation import clean_nick, clean_room, clean_text, printable
from protos.chat_xdr import (
    CHAT_MAX_KEY,
    CHAT_MAX_NICK,
    CHAT_MAX_REASON,
    CHAT_MAX_ROOM,
    CHAT_MAX_TEXT,
    CHAT_MAX_TOKEN,
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
)

STATUS = {
    code: chat_status[f"CHAT_{code.upper()}"]
    for code in ERRORS
    if code != "connection_lost"  # the one that no server says
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
    """Return an error as a result has it; ``n`` is the draft that was refused, unless the error knows it."""
    wait = 0 if error.retry_after is None else min(max(1, round(error.retry_after * 1000)), _MAX_MS)
    return STATUS.get(error.code, chat_status.CHAT_ERROR), chat_error(
        _shortened(str(error)), error.n or n, wait
    )


def error_from(status: chat_status, value: object) -> ChatError:
    """Return what a result that is not CHAT_OK says."""
    if not isinstance(value, chat_error) or status not in _ERROR:
        return ChatError(f"the server answered {status.name} and said nothing")
    wait = value.retry_after_ms / 1000 if value.retry_after_ms else None
    return _ERROR[status](printable(value.text), n=value.n, retry_after=wait)


def _shortened(text: str) -> str:
    data = text.encode(errors="replace")
    if len(data) <= CHAT_MAX_REASON:
        return data.decode()
    return data[: CHAT_MAX_REASON - 4].decode(errors="ignore") + " ..."


# --- coming in ---------------------------------------------------------------------------------


def fitting(text: str, bound: int, clean: Callable[[str], str]) -> str:
    """Return a text that XDR can carry; if it can't, ``clean`` says why, or makes it shorter (NFC)."""
    try:
        if len(text.encode()) <= bound:
            return text
    except UnicodeEncodeError:
        pass
    return clean(text)


def fitting_text(text: str) -> str:
    return fitting(text, CHAT_MAX_TEXT, clean_text)


def hello_to(hello: Hello) -> join_args:
    """Raises a `ChatError` for what has no place in chat.x: the server would refuse it, too."""
    cursor = hello.cursor
    return join_args(
        fitting(hello.room, CHAT_MAX_ROOM, clean_room),
        fitting(hello.nick, CHAT_MAX_NICK, clean_nick),
        fitting(hello.access, CHAT_MAX_TOKEN, _no_token),
        fitting(hello.seat_key, CHAT_MAX_KEY, _no_key),
        chat_cursor(cursor.seq, fitting(cursor.epoch, CHAT_MAX_WORD, _no_epoch)) if cursor else None,
    )


def hello_from(args: join_args) -> Hello:
    cursor = Cursor(number(args.cursor.seq), args.cursor.epoch) if args.cursor else None
    return Hello(args.room, args.nick, cursor, args.access, args.seat_key)


def _no_token(text: str) -> str:
    raise AccessDenied("the access token is wrong: ask who runs the server for the right one")


def _no_key(text: str) -> str:
    return ""  # no server gave such a key, so it opens nothing


def _no_epoch(text: str) -> str:
    raise StaleCursor("the room has another log than the cursor's: begin without a cursor")


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
        ok.seat_key,
        ok.epoch,
        ok.first,
        ok.head,
        ok.n,
        tuple(members),
        Limits(*(getattr(ok.limits, name) for name in Limits.__struct_fields__)),
    )


# --- what is in the room -----------------------------------------------------------------------


def number(value: int) -> int:
    """Return a number that a peer sent. Raises `BadRequest`: XDR has larger ones than the chat."""
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


def member_from(member: chat_member) -> Member:
    return Member(member.seat, member.nick, member.technique)
