"""The service: the methods that can be called, their arguments, and the model's values as RPyC carries them.

Everything is sent by value, as pairs of name and value. A dict would be sent by reference, and reading a key
would be a round trip. ``dict(pairs)`` makes a dict.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any, TypeVar, cast

import msgspec
from msgspec import Struct

from backends.rpyc import codec
from backends.rpyc.codec import Local, Raised, Remote
from chat.domain.errors import ERRORS, BadRequest, ChatError
from chat.domain.json_codec import shorten
from chat.domain.keep_last import KEPT, keep_last
from chat.domain.model import Cursor, Delete, Draft, Edit, Event, Hello, Limits, Member, Number, Say, Welcome
from chat.domain.validation import printable

Pairs = tuple[tuple[str, Any], ...]

# --- what can be called ------------------------------------------------------------------------


class Login(Struct, frozen=True):
    """Take a seat; from then on the callback is called with each event."""

    nick: str
    room: str
    callback: Remote
    access: str = ""
    cursor: tuple[Number, str] | None = None
    seat_key: str = ""
    replay: Number | None = None

    def hello(self) -> Hello:
        cursor = Cursor(*self.cursor) if self.cursor else None
        return Hello(self.room, self.nick, cursor, self.access, self.seat_key, self.replay)


class History(Struct, frozen=True):
    """Return a page of old events."""

    after: Number | None = None
    before: Number | None = None
    limit: Number = 200


class Members(Struct, frozen=True):
    """Return the members of the room."""


class Leave(Struct, frozen=True):
    """End the seat and the connection."""


Call = Login | Draft | History | Members | Leave

METHODS: dict[str, type[Call]] = {
    "login": Login,
    "send": Say,
    "edit": Edit,
    "delete": Delete,
    "history": History,
    "members": Members,
    "leave": Leave,
}
ROOT = Local(("chat.ChatService", 1, 1))
"""What ``conn.root`` is."""
# RPyC knows the type of a bound method, and does not ask for its methods.
BOUND = {name: Local(("builtins.method", 2, place)) for place, name in enumerate(METHODS, 1)}
"""What ``conn.root.send`` is."""
NAMES = {bound: name for name, bound in BOUND.items()}


def call(method: str, args: Any, kwargs: Any) -> Call:
    """Return a call with its arguments by name. Raises `BadRequest` where they don't fit."""
    kind = METHODS[method]
    fields = kind.__struct_fields__
    try:
        given = dict(zip(fields, args, strict=False)) | dict(kwargs)
    except (TypeError, ValueError):
        raise BadRequest(f"{method}: the keywords are not pairs of a name and a value") from None
    if len(given) != len(args) + len(kwargs) or not given.keys() <= set(fields):
        raise BadRequest(f"{method} takes {', '.join(fields) or 'no arguments'}, each once")
    _check_values(method, given)
    if type(given.get("cursor")) is int:
        given["cursor"] = given["cursor"], ""
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        raise BadRequest(f"{method}: {shorten(printable(str(error)))}") from None


def _check_values(method: str, given: dict[str, Any]) -> None:
    for name, value in given.items():
        if name == "callback":
            if type(value) is not Remote:
                raise BadRequest(f"{method}: the callback is a function of yours, which takes **event")
        elif (reference := _reference(value)) is not None:
            kind = shorten(printable(reference.name[0]), 60)
            raise BadRequest(
                f"{method}: {name} is an object of yours ({kind}), and came as a reference. RPyC sends str, "
                "int, float, bool, bytes, None and tuples of them by value, but no subclass of them, no list "
                "and no dict: convert it, for instance with str(...)"
            )


def _reference(value: Any) -> Local | Remote | None:
    """Return the first reference in a value, or in a tuple."""
    if type(value) in (Local, Remote):
        return cast(Local | Remote, value)
    for item in value if type(value) is tuple else ():
        if (found := _reference(item)) is not None:
            return found
    return None


# --- the model's values ------------------------------------------------------------------------

S = TypeVar("S", bound=Struct)
ALWAYS = frozenset(("kind", "seq", "prev", "at"))
"""Fields that an event has even if they are 0."""


def event_pairs(event: Event) -> Pairs:
    """Return the fields that are set, in the model's order."""
    return tuple(pair for pair in _pairs(event) if pair[1] or pair[0] in ALWAYS)


@lru_cache(KEPT)
def event_keywords(event: Event) -> bytes:
    """Return an event as keyword arguments; they are kept for those who come soon, and read the same."""
    return codec.keywords(event_pairs(event))


