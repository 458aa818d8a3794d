"""ONC RPC on the wire (RFC 5531): records on a stream, the headers of calls and replies. No I/O.

A record with an xid and a complete header must be answered; a record without them is a `BadRecord`.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from struct import Struct, unpack_from
from typing import NamedTuple

from protos.xdr import Message, Packer, Unpacker, XdrError

RPC_VERSION = 2
MAX_CALL = 64 * 1024
"""Bytes of a record that a server takes, ..."""
MAX_REPLY = 1024 * 1024
"""... and of one that a client takes."""
MAX_FRAGMENTS = 1024
"""Pieces that one record may come in."""
MAX_AUTH = 400
"""Bytes of a credential or a verifier (section 8.2)."""
LAST = 0x80000000
"""The bit of a record mark that says: no fragment of this record follows (section 11)."""

_WORD = Struct(">I")
_CALL = Struct(">10I")  # xid, type, RPC version, program, version, procedure, and twice an empty AUTH_NONE
_ACCEPTED = Struct(">6I")  # xid, type, reply_stat, an empty AUTH_NONE, accept_stat
NO_AUTH = (0, 0)
_PLAIN_CALL = (0, 2)  # the message type and the RPC version ...
_ANONYMOUS = [*NO_AUTH, *NO_AUTH]  # ... of a call without credentials


class MessageType(IntEnum):
    CALL = 0
    REPLY = 1


class ReplyStat(IntEnum):
    ACCEPTED = 0
    DENIED = 1


class AcceptStat(IntEnum):
    SUCCESS = 0
    PROG_UNAVAIL = 1
    PROG_MISMATCH = 2
    PROC_UNAVAIL = 3
    GARBAGE_ARGS = 4
    SYSTEM_ERR = 5


class RejectStat(IntEnum):
    RPC_MISMATCH = 0
    AUTH_ERROR = 1


class AuthStat(IntEnum):
    BADCRED = 1
    REJECTEDCRED = 2


class Flavor(IntEnum):
    NONE = 0
    SYS = 1


class BadRecord(Exception):
    """The bytes are not an RPC message, so no reply is possible."""


class Denied(Exception):
    """The call has a whole header, and there is something wrong with that; ``reply`` says what."""

    def __init__(self, reply: bytes) -> None:
        super().__init__(reply)
        self.reply = reply


class Refused(Exception):
    """The server does not carry the call out: the reply's accept_stat, or why it was denied."""

    def __init__(self, stat: AcceptStat | RejectStat, text: str) -> None:
        super().__init__(text)
        self.stat = stat


# --- records on a stream -----------------------------------------------------------------------


def mark(record: bytes) -> bytes:
    """Return a record as one fragment, ready for the stream."""
    return _WORD.pack(LAST | len(record)) + record


