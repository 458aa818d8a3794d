"""Protobuf for the decoder: the records of a message, each with its bytes, also without its descriptor.

The wire format is https://protobuf.dev/programming-guides/encoding. A library would return the values, but
not where each of them stands, and nothing of a message that it does not know.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from chat.domain.json_codec import shorten
from chat.domain.validation import printable
from chat.interfaces.frames import MASK, Field
from chat.transport.decoding.json_fields import SECRETS
from chat.transport.decoding.stream import Undecodable
from chat.transport.decoding.text import SHOWN, one_line

MAX_DEPTH = 32
"""Levels of messages in messages; protobuf's own limit is 100."""
MAX_RECORDS = 50_000
"""Records of one message; the longest page of events that a server of ours sends has some 2,500."""

VARINT, I64, LEN, SGROUP, EGROUP, I32 = range(6)
_WIRE = ("VARINT", "I64", "LEN", "SGROUP", "EGROUP", "I32")
_FIXED = {
    FieldDescriptor.TYPE_DOUBLE: "<d",
    FieldDescriptor.TYPE_FLOAT: "<f",
    FieldDescriptor.TYPE_FIXED64: "<Q",
    FieldDescriptor.TYPE_FIXED32: "<I",
    FieldDescriptor.TYPE_SFIXED64: "<q",
    FieldDescriptor.TYPE_SFIXED32: "<i",
}
_WIRE_TYPES = {
    **dict.fromkeys((FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FIXED64), I64),
    **dict.fromkeys((FieldDescriptor.TYPE_SFIXED64,), I64),
    **dict.fromkeys((FieldDescriptor.TYPE_FLOAT, FieldDescriptor.TYPE_FIXED32), I32),
    **dict.fromkeys((FieldDescriptor.TYPE_SFIXED32,), I32),
    **dict.fromkeys((FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES), LEN),
    **dict.fromkeys((FieldDescriptor.TYPE_MESSAGE,), LEN),
    **dict.fromkeys((FieldDescriptor.TYPE_GROUP,), SGROUP),
}
_TEXTS = frozenset(("chat.v1.Send.text", "chat.v1.Edit.text"))
_EVENT_TEXT = "chat.v1.Event.text"
_WRITTEN = ("SENT", "EDITED")


@dataclass(slots=True)
class Record:
    """One field of a message, as it stands on the wire."""

    name: str
    start: int
    about: str
    """Its number, its wire type and, if it tells one, its length."""
    content: int
    """Where its tag and length end."""
    end: int
    value: Any = None
    """A number, a text, bytes, or a list of numbers; None: it has records, or is not complete."""
    shown: str = ""
    records: list[Record] = field(default_factory=list)
    written: bool = False
    """A person wrote it."""


def walk(data: bytes, kind: Descriptor | None, size: int | None = None) -> tuple[list[Record], str]:
    """Return the records of a message, and why there are no more; "" if that is all.

    Args:
        data: the message, or its beginning.
        kind: its descriptor; None: it is not known.
        size: bytes that the whole message has.
    """
    return _Walk(data).top(kind, len(data) if size is None else size)


def value_of(records: list[Record], name: str, otherwise: Any = None) -> Any:
    """Return the value of the last record of that name, as a reader of the message would."""
    for record in reversed(records):
        if record.name == name and record.value is not None:
            return record.value
    return otherwise


def add_records(parent: Field, records: list[Record], window: tuple[int, int], shift: int | None) -> None:
    """Add a field for each record that has bytes in the window.

    Args:
        parent: the field that holds the message.
        records: of the message.
        window: the bytes of the message that are in the frame.
        shift: what a place in the message needs to be one in the frame; None: it has no bytes there.
    """
    for record in records:
        span = _clip(record.start, record.end, window, shift)
        if shift is not None and span is None:
            continue
        secret = record.name in SECRETS and record.value != ""
        below = parent.add(record.name, record.shown, span, "envelope")
        tag = _clip(record.start, record.content, window, shift)
        if tag is not None or shift is None:
            below.add("tag", record.about, tag, "framing")
        if record.written or secret:
            # The value alone is the text, or the secret; so it has a field of its own.
            below.value = ""
            place = _clip(record.content, record.end, window, shift)
            if place is not None or shift is None:
                text = MASK if secret else record.shown
                below.add("value", text, place, "payload" if record.written else None, secret=secret)
        add_records(below, record.records, window, shift)


