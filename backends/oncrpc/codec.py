"""ONC RPC (RFC 5531): records on a stream, the headers of calls and replies. No I/O.

Every call with an xid and a whole header gets a reply; anything less is a `BadRecord`.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from functools import lru_cache
from struct import Struct, unpack_from

import msgspec

from chat.language import N_
from protos.xdr import Message, Packer, Unpacker, XdrError

RPC_VERSION = 2
MAX_CALL = 64 * 1024
"""Bytes of a record to a server."""
MAX_REPLY = 1024 * 1024
"""Bytes of a record to a client."""
MAX_FRAGMENTS = 1024
"""Fragments of one record."""
MAX_AUTH = 400
"""Bytes of a credential or a verifier (section 8.2)."""
MAX_MACHINE = 255
"""Bytes of the machine name in AUTH_SYS (appendix A)."""
LAST = 0x80000000
"""The bit of a record mark that marks the last fragment of a record (section 11)."""
_SIZE = LAST - 1

_WORD = Struct(">I")
_CALL = Struct(">I8s3I16s")  # xid, type and RPC version, program, version, procedure, twice an AUTH_NONE
_REPLY = Struct(">4I").pack(1, 0, 0, 0)  # type, reply_stat, an empty AUTH_NONE
ACCEPTED = _REPLY + bytes(4)
"""What a reply to a call that was carried out has between the xid and the result."""
_PLAIN_CALL = bytes((0, 0, 0, 0, 0, 0, 0, 2))  # message type and RPC version of a call
_ANONYMOUS = bytes(16)  # credentials and verifier of a call without any
_VERIFIER = bytes(8)


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
    OK = 0
    BADCRED = 1
    REJECTEDCRED = 2
    BADVERF = 3
    REJECTEDVERF = 4
    TOOWEAK = 5
    INVALIDRESP = 6
    FAILED = 7


class Flavor(IntEnum):
    """Sections 8.2 and 14; our servers know the first two."""

    NONE = 0
    SYS = 1
    SHORT = 2
    DH = 3
    RPCSEC_GSS = 6


class BadRecord(Exception):
    """The record is no RPC message: it can't be answered."""


class Denied(Exception):
    """The call has a whole header, but must be denied; ``reply`` is what to send."""

    def __init__(self, reply: bytes) -> None:
        super().__init__(reply)
        self.reply = reply


class Refused(Exception):
    """The server has not carried out the call; ``stat`` says why."""

    def __init__(self, stat: AcceptStat | RejectStat, text: str) -> None:
        super().__init__(text)
        self.stat = stat


# --- records on a stream -----------------------------------------------------------------------


def mark(record: bytes) -> bytes:
    """Return a record as one fragment, with its mark."""
    return mark_of(len(record)) + record


@lru_cache(256)
def mark_of(size: int) -> bytes:
    """Return the mark of a record that is one fragment of so many bytes."""
    return _WORD.pack(LAST | size)


class RecordReader:
    """Splits a stream of bytes into records."""

    def __init__(self, limit: int = MAX_CALL) -> None:
        self._limit = limit
        self._data = bytearray()
        self._record = bytearray()  # the fragments so far
        self._fragments = 0

    @property
    def partial(self) -> bool:
        """A record has begun and is not complete."""
        return bool(self._data or self._fragments)

    def feed(self, data: bytes | bytearray) -> Iterator[bytes]:
        """Yield the records that are complete now.

        Raises:
            BadRecord: as soon as a record is too long or has too many fragments, of which any may be empty
                (RFC 5531, section 11). The reader can't be used after that.
        """
        if self._data:
            self._data += data
            data = self._data
        place, size_of, end = 0, _WORD.unpack_from, len(data)
        try:
            while end - place >= 4:
                (word,) = size_of(data, place)
                size, last = word & _SIZE, word & LAST
                if len(self._record) + size > self._limit:
                    raise BadRecord(N_(f"a record may have {self._limit} bytes, this one has more"))
                if self._fragments >= MAX_FRAGMENTS:
                    raise BadRecord(N_(f"a record may have {MAX_FRAGMENTS} fragments, this one has more"))
                if end - place - 4 < size:
                    return
                begin = place + 4
                place = begin + size
                if last and not self._fragments:  # nearly always: a record is one fragment
                    yield bytes(data[begin:place])
                    continue
                self._record += data[begin:place]
                self._fragments += 1
                if last:
                    record = bytes(self._record)
                    self._record.clear()
                    self._fragments = 0
                    yield record
        finally:
            if data is self._data:
                del self._data[:place]
            else:
                self._data += data[place:]


# --- calls -------------------------------------------------------------------------------------


class Call(msgspec.Struct, frozen=True, gc=False):
    xid: int
    program: int
    version: int
    procedure: int
    arguments: bytes
    record: bytes
    """The whole call."""
    shown: str = ""
    """The machine name of AUTH_SYS, which is the access token where the server asks for one."""


