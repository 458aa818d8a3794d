"""The service for spyne: types, operations and faults, and what each operation does in the hub.

`backends.soap.contract` makes the WSDL of it, with the docstrings of the operations.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from backends.soap.conversion import (
    FAULT_NAMES,
    FAULTS,
    MAX_EVENTS,
    MAX_NICK,
    MAX_REASON,
    MAX_TEXT,
    MAX_WAIT,
    MAX_WORD,
    TNS,
)
from backends.soap.spyne_compat import (
    ComplexModel,
    Double,
    Enum,
    Fault,
    Integer32,
    Long,
    ServiceBase,
    Unicode,
    rpc,
)
from chat.domain.errors import ChatError
from chat.domain.model import MAX_NUMBER, Ack, Cursor, Delete, Draft, Edit, Event, Hello, Say
from chat.interfaces.server import HubPort
from chat.transport.http_server import News

F = TypeVar("F", bound=Callable[..., Any])

# --- types -------------------------------------------------------------------------------------


def _named(base: Any, name: str, **facets: Any) -> Any:
    """Return a simple type in the chat's namespace, required and never nil."""
    made = base(type_name=name, nillable=False, min_occurs=1, **facets)
    made.__namespace__ = TNS  # spyne would take a relative namespace
    return made


def _optional(kind: Any) -> Any:
    return kind.customize(
        min_occurs=0, type_name=kind.__type_name__
    )  # without the name it would be another type


def _always(kind: Any) -> Any:
    return kind.customize(min_occurs=1, nillable=False)


def _many(kind: Any) -> Any:
    return kind.customize(min_occurs=0, max_occurs="unbounded", nillable=False)


Room = _named(Unicode, "Room", pattern="[a-z0-9][a-z0-9_\\-]{0,31}")
Nick = _named(Unicode, "Nick", min_len=1, max_len=MAX_NICK)
Text = _named(Unicode, "Text", min_len=1, max_len=MAX_TEXT)
Word = _named(Unicode, "Word", min_len=1, max_len=MAX_WORD)
Reason = _named(Unicode, "Reason", max_len=MAX_REASON)
Number = _named(Long, "Number", ge=0, le=MAX_NUMBER)
Count = _named(Integer32, "Count", ge=0)
Seconds = _named(Double, "Seconds", ge=0)
PageSize = _named(Integer32, "PageSize", ge=1, le=MAX_EVENTS)
WaitSeconds = _named(Integer32, "WaitSeconds", ge=0, le=MAX_WAIT)
Kind = Enum("opened", "joined", "resumed", "left", "sent", "edited", "deleted", type_name="Kind").customize(
    nillable=False, min_occurs=1
)
Kind.__namespace__ = TNS


def _struct(name: str, *fields: tuple[str, Any]) -> Any:
    return type(name, (ComplexModel,), {"__namespace__": TNS, "_type_info": list(fields)})


EventType = _struct(
    "Event",
    ("kind", Kind),
    ("seq", Number),
    ("prev", Number),
    ("at", Number),
    ("author", _optional(Nick)),
    ("seat", _optional(Word)),
    ("technique", _optional(Word)),
    ("n", _optional(Number)),
    ("id", _optional(Number)),
    ("text", _optional(Text)),
)
_MEMBER = (("seat", Word), ("nick", Nick), ("technique", Word))
MemberType = _struct("Member", *_MEMBER)
SeenMemberType = _struct("SeenMember", *_MEMBER, ("seen", _optional(Number)))
LimitsType = _struct(
    "Limits",
    ("textBytes", Count),
    ("nickChars", Count),
    ("nickBytes", Count),
    ("frameBytes", Count),
    ("burst", Count),
    ("rate", Seconds),
    ("replay", Count),
    ("page", Count),
    ("grace", Seconds),
    ("rooms", Count),
    ("seats", Count),
)
# --- faults ------------------------------------------------------------------------------------

_FAULT_FIELDS = [("text", Reason), ("n", _optional(Number)), ("retryAfter", _optional(Seconds))]
FAULT_TYPES: dict[str, Any] = {
    code: type(FAULT_NAMES[code], (Fault,), {"__namespace__": TNS, "_type_info": list(_FAULT_FIELDS)})
    for code in FAULTS
}
"""The types of the faults by the error's code, for the WSDL; `backends.soap.codec` writes the faults."""


def _faults(*codes: str) -> list[Any]:
    return [
        FAULT_TYPES[code] for code in sorted(("bad_request", "access_denied", "closing", "error", *codes))
    ]


_READING = _faults("seat_gone", "seat_taken", "not_stored", "too_fast")
_DRAFT = ("seat_gone", "seat_taken", "bad_text", "draft_conflict", "too_fast", "not_stored")

# --- operations --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Call:
    """The context of an operation, besides its arguments."""

    hub: HubPort
    access: str
    """The access token: the header has proved that the caller has it (`backends.soap.security`)."""
    peer: str
    """The host of the client."""
    connection: str
    """Names the client's connection."""
    version: str
    """Of SOAP."""


def operation(
    *arguments: Any, throws: list[Any], returns: tuple[tuple[str, Any], ...] = ()
) -> Callable[[F], F]:
    """Declare an operation: the types of its arguments, its faults, the elements of its response."""
    names = [name for name, _ in returns]
    kinds = [kind for _, kind in returns]
    given: dict[str, Any] = {"_throws": throws}
    if len(kinds) == 1:
        given |= {"_returns": kinds[0], "_out_variable_name": names[0]}
    elif kinds:
        given |= {"_returns": kinds, "_out_variable_names": names}
    return cast("Callable[[F], F]", rpc(*arguments, **given))


