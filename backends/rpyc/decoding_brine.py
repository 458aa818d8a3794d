"""Brine, RPyC's encoding of values, with the place of each: `rpyc.core.brine` tells values only.

RPyC reads brine without bounds. Here the depth, the number of values and every length are checked first.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from rpyc.core import brine

from chat.transport.decoding.stream import Undecodable

MAX_DEPTH = 64
"""Tuples inside each other. A call of the chat has six."""
MAX_VALUES = 20_000
"""Values in one message; of one with more nothing is decoded. A page of the chat has fewer than 7,000."""

_TAGS: dict[int, str] = {
    tag[0]: name for name, tag in vars(brine).items() if name.startswith("TAG_") and isinstance(tag, bytes)
}
_NUMBERS: dict[int, int] = {byte[0]: number for number, byte in brine.IMM_INTS.items()}
_SINGLE: dict[int, Any] = {
    brine.TAG_NONE[0]: None,
    brine.TAG_TRUE[0]: True,
    brine.TAG_FALSE[0]: False,
    brine.TAG_EMPTY_STR[0]: b"",
    brine.TAG_NOT_IMPLEMENTED[0]: NotImplemented,
    brine.TAG_ELLIPSIS[0]: Ellipsis,
}
# What follows the tag has a fixed length, or one of so many bytes that comes first.
_BYTES = {
    brine.TAG_STR1[0]: 1,
    brine.TAG_STR2[0]: 2,
    brine.TAG_STR3[0]: 3,
    brine.TAG_STR4[0]: 4,
    brine.TAG_FLOAT[0]: brine.F8.size,
    brine.TAG_COMPLEX[0]: brine.C16.size,
}
_SIZED = {brine.TAG_STR_L1[0]: 1, brine.TAG_STR_L4[0]: 4, brine.TAG_INT_L1[0]: 1, brine.TAG_INT_L4[0]: 4}
_TUPLES = {
    brine.TAG_EMPTY_TUPLE[0]: 0,
    brine.TAG_TUP1[0]: 1,
    brine.TAG_TUP2[0]: 2,
    brine.TAG_TUP3[0]: 3,
    brine.TAG_TUP4[0]: 4,
}
_SIZED_TUPLES = {brine.TAG_TUP_L1[0]: 1, brine.TAG_TUP_L4[0]: 4}
_INTS = (brine.TAG_INT_L1[0], brine.TAG_INT_L4[0])


@dataclass(slots=True)
class Value:
    """A value in brine, and where it is."""

    tag: str
    """Its tags, by their names in RPyC; empty: a small number, which is its own tag."""
    value: Any
    start: int
    body: int = 0
    """Where its content begins, behind the tags and lengths."""
    end: int = 0
    items: tuple[Value, ...] | None = None
    """Of a tuple."""


def read(data: bytes, place: int) -> Value:
    """Return the value in brine that begins at ``place``.

    Raises:
        Undecodable: it is none, or more than the bounds allow. What Python can't make a value of raises
            ValueError, TypeError or `struct.error`, as in RPyC.
    """
    return _Reader(data, place).take(0)


class _Reader:
    def __init__(self, data: bytes, place: int) -> None:
        self._data, self._place, self._count = data, place, 0

    def take(self, depth: int) -> Value:
        self._count += 1
        if self._count > MAX_VALUES:
            raise Undecodable(f"brine with more than {MAX_VALUES} values")
        if depth > MAX_DEPTH:
            raise Undecodable(f"brine nested more than {MAX_DEPTH} levels deep")
        start = self._place
        tag = self._bytes(1)[0]
        value = Value(_TAGS.get(tag, ""), None, start, start)
        if tag in _NUMBERS:
            value.value = _NUMBERS[tag]
        elif tag in _SINGLE:
            value.value = _SINGLE[tag]
        elif tag in _BYTES or tag in _SIZED:
            size = _BYTES[tag] if tag in _BYTES else self._length(_SIZED[tag])
            value.body = self._place
            value.value = _scalar(tag, self._bytes(size))
        elif tag in _TUPLES or tag in _SIZED_TUPLES:
            self._fill(value, _TUPLES[tag] if tag in _TUPLES else self._length(_SIZED_TUPLES[tag]), depth)
        else:
            self._wrap(value, tag, depth)
        value.end = self._place
        return value

    def _fill(self, value: Value, size: int, depth: int) -> None:
        """Read the items of a tuple."""
        if size > len(self._data) - self._place:  # each has a byte at least
            raise Undecodable(f"a tuple of {size} values in {len(self._data) - self._place} bytes")
        value.body = self._place
        value.items = tuple(self.take(depth + 1) for _ in range(size))
        value.value = tuple(item.value for item in value.items)

    def _wrap(self, value: Value, tag: int, depth: int) -> None:
        """Read a value that consists of another one."""
        if not value.tag:
            raise Undecodable(f"brine has no tag {tag}")
        inner = self.take(depth + 1)
        value.tag += f" {inner.tag}"
        value.body = inner.body if inner.body > inner.start else inner.end
        if tag == brine.TAG_UNICODE[0]:
            if type(inner.value) is not bytes:
                raise Undecodable("a text in brine that does not consist of bytes")
            value.value = inner.value.decode(errors="replace")
            return
        if inner.items is None:
            raise Undecodable("a slice or a set in brine that does not consist of a tuple")
        value.items = inner.items
        value.value = slice(*inner.value) if tag == brine.TAG_SLICE[0] else frozenset(inner.value)

    def _length(self, size: int) -> int:
        return int.from_bytes(self._bytes(size), "big")

    def _bytes(self, size: int) -> bytes:
        place, left = self._place, len(self._data) - self._place
        if size > left:
            raise Undecodable(f"brine that is cut off: {size} bytes belong here, {left} are there")
        self._place = place + size
        return self._data[place : self._place]


def _scalar(tag: int, data: bytes) -> Any:
    if tag in _INTS:
        return int(data)  # in decimal digits; Python refuses more than 4,300
    if tag == brine.TAG_FLOAT[0]:
        return struct.unpack("!d", data)[0]
    if tag == brine.TAG_COMPLEX[0]:
        return complex(*struct.unpack("!dd", data))
    return data


def is_pairs(value: Any) -> bool:
    """Return whether the value is a tuple of pairs of a name and a value: what a dict becomes."""
    return type(value) is tuple and value != () and all(map(_is_pair, value))


def _is_pair(value: Any) -> bool:
    return type(value) is tuple and len(value) == 2 and type(value[0]) is str
