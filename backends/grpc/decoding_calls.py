"""What a gRPC message means to the chat: its method, its role, and the call in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import unquote

from google.protobuf.descriptor import Descriptor
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from backends.grpc.decoding_protobuf import Record, value_of
from chat.interfaces.frames import MASK, Direction, Field, Frame, Role
from chat.transport.decoding.json_fields import SECRETS, take_note
from chat.transport.decoding.text import one_line
from protos import chat_pb2

REFLECTION_V1 = "grpc.reflection.v1."
"""Its messages are those of v1alpha, see `backends.grpc.reflection`."""
MAX_VALUES = 2_000
"""Arguments of a call that are shown, those in messages included."""

_CHAT = "chat.v1."
_SERVICES = {
    service.full_name: service
    for file in (chat_pb2.DESCRIPTOR, health_pb2.DESCRIPTOR, reflection_pb2.DESCRIPTOR)
    for service in file.services_by_name.values()
}
_ROLES: dict[tuple[Direction, str], Role] = {
    (Direction.UP, "hello"): "setup",
    (Direction.UP, "leave"): "setup",
    (Direction.UP, "ack"): "control",
    (Direction.UP, "ping"): "control",
    (Direction.DOWN, "welcome"): "setup",
    (Direction.DOWN, "pong"): "control",
}
"""Of the chat's frames; any other one is a ``message``."""
_KINDS = {
    (Direction.UP, "send"): "say",
    (Direction.UP, "edit"): "edit",
    (Direction.UP, "delete"): "delete",
    (Direction.UP, "ack"): "ack",
    (Direction.DOWN, "ack"): "ack",
    (Direction.DOWN, "problem"): "error",
}
"""What the line protocols call it."""
_STATUS = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS"),
    *("PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE"),
    *("UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"),
)
"""The names of gRPC's status codes, by number (https://grpc.io/docs/guides/status-codes)."""


class Method(NamedTuple):
    """A method of a service, or any other resource that is asked for."""

    name: str
    """As people call it: ``Chat``, or a whole path."""
    types: tuple[Descriptor | None, Descriptor | None]
    """Of the messages, by direction; None: unknown."""
    unary: bool
    """It is known to have one request and one reply."""
    role: Role
    """Of the frames that begin and end the call."""
    chat: bool
    """Its messages may hold a seat key."""
    hidden: bool = False
    """It is one of our services, but we do not know it: what it carries may be anything."""


def method_of(path: str) -> Method:
    """Return the method that a path names (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md)."""
    service_name, _, name = path.lstrip("/").rpartition("/")
    alias = service_name
    if service_name.startswith(REFLECTION_V1):
        alias = service_name.replace(".v1.", ".v1alpha.")
    service = _SERVICES.get(alias)
    method = service.methods_by_name.get(name) if service is not None else None
    if method is None:
        hidden = _CHAT.strip(".") in path
        return Method(one_line(name or path), (None, None), False, "message", False, hidden)
    ours = service_name.startswith(_CHAT)
    types: tuple[Any, Any] = method.input_type, method.output_type
    streaming = method.client_streaming or method.server_streaming
    role: Role = "control" if not ours else "setup" if streaming else "message"
    return Method(name, types, not streaming, role, ours and streaming)


class Meaning(NamedTuple):
    """What a message means."""

    call: Field
    summary: str
    role: Role


def kind_in(records: list[Record], method: Method) -> str:
    """Return which of the chat's frames a message is, or will be; empty: it is none."""
    return records[-1].name if method.chat and records else ""


def role_of(method: Method, direction: Direction, kind: str) -> Role:
    """Return the role of a frame that carries a message, or a part of one."""
    if method.chat:
        return _ROLES.get((direction, kind), "message")
    return method.role


def meaning_of(method: Method, direction: Direction, records: list[Record]) -> Meaning:
    """Return what a message means whose records are these."""
    kind = kind_in(records, method)
    call = Field(f"{method.name}: {kind}" if kind else method.name, part="envelope")
    shown = records[-1].records if kind else records
    _add_values(call, shown, [MAX_VALUES])
    summary = one_line(f"{call.name} {_brief(shown)}".rstrip())
    return Meaning(call, summary, role_of(method, direction, kind))


def note(frame: Frame, method: Method, direction: Direction, records: list[Record], seat: str) -> None:
    """Add to a frame the drafts and seqs of a message, and to its last frame the texts.

    Args:
        frame: that carries the message, or a part of it.
        method: whose message it is.
        direction: of the message.
        records: of the message.
        seat: the client's own; the events of its drafts answer them.
    """
    kind = kind_in(records, method)
    if word := _KINDS.get((direction, kind)):
        take_note(frame, {"kind": word, **_plain(records[-1].records)})
        return
    events = list(_events(method, direction, records))
    take_note(frame, events)
    if method.chat and seat:
        for event in events:
            if event.get("seat") == seat and event["kind"] in ("sent", "edited", "deleted") and event["n"]:
                frame.drafts.add(event["n"])


def _events(method: Method, direction: Direction, records: list[Record]) -> Iterator[dict[str, Any]]:
    kind = method.types[direction]
    if kind is not None and kind.full_name == "chat.v1.ServerFrame":
        records = records[-1].records if records and records[-1].name == "events" else []
    elif kind is None or kind.full_name != "chat.v1.HistoryReply":
        return
    for record in records:
        if record.name == "events":
            plain = _plain(record.records)
            yield {"n": 0, **plain, "kind": str(plain.get("kind", "")).lower()}


def _plain(records: list[Record]) -> dict[str, Any]:
    return {record.name: record.value for record in records if record.value is not None}


def seat_in(records: list[Record]) -> str:
    """Return the client's seat, if the message is a welcome."""
    if records and records[-1].name == "welcome":
        return str(value_of(records[-1].records, "seat", ""))
    return ""


def _secret(record: Record) -> bool:
    return record.name in SECRETS and record.value != ""


def _add_values(parent: Field, records: list[Record], left: list[int]) -> None:
    for record in records:
        left[0] -= 1
        if left[0] < 0:
            parent.add("more", "not shown")
            return
        secret = _secret(record)
        shown = MASK if secret else record.shown
        below = parent.add(record.name, shown, None, "payload" if record.written else None, secret=secret)
        _add_values(below, record.records, left)


def _brief(records: list[Record], depth: int = 0) -> str:
    """Return the values on a line; of a long list only how many there are."""
    if len(records) > 1 and all(record.name == records[0].name for record in records):
        return f"{records[0].name}: {len(records)}"
    parts = []
    for record in records[:20]:
        if record.records:
            below = _brief(record.records, depth + 1) if depth < 3 else "..."
            parts.append(f"{record.name}={{{below}}}")
        else:
            parts.append(f"{record.name}={MASK if _secret(record) else record.shown or '{}'}")
    return " ".join(parts)


def status_name(value: str) -> str:
    """Return the name of a ``grpc-status``."""
    if value.isascii() and value.isdigit() and len(value) < 3 and int(value) < len(_STATUS):
        return _STATUS[int(value)]
    return one_line(value, 40)


def percent_decoded(value: str) -> str:
    """Return a ``grpc-message`` in words (PROTOCOL-HTTP2.md, Percent-Encoded)."""
    return one_line(unquote(value))