_ACKED = (("n", Number), ("seq", Number))


class Chat(ServiceBase):  # type: ignore[misc]  # spyne has no hints
    """The operations. Each returns the values of its response's elements, in their order."""

    @operation(
        *(Room, Nick, _optional(Word), _optional(Number), _optional(Word), _optional(Number)),
        returns=(
            *(("room", Room), ("nick", Nick), ("seat", Word), ("seatKey", Word), ("epoch", Word)),
            *(
                ("first", Number),
                ("head", Number),
                ("start", Number),
                ("n", Number),
                ("limits", _always(LimitsType)),
            ),
        ),
        throws=_faults("bad_name", "nick_taken", "stale_cursor", "full", "not_stored"),
    )
    async def Join(
        call: Call,
        room: str,
        nick: str,
        seatKey: str,
        after: int | None,
        epoch: str,
        replay: int | None,
    ) -> Any:
        """Take a seat; with a seatKey, get that seat back. Read with Fetch after start.

        For a new seat give 22 to 64 random characters: if the answer is lost, the same call gives the same
        seat.

        With after, start is that place in the log; without it as many events as replay says are after it.
        """
        cursor = None if after is None else Cursor(after, epoch or "")
        hello = Hello(room, nick, cursor, call.access, seatKey or "", replay)
        seat = await call.hub.take_seat(hello, "soap", call.peer, call.connection)
        w = seat.welcome
        return (
            *(w.room, w.nick, w.seat, w.seat_key, w.epoch),
            *(w.first, w.head, seat.start, w.n, w.limits),
        )

    @operation(Word, throws=_faults("seat_gone", "seat_taken"))
    async def Leave(call: Call, seatKey: str) -> Any:
        """End the seat."""
        call.hub.find_seat(seatKey).leave()
        return ()

    @operation(Word, Number, Text, returns=_ACKED, throws=_faults(*_DRAFT, "not_yours"))
    async def Send(call: Call, seatKey: str, n: int, text: str) -> Any:
        """Send a message. A draft that is sent again with the same n happens once; n 0 takes the next n."""
        return await _decided(call, seatKey, Say(text, n))

    @operation(
        Word, Number, Number, Text, returns=_ACKED, throws=_faults(*_DRAFT, "not_yours", "no_such_message")
    )
    async def Edit(call: Call, seatKey: str, n: int, id: int, text: str) -> Any:
        """Give an own message, named by the seq of its sent event, another text."""
        return await _decided(call, seatKey, Edit(id, text, n))

    @operation(Word, Number, Number, returns=_ACKED, throws=_faults(*_DRAFT, "not_yours", "no_such_message"))
    async def Delete(call: Call, seatKey: str, n: int, id: int) -> Any:
        """Delete an own message."""
        return await _decided(call, seatKey, Delete(id, n))

    @operation(
        *(Word, _optional(Number), _optional(Number), PageSize, WaitSeconds),
        returns=(("head", Number), ("event", _many(EventType))),
        throws=_READING,
    )
    async def Fetch(
        call: Call,
        seatKey: str,
        after: int | None,
        before: int | None,
        limit: int,
        wait: int,
    ) -> Any:
        """Read events, ascending: the first after a seq, the last before one, or the newest.

        With wait it waits so many seconds for the first event after the seq, or, without after and before,
        for the next one: a long poll. head is the seq of the newest.
        """
        seat = call.hub.find_seat(seatKey)
        if wait and after is None and before is None:
            after = seat.head
        if after is None or before is not None:
            events = await seat.history(after=after, before=before, limit=limit)
        elif wait and after >= seat.head:
            return News(seat, after, after, limit, wait, call.version)
        else:
            events = await seat.read(after, limit, 0)
        return seat.head, events

    @operation(Word, returns=(("member", _many(MemberType)),), throws=_READING)
    async def Members(call: Call, seatKey: str) -> Any:
        """Return the members of the room, in the order of joining."""
        return (await call.hub.find_seat(seatKey).members(),)

    @operation(Word, returns=(("member", _many(SeenMemberType)),), throws=_READING)
    async def Seen(call: Call, seatKey: str) -> Any:
        """Return the members as Members does, and how far each has read.

        seen is the seq up to which the member's client has what came, as far as the server knows; it is left
        out where that is not known.
        """
        return (await call.hub.find_seat(seatKey).members(),)

    @operation(throws=_faults())
    async def Ping(call: Call) -> Any:
        """Do nothing: it measures the round trip."""
        return ()


async def _decided(call: Call, seat_key: str, draft: Draft) -> tuple[int, int]:
    """Hand the draft to the room and wait for its decision. Raises the refusal."""
    decided: asyncio.Future[Event | Ack] = asyncio.get_running_loop().create_future()

    def reply(_: Draft, outcome: Event | Ack | ChatError) -> None:
        if decided.done():
            return  # the request was cancelled
        if isinstance(outcome, ChatError):
            decided.set_exception(outcome)
        else:
            decided.set_result(outcome)

    call.hub.find_seat(seat_key).send(draft, reply)
    outcome = await decided
    return outcome.n, outcome.seq
