"""Reads the messages of ONC RPC (RFC 5531, section 9) for whoever looks at the wire: headers, then XDR."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from backends.oncrpc.codec import (
    MAX_AUTH,
    MAX_MACHINE,
    RPC_VERSION,
    AcceptStat,
    AuthStat,
    Flavor,
    MessageType,
    RejectStat,
    ReplyStat,
)
from backends.oncrpc.decoding_xdr import SpanReader, derived
from chat.interfaces.frames import MASK, Direction, Field, Frame, Role
from chat.transport.decoding.json_fields import SECRETS
from chat.transport.decoding.known_secrets import KnownSecrets
from chat.transport.decoding.open_calls import OpenCalls
from chat.transport.decoding.stream import Undecodable
from chat.transport.decoding.text import one_line
from protos.chat_xdr import (
    CHAT_PROG,
    CHAT_V1,
    PROCEDURES,
    chat_error,
    chat_event,
    chat_kind,
    delete_args,
    draft_ok,
    draft_res,
    edit_args,
    fetch_ok,
    fetch_res,
    send_args,
)
from protos.xdr import Message, Procedure, XdrError

PROTOCOL = "ONC RPC"
MAX_GROUPS = 16
"""Further groups in AUTH_SYS (appendix A)."""
NULL = 0
_ROLES: dict[str, Role] = {
    "NULL": "control",
    "JOIN": "setup",
    "LEAVE": "setup",
    "FETCH": "poll",
}
_WRITTEN = (chat_kind.CHAT_SENT, chat_kind.CHAT_EDITED)


@dataclass(slots=True)
class _Call:
    """What a reply needs to know of its call."""

    name: str
    procedure: Procedure | None
    """None: of a program or version that is not ours."""
    ours: bool
    drafts: set[int] = field(default_factory=set)


class _Read(NamedTuple):
    """What was read of a message."""

    call: _Call
    value: Message | None
    """The arguments or results, if all of them could be read."""
    said: str
    """The state of a reply."""
    problem: str


class Messages:
    """The messages of one connection: a reply is decoded by its call."""

    def __init__(self) -> None:
        self.secrets = KnownSecrets()
        self._calls: OpenCalls[_Call] = OpenCalls()

    def decode(self, direction: Direction, data: bytes, place: int, root: Field) -> Frame:
        """Return the frame of a message, without its own bytes.

        Args:
            direction: of the message.
            data: what ends with the message.
            place: where it begins.
            root: gets a field for each value below it; the spans are places in ``data``.

        Raises:
            Undecodable: it is no message of RPC.
        """
        reader = SpanReader(data, place, root, _is_written)
        try:
            reader.expect("xid", "mtype")
            xid, kind = reader.uint32(), reader.enum(MessageType)
            if kind is MessageType.CALL:
                read = self._read_call(reader, direction, xid)
            elif kind is MessageType.REPLY:
                read = self._read_reply(reader, direction, xid)
            else:
                raise Undecodable(f"no message of RPC: its type is {kind}")
        except XdrError as error:
            raise Undecodable(f"no message of RPC: {error}") from None
        finally:
            self.secrets.add(reader.secrets)
        root.fields[0].value = f"{xid:08x}"
        call = read.call
        frame = Frame(PROTOCOL, kind.name, b"", root, role=_ROLES.get(call.name, "message"))
        frame.stream = f"xid {xid:08x}"
        frame.answer = kind is MessageType.REPLY
        frame.problem = one_line(read.problem)
        frame.drafts = call.drafts
        _take_note(frame, read.value)
        frame.call = _called(read, root)
        frame.summary = _summary(frame.call, read.problem)
        return frame

    def awaits(self, direction: Direction, xid: int) -> bool:
        """Return whether a call was seen that a message of this direction may answer."""
        return self._calls.answered(direction, xid) is not None

    # --- calls ---------------------------------------------------------------------------------

    def _read_call(self, reader: SpanReader, direction: Direction, xid: int) -> _Read:
        reader.expect("rpcvers", "prog", "vers", "proc")
        if (version := reader.uint32()) != RPC_VERSION:
            reader.rest_as("rest", MASK, secret=True)
            call = _Call("unknown", None, ours=True)
            self._calls.add(direction, xid, call)
            return _Read(call, None, "", f"version {version} of RPC, which nobody speaks")
        program, program_version, number = reader.uint32(), reader.uint32(), reader.uint32()
        call = _named(program, program_version, number)
        self._calls.add(direction, xid, call)
        _read_auth(reader, "cred", ours=call.ours)
        _read_auth(reader, "verf", ours=call.ours)
        procedure = call.procedure
        if procedure is None:
            reader.rest_as("arguments", "of an unknown procedure", secret=call.ours)
            return _Read(call, None, "", "")
        value, problem = _read_value(reader, "arguments", procedure.argument)
        return _Read(call, value, "", problem)

    # --- replies -------------------------------------------------------------------------------

    def _read_reply(self, reader: SpanReader, direction: Direction, xid: int) -> _Read:
        call = self._calls.answered(direction, xid) or _Call("unknown call", None, ours=True)
        reader.expect("reply_stat")
        state = reader.enum(ReplyStat)
        if state is ReplyStat.DENIED:
            return _Read(call, None, _read_rejected(reader), "")
        if state is not ReplyStat.ACCEPTED:
            raise XdrError(f"a reply_stat of {state}")
        _read_auth(reader, "verf", ours=call.ours)
        reader.expect("accept_stat", "low", "high")
        accepted = reader.enum(AcceptStat)
        said = accepted.name if accepted in list(AcceptStat) else f"accept_stat {accepted}"
        if accepted is AcceptStat.PROG_MISMATCH:
            said += f", the versions are {reader.uint32()} to {reader.uint32()}"
        if accepted is not AcceptStat.SUCCESS or call.procedure is None:
            reader.rest_as("results", "of an unknown procedure", secret=call.ours)
            return _Read(call, None, said, "")
        value, problem = _read_value(reader, "results", call.procedure.result)
        return _Read(call, value, "" if value is not None else said, problem)


def _read_rejected(reader: SpanReader) -> str:
    reader.expect("reject_stat")
    reject = reader.enum(RejectStat)
    if reject is RejectStat.RPC_MISMATCH:
        reader.expect("low", "high")
        return f"RPC_MISMATCH, the versions are {reader.uint32()} to {reader.uint32()}"
    if reject is not RejectStat.AUTH_ERROR:
        raise XdrError(f"a reject_stat of {reject}")
    reader.expect("auth_stat")
    stat = reader.enum(AuthStat)
    return f"AUTH_ERROR, AUTH_{stat.name}" if stat in list(AuthStat) else f"AUTH_ERROR, auth_stat {stat}"


def _named(program: int, version: int, number: int) -> _Call:
    ours = program == CHAT_PROG
    if ours and version == CHAT_V1 and number in PROCEDURES:
        procedure = PROCEDURES[number]
        return _Call(procedure.name.removeprefix("CHAT_"), procedure, ours=True)
    if number == NULL:
        return _Call("NULL", Procedure("NULL", None, None), ours)
    return _Call(f"program {program} version {version} procedure {number}", None, ours)


def _read_auth(reader: SpanReader, name: str, *, ours: bool) -> None:
    """Read credentials or a verifier (section 8.2). The machine name may be the access token of the chat."""
    if ours:
        reader.secret_names = SECRETS | {"machinename", "body"}
    with reader.open(name, "flavor"):
        if reader.enum(Flavor) is not Flavor.SYS:
            reader.expect("body")
            reader.opaque(MAX_AUTH)
            return
        reader.expect("length")
        size = reader.uint32()
        if size > MAX_AUTH:
            raise XdrError(f"{size} bytes of {name}, and {MAX_AUTH} are allowed")
        with reader.within(size), reader.open("body", "stamp", "machinename", "uid", "gid", "gids"):
            try:
                reader.uint32(), reader.opaque(MAX_MACHINE), reader.uint32(), reader.uint32()
                reader.array(MAX_GROUPS, reader.uint32)
            except XdrError:
                pass  # the server answers AUTH_ERROR
            reader.rest_as("rest", "", secret=True)
        reader.padding(size)


def _read_value(reader: SpanReader, name: str, kind: type[Message] | None) -> tuple[Message | None, str]:
    """Read arguments or results; return them, and why they could not be read or are not all."""
    value = None
    problem = ""
    if kind is not None:
        reader.expect(name)
        try:
            value = reader.message(kind)
        except XdrError as error:
            problem = f"{name}: {error}"
    if left := len(reader.rest):
        problem = problem or f"{name}: {left} bytes are left over"
        reader.rest_as("rest", MASK, secret=True)  # it may hold a seat key, wherever that begins
    return value, problem


# --- what it means -----------------------------------------------------------------------------


def _is_written(value: Message) -> bool:
    """Return whether a person wrote the ``text`` of the message."""
    if isinstance(value, chat_event):
        return value.kind in _WRITTEN
    return isinstance(value, send_args | edit_args)


def _take_note(frame: Frame, value: Message | None) -> None:
    """Add to a frame the texts, drafts and seqs of what was read."""
    match value:
        case send_args() | edit_args() | delete_args():
            _add_number(frame.drafts, value.n)
            if not isinstance(value, delete_args):
                frame.texts.append(value.text)
        case draft_res(value=draft_ok() as ok):
            _add_number(frame.drafts, ok.n)  # that of the call, too, where the server counts
            _add_number(frame.seqs, ok.seq)
        case draft_res(value=chat_error() as error):
            _add_number(frame.drafts, error.n)
        case fetch_res(value=fetch_ok() as ok):
            for event in ok.events:
                _add_number(frame.seqs, event.seq)
                if _is_written(event):
                    frame.texts.append(event.text)
            if ok.events:
                frame.role = "message"


def _add_number(numbers: set[int], number: int) -> None:
    if number:
        numbers.add(number)


def _called(read: _Read, root: Field) -> Field:
    """Return the call or its answer: the arguments, or the status and what it brought, by their names."""
    called = Field(read.call.name, read.said, part="envelope")
    for below in root.fields:
        if below.name in ("arguments", "results"):
            known = derived(below)
            for one in known.fields or ([known] if known.value else []):
                if one.name == "status":
                    called.value = one.value
                else:
                    called.fields += one.fields if below.name == "results" and one.fields else [one]
    return called


def _summary(called: Field, problem: str) -> str:
    words = [called.name, called.value, *(_words(one) for one in called.fields), problem]
    return one_line(" ".join(filter(None, words)))


def _words(field: Field) -> str:
    if field.value or not field.fields:
        return f"{field.name}={field.value}"
    return f"{field.name}: {' '.join(map(_words, field.fields))}"