class RecordReader:
    """Feed it bytes as they come, get whole records."""

    def __init__(self, limit: int = MAX_CALL) -> None:
        self._limit = limit
        self._data = bytearray()
        self._record = bytearray()  # the fragments so far
        self._fragments = 0

    @property
    def partial(self) -> bool:
        """A record has begun and is not whole yet."""
        return bool(self._data or self._fragments)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the records that are whole now.

        Raises `BadRecord` as soon as one is announced that is longer than the limit, comes in too many
        fragments, or in one without a byte; the reader is of no use after that.
        """
        self._data += data
        place = 0
        try:
            while len(self._data) - place >= 4:
                (word,) = _WORD.unpack_from(self._data, place)
                size, last = word & ~LAST, word & LAST
                if len(self._record) + size > self._limit:
                    raise BadRecord(f"a record may have {self._limit} bytes, this one has more")
                if not size and not last:
                    raise BadRecord("an empty fragment that is not the last one")
                if self._fragments >= MAX_FRAGMENTS:
                    raise BadRecord(f"a record may come in {MAX_FRAGMENTS} fragments, this one has more")
                if len(self._data) - place - 4 < size:
                    return
                place += 4 + size
                if last and not self._fragments:  # nearly always: a record is one fragment
                    yield bytes(self._data[place - size : place])
                    continue
                self._record += self._data[place - size : place]
                self._fragments += 1
                if last:
                    record = bytes(self._record)
                    self._record.clear()
                    self._fragments = 0
                    yield record
        finally:
            del self._data[:place]


# --- calls -------------------------------------------------------------------------------------


class Call(NamedTuple):
    xid: int
    program: int
    version: int
    procedure: int
    arguments: bytes


def write_call(xid: int, program: int, version: int, procedure: int, argument: Message | None) -> bytes:
    """Return a call without credentials. Raises `XdrError` when the argument does not fit."""
    head = _CALL.pack(xid, MessageType.CALL, RPC_VERSION, program, version, procedure, *NO_AUTH, *NO_AUTH)
    return head if argument is None else head + argument.encode()


def read_call(record: bytes) -> Call:
    """Read a call's header. Raises `BadRecord`, or `Denied` with the reply to be sent."""
    if len(record) >= _CALL.size:  # nearly always there are no credentials, and the header has one form
        xid, kind, rpc_version, program, version, procedure, *auth = _CALL.unpack_from(record)
        if (kind, rpc_version) == _PLAIN_CALL and auth == _ANONYMOUS:
            return Call(xid, program, version, procedure, record[_CALL.size :])
    u = Unpacker(record)
    try:
        xid, kind, rpc_version = u.uint32(), u.uint32(), u.uint32()
        if kind != MessageType.CALL:
            raise BadRecord(f"a message of type {kind}, where calls belong")
        if rpc_version != RPC_VERSION:
            raise Denied(_denied(xid, RejectStat.RPC_MISMATCH, RPC_VERSION, RPC_VERSION))
        program, version, procedure = u.uint32(), u.uint32(), u.uint32()
        flavor, credential = u.uint32(), u.opaque(MAX_AUTH)
        u.uint32(), u.opaque(MAX_AUTH)  # the verifier: neither flavor has one
    except XdrError as error:
        raise BadRecord(f"no call: {error}") from None
    if flavor == Flavor.SYS:
        try:
            _read_auth_sys(credential)
        except XdrError:
            raise Denied(_denied(xid, RejectStat.AUTH_ERROR, AuthStat.BADCRED)) from None
    elif flavor != Flavor.NONE:
        raise Denied(_denied(xid, RejectStat.AUTH_ERROR, AuthStat.REJECTEDCRED))
    return Call(xid, program, version, procedure, u.rest)


def _read_auth_sys(credential: bytes) -> None:
    """Read what a caller claims to be (appendix A), and believe nothing of it: anybody can write it."""
    u = Unpacker(credential)
    u.uint32()  # a number of its own
    u.opaque(255)  # the machine, in no encoding in particular
    u.uint32(), u.uint32()  # user and group
    u.array(16, u.uint32)  # further groups
    u.done()


# --- replies -----------------------------------------------------------------------------------


def succeeded(xid: int, result: Message | None) -> bytes:
    """Return the reply with a result. Raises `XdrError` when it does not fit."""
    head = _accepted(xid, AcceptStat.SUCCESS)
    if result is None:
        return head
    p = Packer()
    p.data += head
    result.pack(p)
    return bytes(p.data)


def refused(xid: int, stat: AcceptStat, *versions: int) -> bytes:
    """Return the reply to a call that is not carried out; PROG_MISMATCH brings lowest and highest version."""
    return _accepted(xid, stat) + b"".join(map(_WORD.pack, versions))


def _accepted(xid: int, stat: AcceptStat) -> bytes:
    return _ACCEPTED.pack(xid, MessageType.REPLY, ReplyStat.ACCEPTED, *NO_AUTH, stat)


def _denied(xid: int, stat: RejectStat, *more: int) -> bytes:
    return b"".join(map(_WORD.pack, (xid, MessageType.REPLY, ReplyStat.DENIED, stat, *more)))


def xid_of(record: bytes) -> int:
    """Return the number that ties a reply to its call. Raises `BadRecord`."""
    if len(record) < 8 or unpack_from(">I", record, 4) != (MessageType.REPLY,):
        raise BadRecord("no reply")
    (xid,) = _WORD.unpack_from(record)
    return int(xid)


def read_reply(record: bytes) -> Unpacker:
    """Return the result that is still to be unpacked. Raises `Refused`, or `XdrError` for no reply at all."""
    u = Unpacker(record, 8)
    if u.enum(ReplyStat) == ReplyStat.DENIED:
        reject = u.enum(RejectStat)
        if reject == RejectStat.RPC_MISMATCH:
            raise Refused(reject, f"the server speaks RPC {u.uint32()} to {u.uint32()}")
        raise Refused(reject, f"the server does not take the credentials: auth_stat {u.uint32()}")
    u.uint32(), u.opaque(MAX_AUTH)  # the verifier
    stat = u.enum(AcceptStat)
    if stat == AcceptStat.PROG_MISMATCH:
        raise Refused(stat, f"PROG_MISMATCH: the server has versions {u.uint32()} to {u.uint32()}")
    if stat != AcceptStat.SUCCESS:
        raise Refused(stat, stat.name)
    return u