def write_call(
    xid: int, program: int, version: int, procedure: int, argument: Message | None, access: str = ""
) -> bytes:
    """Return a call, with an access token in its credentials if there is one.

    Raises `XdrError` if a value breaks a bound.
    """
    head = _CALL.pack(xid, _PLAIN_CALL, program, version, procedure, _ANONYMOUS)
    if access:
        head = head[: -len(_ANONYMOUS)] + _credential(access) + _VERIFIER
    return head if argument is None else head + argument.encode()


def _credential(access: str) -> bytes:
    """Return AUTH_SYS with the access token as the machine name, which rpcgen's clients can send, too."""
    body = Packer()
    body.uint32(0)  # stamp
    body.opaque(access.encode(), MAX_MACHINE)
    for _ in range(3):
        body.uint32(0)  # user, group, number of further groups
    p = Packer()
    p.uint32(Flavor.SYS)
    p.opaque(bytes(body.data), MAX_AUTH)
    return bytes(p.data)


def read_call(record: bytes) -> Call:
    """Read a call's header. Raises `BadRecord`, or `Denied` with the reply to be sent."""
    if len(record) >= _CALL.size:  # fast path: most calls have no credentials
        xid, kind, program, version, procedure, auth = _CALL.unpack_from(record)
        if kind == _PLAIN_CALL and auth == _ANONYMOUS:
            return Call(xid, program, version, procedure, record[_CALL.size :], record)
    u = Unpacker(record)
    try:
        xid, kind, rpc_version = u.uint32(), u.uint32(), u.uint32()
        if kind != MessageType.CALL:
            raise BadRecord(f"a message of type {kind} is no call")
        if rpc_version != RPC_VERSION:
            raise Denied(_denied(xid, RejectStat.RPC_MISMATCH, RPC_VERSION, RPC_VERSION))
        program, version, procedure = u.uint32(), u.uint32(), u.uint32()
        flavor, credential = u.uint32(), u.opaque(MAX_AUTH)
        u.uint32(), u.opaque(MAX_AUTH)  # the verifier: neither flavor has one
    except XdrError as error:
        raise BadRecord(f"no call: {error}") from None
    shown = ""
    if flavor == Flavor.SYS:
        try:
            shown = _read_auth_sys(credential)
        except XdrError:
            raise Denied(_denied(xid, RejectStat.AUTH_ERROR, AuthStat.BADCRED)) from None
    elif flavor != Flavor.NONE:
        raise Denied(_denied(xid, RejectStat.AUTH_ERROR, AuthStat.REJECTEDCRED))
    return Call(xid, program, version, procedure, u.rest, record, shown)


def _read_auth_sys(credential: bytes) -> str:
    """Check the form of AUTH_SYS (appendix A), and return the machine name.

    User and groups are ignored: anybody can write them.
    """
    u = Unpacker(credential)
    u.uint32()  # stamp
    machine = u.opaque(MAX_MACHINE)  # in any encoding
    u.uint32(), u.uint32()  # user and group
    u.array(16, u.uint32)  # further groups
    u.done()
    return machine.decode(errors="replace")


# --- replies -----------------------------------------------------------------------------------


def succeeded(xid: int, result: Message | None) -> bytes:
    """Return the reply with a result. Raises `XdrError` if a value breaks a bound."""
    head = _WORD.pack(xid) + ACCEPTED
    if result is None:
        return head
    p = Packer()
    p.data += head
    result.pack(p)
    return bytes(p.data)


def refused(xid: int, stat: AcceptStat, *versions: int) -> bytes:
    """Return the reply to a call that is not carried out; PROG_MISMATCH has lowest and highest version."""
    return _WORD.pack(xid) + _REPLY + b"".join(map(_WORD.pack, (stat, *versions)))


def _denied(xid: int, stat: RejectStat, *more: int) -> bytes:
    return b"".join(map(_WORD.pack, (xid, MessageType.REPLY, ReplyStat.DENIED, stat, *more)))


def xid_of(record: bytes) -> int:
    """Return the xid of a reply. Raises `BadRecord` if it is no reply."""
    if len(record) < 8 or unpack_from(">I", record, 4) != (MessageType.REPLY,):
        raise BadRecord(N_("no reply"))
    (xid,) = _WORD.unpack_from(record)
    return int(xid)


def read_reply(record: bytes) -> Unpacker:
    """Return the result, still packed. Raises `Refused`, or `XdrError` for a malformed reply."""
    u = Unpacker(record, 8)
    if u.enum(ReplyStat) == ReplyStat.DENIED:
        reject = u.enum(RejectStat)
        if reject == RejectStat.RPC_MISMATCH:
            raise Refused(reject, f"the server speaks RPC {u.uint32()} to {u.uint32()}")
        raise Refused(reject, f"the server does not accept the credentials: auth_stat {u.uint32()}")
    u.uint32(), u.opaque(MAX_AUTH)  # the verifier
    stat = u.enum(AcceptStat)
    if stat == AcceptStat.PROG_MISMATCH:
        raise Refused(stat, f"PROG_MISMATCH: the server has versions {u.uint32()} to {u.uint32()}")
    if stat != AcceptStat.SUCCESS:
        raise Refused(stat, stat.name)
    return u