def _clip(start: int, end: int, window: tuple[int, int], shift: int | None) -> tuple[int, int] | None:
    if shift is None or end <= window[0] or start >= window[1]:
        return None
    return max(start, window[0]) + shift, min(end, window[1]) + shift


class _Short(Exception):
    """The bytes end before the record does, and more will come."""


class _Walk:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._count = 0

    def top(self, kind: Descriptor | None, size: int) -> tuple[list[Record], str]:
        records: list[Record] = []
        try:
            for record in self._message(0, size, kind, 0, records):
                records.append(record)
        except Undecodable as error:
            return records, str(error)
        return records, ""

    def _message(
        self, at: int, end: int, kind: Descriptor | None, depth: int, so_far: list[Record], group: int = 0
    ) -> Iterator[Record]:
        """Yield the records of a message; those of a group up to its end tag, which is the last."""
        if depth > MAX_DEPTH:
            raise Undecodable(f"messages nested more than {MAX_DEPTH} levels deep")
        while at < end and (at < len(self._data) or end <= len(self._data)):
            self._count += 1
            if self._count > MAX_RECORDS:
                raise Undecodable(f"a message of more than {MAX_RECORDS} records")
            try:
                record = self._record(at, end, kind, depth, group)
            except _Short:
                yield Record("part of a record", at, "", at, len(self._data))
                return
            if record.name == "text" and kind is not None and kind.full_name == "chat.v1.Event":
                record.written = value_of(so_far, "kind") in _WRITTEN
            yield record
            at = record.end
            if record.about.endswith("EGROUP"):
                return
        if group:
            raise Undecodable(f"no end of group {group}")

    def _record(self, at: int, end: int, kind: Descriptor | None, depth: int, group: int) -> Record:
        tag, content = self._varint(at, end)
        number, wire = tag >> 3, tag & 7
        if wire > I32 or not 0 < number < 1 << 29:
            raise Undecodable(f"a record with the tag {tag}")
        found = kind.fields_by_number.get(number) if kind is not None else None
        if found is not None and not _fits(found, wire):
            found = None  # a reader skips a field of another wire type, as one that it does not know
        record = Record(
            found.name if found is not None else f"field {number}",
            at,
            f"{number} {_WIRE[wire]}",
            content,
            content,
        )
        match wire:
            case 0:
                value, record.end = self._varint(content, end)
                record.value = _integer(value, found)
                record.shown = str(record.value)
            case 1 | 5:
                record.end = content + (8 if wire == I64 else 4)
                self._need(record.end, end)
                code = _FIXED[found.type] if found is not None else "<Q" if wire == I64 else "<I"
                (record.value,) = struct.unpack_from(code, self._data, content)
            case 2:
                size, record.content = self._varint(content, end)
                record.about += f", {size} bytes"
                record.end = record.content + size
                if record.end > end:
                    raise Undecodable(f"a record of {size} bytes in the last {end - record.content}")
                self._delimited(record, found, depth)
                record.written = found is not None and found.full_name in _TEXTS
            case 3:
                below = found.message_type if found is not None else None
                record.records = list(self._message(content, end, below, depth + 1, [], number))
                record.end = record.records[-1].end if record.records else content
            case _:
                if number != group:
                    raise Undecodable(f"an end of group {number}")
                record.name = "end of the group"
        if not record.shown and record.value is not None:
            record.shown = _shown(record.value)
        return record

    def _delimited(self, record: Record, found: FieldDescriptor | None, depth: int) -> None:
        if found is not None and found.message_type is not None:
            for one in self._message(
                record.content, record.end, found.message_type, depth + 1, record.records
            ):
                record.records.append(one)
            return
        if record.end > len(self._data):
            record.shown = "..."
            return
        data = self._data[record.content : record.end]
        if found is None:
            self._guess(record, data, depth)
        elif found.type == FieldDescriptor.TYPE_STRING:
            try:
                record.value = data.decode()
            except UnicodeDecodeError:
                raise Undecodable(f"{found.name} is not UTF-8") from None
        elif found.type == FieldDescriptor.TYPE_BYTES:
            record.value = data
        else:
            record.value = self._packed(record, found)

    def _guess(self, record: Record, data: bytes, depth: int) -> None:
        """Take bytes for a text, a message, or bytes, whichever fits first."""
        try:
            text = data.decode()
        except UnicodeDecodeError:
            text = "\0"
        if text == printable(text):
            record.value = text
            return
        try:
            records = list(self._message(record.content, record.end, None, depth + 1, []))
        except Undecodable:
            if self._count > MAX_RECORDS:
                raise
            record.value = data
        else:
            record.records = records

    def _packed(self, record: Record, found: FieldDescriptor) -> list[Any]:
        values: list[Any] = []
        at = record.content
        while at < record.end:
            self._count += 1
            if self._count > MAX_RECORDS:
                raise Undecodable(f"a message of more than {MAX_RECORDS} records")
            if code := _FIXED.get(found.type):
                self._need(at + struct.calcsize(code), record.end)
                values += struct.unpack_from(code, self._data, at)
                at += struct.calcsize(code)
            else:
                value, at = self._varint(at, record.end)
                values.append(_integer(value, found))
        return values

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        value = shift = 0
        while True:
            self._need(at + 1, end)
            byte = self._data[at]
            value |= (byte & 127) << shift
            at += 1
            if byte < 128:
                return value & 0xFFFFFFFFFFFFFFFF, at
            shift += 7
            if shift > 63:
                raise Undecodable("a varint of more than 10 bytes")

    def _need(self, place: int, end: int) -> None:
        if place > end:
            raise Undecodable("a record is cut short")
        if place > len(self._data):
            raise _Short


