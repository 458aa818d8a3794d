"""The values of AMQP 0-9-1 for the decoder: arguments, properties and field tables, each with its bytes."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from backends.rabbitmq.decoding_spec import Argument, Type
from chat.domain.validation import printable
from chat.interfaces.frames import MASK, Field
from chat.transport.decoding.secrets import is_secret
from chat.transport.decoding.stream import Undecodable
from chat.transport.decoding.text import SHOWN, one_line

MAX_DEPTH = 16
"""Tables and arrays in tables."""
MAX_VALUES = 2_000
"""Values in one table, those in tables inside it included."""

_SIZES = {"octet": 1, "short": 2, "long": 4, "longlong": 8}
_NUMBERS = {
    "b": ">b",
    "B": ">B",
    "s": ">h",
    "U": ">h",
    "u": ">H",
    "I": ">i",
    "i": ">I",
    "l": ">q",
    "L": ">q",  # signed, as RabbitMQ and its clients take it
    "f": ">f",
    "d": ">d",
    "T": ">Q",
}
"""The numbers of a field table (AMQP 0-9-1, 4.2.1, and https://www.rabbitmq.com/amqp-0-9-1-errata#section_3)."""
_KINDS = {
    "t": "bool",
    "b": "int8",
    "B": "uint8",
    "s": "int16",
    "U": "int16",
    "u": "uint16",
    "I": "int32",
    "i": "uint32",
    "l": "int64",
    "L": "int64",
    "f": "float",
    "d": "double",
    "D": "decimal",
    "S": "long string",
    "x": "bytes",
    "A": "array",
    "T": "timestamp",
    "F": "table",
    "V": "void",
}


class Reader:
    """Reads values one after another, and adds a field for each."""

    def __init__(self, data: bytes, at: int, end: int) -> None:
        """Begin.

        Args:
            data: of the whole frame.
            at: where the values begin.
            end: where they must end.
        """
        self.at = at
        self._data, self._end = data, end
        self._count = 0

    def take(self, size: int) -> tuple[int, int]:
        """Return the place of so many bytes. Raises `Undecodable` if there are fewer."""
        start = self.at
        if size > self._end - start:
            raise Undecodable(f"{size} bytes are announced, and {self._end - start} are there")
        self.at += size
        return start, self.at

    def number(self, size: int) -> int:
        """Return an unsigned number."""
        return int.from_bytes(self._data[slice(*self.take(size))], "big")

    def arguments(
        self, parent: Field, arguments: Iterable[Argument], secrets: Iterable[str] = ()
    ) -> dict[str, Any]:
        """Add a field for each argument, and return their values.

        Args:
            parent: the field of the method, or of the properties.
            arguments: what there is, in order.
            secrets: the names of those that hold a secret.

        Raises:
            Undecodable: they do not fit the bytes.
        """
        values: dict[str, Any] = {}
        bits: Field | None = None
        octet = place = 0
        for name, kind in arguments:
            if kind == "bit":  # eight in an octet, the lowest first (AMQP 0-9-1, 4.2.5.2)
                if bits is None or place == 8:
                    span = self.take(1)
                    octet, place = self._data[span[0]], 0
                    bits = parent.add("bits", f"0x{octet:02x}", span, "envelope")
                values[name] = bool(octet >> place & 1)
                bits.add(name, int(values[name]))
                place += 1
            else:
                bits = None
                values[name] = self._argument(parent, name, kind, name in secrets)
        return values

    def _argument(self, parent: Field, name: str, kind: Type, secret: bool) -> Any:
        start = self.at
        below = parent.add(name, part="envelope")
        if kind == "table":
            value: Any = self.table(below)
            below.value = f"{len(value)} fields"
        elif kind in ("shortstr", "longstr"):
            length = 1 if kind == "shortstr" else 4
            size = self.number(length)
            below.add("length", size, (start, start + length), "framing")
            data = self._data[slice(*self.take(size))]
            value = data.decode(errors="replace") if kind == "shortstr" else data
            below.value = _shown(value)
            if secret and size:  # the length is none
                below.value = ""
                below.add("value", MASK, (start + length, self.at), secret=True)
        else:
            value = self.number(_SIZES[kind])
            below.value = str(value)
        below.span = start, self.at
        return value

    def table(self, parent: Field, depth: int = 0) -> dict[str, Any]:
        """Add a field for each entry of a table, and return the table (AMQP 0-9-1, 4.2.5.5)."""
        start = self.at
        size = self.number(4)
        parent.add("length", size, (start, self.at), "framing")
        end = self.at + size
        if end > self._end:
            raise Undecodable(f"a table of {size} bytes, and {self._end - self.at} are there")
        table: dict[str, Any] = {}
        while self.at < end:
            entry = self.at
            length = self.number(1)
            name = self._data[slice(*self.take(length))].decode(errors="replace")
            below = parent.add(one_line(name), part="envelope")
            below.add("length", length, (entry, entry + 1), "framing")
            table[name] = self._value(below, depth, is_secret(name))
            below.span = entry, self.at
        if self.at != end:
            raise Undecodable("a value goes beyond the end of its table")
        return table

    def _value(self, below: Field, depth: int, secret: bool) -> Any:
        self._count += 1
        if self._count > MAX_VALUES:
            raise Undecodable(f"a table of more than {MAX_VALUES} values")
        if depth > MAX_DEPTH:
            raise Undecodable(f"tables nested more than {MAX_DEPTH} levels deep")
        start, after = self.take(1)
        kind = chr(self._data[start])
        if kind not in _KINDS:
            raise Undecodable(f"a value of the type {self._data[start]:#04x}")
        head = below.add("type", f"{kind} {_KINDS[kind]}", (start, after), "framing")
        value: Any = None
        match kind:
            case "F":
                value = self.table(below, depth + 1)
                below.value = f"{len(value)} fields"
            case "A":
                value = self._array(below, depth + 1)
                below.value = f"{len(value)} values"
            case "S" | "x":
                size = self.number(4)
                head.value += f", {size} bytes"
                head.span = start, self.at
                data = self._data[slice(*self.take(size))]
                value = data.decode(errors="replace") if kind == "S" else data
            case "t":
                value = bool(self.number(1))
            case "D":
                scale = self.number(1)
                value = Decimal(int.from_bytes(self._data[slice(*self.take(4))], "big", signed=True))
                value = value.scaleb(-scale)
            case "V":
                pass
            case _:
                span = self.take(struct.calcsize(_NUMBERS[kind]))
                (value,) = struct.unpack(_NUMBERS[kind], self._data[slice(*span)])
        if kind not in "FA":
            below.value = _shown(value)
            behind = head.span[1] if head.span else start
            if secret and self.at > behind:
                below.value = ""
                below.add("value", MASK, (behind, self.at), secret=True)
        return value

    def _array(self, below: Field, depth: int) -> list[Any]:
        start = self.at
        size = self.number(4)
        below.add("length", size, (start, self.at), "framing")
        end = self.at + size
        if end > self._end:
            raise Undecodable(f"an array of {size} bytes, and {self._end - self.at} are there")
        values: list[Any] = []
        while self.at < end:
            entry = self.at
            one = below.add(f"[{len(values)}]", part="envelope")
            values.append(self._value(one, depth, secret=False))
            one.span = entry, self.at
        if self.at != end:
            raise Undecodable("a value goes beyond the end of its array")
        return values


def _shown(value: Any) -> str:
    if isinstance(value, bytes):
        text = value.decode(errors="replace")
        if "\ufffd" in text or text != printable(text):
            return value.hex(" ") if len(value) <= SHOWN else f"{value[:SHOWN].hex(' ')} ..."
        value = text
    return one_line(value if isinstance(value, str) else str(value))


def derived(field: Field) -> Field:
    """Return a field as a call shows it: with all below it but framing, and without bytes."""
    below = [derived(one) for one in field.fields if one.part != "framing"]
    if len(below) == 1 and below[0].name == "value" and not below[0].fields:  # a secret, or a text
        return Field(field.name, below[0].value, None, below[0].part, below[0].secret)
    return Field(field.name, field.value, None, field.part, field.secret, below)
