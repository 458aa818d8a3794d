"""SEND, which nearly every call is: read and answered in few steps. No I/O.

The SENDs of one read mostly begin with the same bytes: header, credentials and seat key. What was found out
about the first holds for those behind it.
"""

from __future__ import annotations

from functools import lru_cache
from struct import Struct, error

import msgspec

from backends.oncrpc.codec import ACCEPTED, Call, succeeded
from backends.oncrpc.conversion import error_to
from chat.domain.errors import ChatError
from chat.domain.model import MAX_NUMBER, Ack, Event, Say
from chat.interfaces.server import Seat
from protos.chat_xdr import CHAT_MAX_KEY, CHAT_MAX_TEXT, draft_res, send_args

_STORED = Struct(f">I{len(ACCEPTED)}s4sQQ")  # xid, the rest of the header, status, number, seq
_SIZE, _NUMBER_AND_SIZE = Struct(">I").unpack_from, Struct(">QI").unpack_from
_OK = bytes(4)  # CHAT_OK
_PADDING = (b"", bytes(3), bytes(2), bytes(1))  # by the length modulo 4


class CalledSay(Say, frozen=True, gc=False):
    """A message, and the call that asked for it."""

    xid: int = 0


class Beginning(msgspec.Struct, frozen=True):
    """How a SEND begins that was let in, and the seat of its key."""

    head: bytes
    """What stands between the xid and the draft's number."""
    form: Struct
    """The xid, the head, the number, and the length of the text."""
    seat: Seat


def beginning_of(call: Call, seat: Seat) -> Beginning:
    """Return how this SEND begins, whose arguments are right, and whose key opens the seat."""
    record = call.record
    args = len(record) - len(call.arguments)
    (size,) = _SIZE(record, args)
    head = record[4 : args + 4 + size + (-size & 3)]
    return Beginning(head, _form(len(head)), seat)


@lru_cache(64)
def _form(size: int) -> Struct:
    return Struct(f">I{size}sQI")


def say_again(record: bytes, before: Beginning) -> CalledSay | None:
    """Read a SEND that begins like one before it; None: it does not, or something is wrong with it."""
    form = before.form
    place = form.size
    if len(record) < place:
        return None
    xid, head, n, length = form.unpack_from(record)
    end = place + length
    if (
        head == before.head
        and n <= MAX_NUMBER
        and length <= CHAT_MAX_TEXT
        and len(record) == end + (-length & 3)
        and record[end:] == _PADDING[length & 3]
    ):
        try:
            return CalledSay(record[place:end].decode(), n, xid)
        except UnicodeDecodeError:
            pass
    return None


def sent_args(data: bytes) -> send_args | None:
    """Read the arguments of a SEND, in half of the time; None: they are wrong.

    What is wrong with them is told by `send_args.decode`.
    """
    try:
        (size,) = _SIZE(data)
        key = 4 + size
        place = key + (-size & 3)
        n, length = _NUMBER_AND_SIZE(data, place)
        text = place + 12
        end = text + length
        if (
            size <= CHAT_MAX_KEY
            and length <= CHAT_MAX_TEXT
            and data[key:place] == _PADDING[size & 3]
            and len(data) == end + (-length & 3)
            and data[end:] == _PADDING[length & 3]
        ):
            return send_args(data[4:key].decode(), n, data[text:end].decode())
    except (error, UnicodeDecodeError):
        pass
    return None


def draft_reply(xid: int, n: int, outcome: Event | Ack | ChatError) -> bytes:
    """Return the reply to a draft: the outcome as a `draft_res`; ``n`` is the draft's number."""
    if isinstance(outcome, ChatError):
        return succeeded(xid, draft_res(*error_to(outcome, n)))
    return _STORED.pack(xid, ACCEPTED, _OK, outcome.n, outcome.seq)