_NEVER_PACKED = (
    FieldDescriptor.TYPE_STRING,
    FieldDescriptor.TYPE_BYTES,
    FieldDescriptor.TYPE_MESSAGE,
    FieldDescriptor.TYPE_GROUP,
)


def _fits(found: FieldDescriptor, wire: int) -> bool:
    """Return whether the field may have this wire type: its own, or that of a packed list."""
    packed = wire == LEN and found.is_repeated and found.type not in _NEVER_PACKED
    return packed or wire == _WIRE_TYPES.get(found.type, VARINT)


def _integer(value: int, found: FieldDescriptor | None) -> Any:
    """Return what a varint means in this field."""
    if found is None:
        return value
    match found.type:
        case FieldDescriptor.TYPE_BOOL:
            return bool(value)
        case FieldDescriptor.TYPE_SINT32 | FieldDescriptor.TYPE_SINT64:
            return (value >> 1) ^ -(value & 1)
        case FieldDescriptor.TYPE_UINT32:
            return value & 0xFFFFFFFF
        case FieldDescriptor.TYPE_INT64:
            return value - (value >> 63 << 64)
        case FieldDescriptor.TYPE_INT32 | FieldDescriptor.TYPE_ENUM:
            value &= 0xFFFFFFFF
            value -= value >> 31 << 32
            names = found.enum_type.values_by_number if found.enum_type is not None else {}
            return names[value].name if value in names else value
    return value


def _shown(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex(" ") if len(value) <= SHOWN else f"{value[:SHOWN].hex(' ')} ..."
    if isinstance(value, str):
        return one_line(json.dumps(shorten(value, SHOWN), ensure_ascii=False))
    return shorten(str(value), SHOWN)