def member_pairs(members: Sequence[Member]) -> tuple[Pairs, ...]:
    """Return the fields of each member that are known."""
    return tuple(tuple(pair for pair in _pairs(one) if pair[1] is not None) for one in members)


@lru_cache(Limits().seats)  # no room has more members
def _member_brine(member: Member) -> bytes:
    (pairs,) = member_pairs((member,))
    return codec.brine_of(pairs)


@keep_last
def _members_brine(members: tuple[Member, ...]) -> bytes:
    """Return the members in brine: most of them are the same for who comes next."""
    return codec.tuple_brine(*map(_member_brine, members))


@keep_last
def _limits_brine(limits: Limits) -> bytes:
    return codec.brine_of(_pairs(limits))


_name_brine = cache(codec.brine_of)


def welcome_brine(welcome: Welcome) -> bytes:
    """Return the pairs of a welcome in brine. Its members are encoded once for all who get the same."""
    pairs = []
    for name, value in _pairs(welcome):
        match name:
            case "members":
                encoded = _members_brine(welcome.members)
            case "limits":
                encoded = _limits_brine(welcome.limits)
            case _:
                encoded = codec.brine_of(value)
        pairs.append(codec.tuple_brine(_name_brine(name), encoded))
    return codec.tuple_brine(*pairs)


def _pairs(value: Struct) -> Pairs:
    return tuple((name, getattr(value, name)) for name in value.__struct_fields__)


def event_of(fields: dict[str, Any]) -> Event:
    """Return the event. Raises `BadRequest`, as every function here that reads what a peer sent."""
    return _read(Event, fields)


def events_of(page: Any) -> list[Event]:
    return [_read(Event, fields_of(event)) for event in _tuple(page)]


def members_of(page: Any) -> list[Member]:
    return [_read(Member, fields_of(member)) for member in _tuple(page)]


def welcome_of(pairs: Any) -> Welcome:
    fields = fields_of(pairs)
    fields["members"] = members_of(fields.get("members", ()))
    fields["limits"] = _read(Limits, fields_of(fields.get("limits", ())))
    return _read(Welcome, fields)


def seq_of(value: Any) -> int:
    if type(value) is not int:
        raise BadRequest("the answer to a draft is not a seq")
    return value


def _tuple(value: Any) -> tuple[Any, ...]:
    if type(value) is not tuple:
        raise BadRequest(f"a {type(value).__name__} where a tuple was expected")
    return value


def fields_of(pairs: Any) -> dict[str, Any]:
    """Return pairs of name and value as a dict."""
    try:
        return dict(_tuple(pairs))
    except (TypeError, ValueError):
        raise BadRequest("a tuple that does not consist of names and values") from None


def _read(kind: type[S], fields: dict[str, Any]) -> S:
    try:
        return msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        raise BadRequest(f"not a valid {kind.__name__}: {shorten(printable(str(error)))}") from None


# --- errors ------------------------------------------------------------------------------------

MODULE = "chat"
"""The module name of exceptions: `NickTaken` arrives as ``chat.NickTaken``."""
_KINDS = {kind.__name__: kind for kind in ERRORS.values()}


def error_pairs(error: ChatError) -> Pairs:
    """Return the attributes of an error besides its text."""
    known: list[tuple[str, Any]] = [("code", error.code)]
    if error.n:
        known.append(("n", error.n))
    if error.retry_after is not None:
        known.append(("retry_after", max(0.001, round(error.retry_after, 3))))
    return tuple(known)


def last_words(error: ChatError) -> Pairs:
    """Return the arguments of a connection's last callback."""
    return (("kind", "error"), ("text", str(error)), *error_pairs(error))


def error_of(raised: Raised) -> ChatError:
    """Return the error that the peer's exception carries."""
    kind = _KINDS.get(raised.name)
    if kind is None:
        what = f"{raised.name}: {raised.text}" if raised.text else raised.name
        return ChatError(f"the server raised {shorten(printable(what))}")
    return _error(kind, raised.text, raised.fields)


def reason_of(fields: dict[str, Any]) -> ChatError:
    """Return the error that a connection's last callback gives as its reason."""
    return _error(ERRORS.get(fields.get("code", ""), ChatError), fields.get("text", ""), fields)


def _error(kind: type[ChatError], text: Any, fields: dict[str, Any]) -> ChatError:
    n, retry_after = fields.get("n", 0), fields.get("retry_after")
    return kind(
        printable(str(text)),
        n=n if type(n) is int else 0,
        retry_after=retry_after if type(retry_after) in (int, float) else None,
    )
