"""XDR (RFC 4506): how numbers, texts and lists become bytes, always four at a time and the highest first.

The classes that `protos.xdrgen` makes call what is here. Stricter than rpcgen's C: padding must be zero,
strings must be UTF-8, an enum must have the value, and nothing may be left over.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from enum import IntEnum
from struct import Struct, error
from typing import NamedTuple, Self, TypeVar

T = TypeVar("T")
E = TypeVar("E", bound=IntEnum)

NO_BOUND = 0xFFFFFFFF
"""What ``<>`` means: as long as a length can say."""

_INT32, _UINT32, _INT64, _UINT64 = Struct(">i"), Struct(">I"), Struct(">q"), Struct(">Q")
_FLOAT32, _FLOAT64 = Struct(">f"), Struct(">d")
_PADDING = (b"", b"\0\0\0", b"\0\0", b"\0")  # by the length modulo 4


class XdrError(ValueError):
    """Bytes that are no such value, or a value that the interface has no bytes for."""


class Message(ABC):
    """A struct or a union of an interface."""

    __slots__ = ()

    @abstractmethod
    def pack(self, p: Packer) -> None:
        """Append this value. Raises `XdrError` when it does not fit the interface."""

    @classmethod
    @abstractmethod
    def unpack(cls, u: Unpacker) -> Self:
        """Take a value. Raises `XdrError`."""

    def encode(self) -> bytes:
        """Return this value's bytes, a multiple of four. Raises `XdrError`."""
        packer = Packer()
        self.pack(packer)
        return bytes(packer.data)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Return the value whose bytes these are, all of them. Raises `XdrError`."""
        unpacker = Unpacker(data)
        value = cls.unpack(unpacker)
        unpacker.done()
        return value


M = TypeVar("M", bound=Message)


class Procedure(NamedTuple):
    """One line of a program; None is void."""

    name: str
    argument: type[Message] | None
    result: type[Message] | None


def arm(value: object, kind: type[T]) -> T:
    """Return the value of a union if it is what the discriminant promises. Raises `XdrError`."""
    if type(value) is not kind:
        raise XdrError(f"{kind.__name__} belongs here, not {type(value).__name__}")
    return value


class Packer:
    """Values in, ``data`` out. Every method raises `XdrError` when its value does not fit."""

    __slots__ = ("data",)

    def __init__(self) -> None:
        self.data = bytearray()

    def _number(self, form: Struct, value: float) -> None:
        try:
            self.data += form.pack(value)
        except (error, OverflowError):
            raise XdrError(f"{value!r} does not fit into {8 * form.size} bits") from None

    def int32(self, value: int) -> None:
        self._number(_INT32, value)

    def uint32(self, value: int) -> None:
        self._number(_UINT32, value)

    def int64(self, value: int) -> None:
        self._number(_INT64, value)

    def uint64(self, value: int) -> None:
        self._number(_UINT64, value)

    def float32(self, value: float) -> None:
        self._number(_FLOAT32, value)

    def float64(self, value: float) -> None:
        self._number(_FLOAT64, value)

    def boolean(self, value: bool) -> None:
        self.data += b"\0\0\0\1" if value else b"\0\0\0\0"

    def fixed(self, value: bytes, size: int) -> None:
        """Append ``opaque[size]``."""
        if len(value) != size:
            raise XdrError(f"{size} bytes belong here, not {len(value)}")
        self.data += value
        self.data += _PADDING[size & 3]

    def opaque(self, value: bytes, bound: int) -> None:
        size = len(value)
        if size > bound:
            raise XdrError(f"{size} bytes, and {bound} are allowed")
        self.data += _UINT32.pack(size)
        self.data += value
        self.data += _PADDING[size & 3]

    def string(self, value: str, bound: int) -> None:
        """Append a text as UTF-8; the bound is in bytes."""
        try:
            data = value.encode()
        except UnicodeEncodeError:
            raise XdrError("a text with a lone surrogate has no bytes") from None
        self.opaque(data, bound)

    def array(self, values: Sequence[T], bound: int, put: Callable[[T], None]) -> None:
        if len(values) > bound:
            raise XdrError(f"{len(values)} elements, and {bound} are allowed")
        self.data += _UINT32.pack(len(values))
        for value in values:
            put(value)

    def vector(self, values: Sequence[T], size: int, put: Callable[[T], None]) -> None:
        """Append an array of a fixed size."""
        if len(values) != size:
            raise XdrError(f"{size} elements belong here, not {len(values)}")
        for value in values:
            put(value)

    def optional(self, value: T | None, put: Callable[[T], None]) -> None:
        self.boolean(value is not None)
        if value is not None:
            put(value)


class Unpacker:
    """Bytes in, values out. Every method raises `XdrError` when what comes next is no such value."""

    __slots__ = ("_data", "_end", "_place")

    def __init__(self, data: bytes, place: int = 0) -> None:
        self._data = data
        self._place = place
        self._end = len(data)

    @property
    def rest(self) -> bytes:
        """What was not taken yet."""
        return self._data[self._place :]

    def done(self) -> None:
        """Raise `XdrError` unless everything was taken."""
        if self._place != self._end:
            raise XdrError(f"{self._end - self._place} bytes are left over")

    def _skip(self, size: int) -> int:
        """Go on by so many bytes, if they are there; return the place where they begin."""
        place = self._place
        if size > self._end - place:
            raise XdrError(f"cut off: {size} bytes belong at byte {place}, {self._end - place} are there")
        self._place = place + size
        return place

    def int32(self) -> int:
        value: int = _INT32.unpack_from(self._data, self._skip(4))[0]
        return value

    def uint32(self) -> int:
        value: int = _UINT32.unpack_from(self._data, self._skip(4))[0]
        return value

    def int64(self) -> int:
        value: int = _INT64.unpack_from(self._data, self._skip(8))[0]
        return value

    def uint64(self) -> int:
        value: int = _UINT64.unpack_from(self._data, self._skip(8))[0]
        return value

    def float32(self) -> float:
        value: float = _FLOAT32.unpack_from(self._data, self._skip(4))[0]
        return value

    def float64(self) -> float:
        value: float = _FLOAT64.unpack_from(self._data, self._skip(8))[0]
        return value

    def message(self, kind: type[M]) -> M:
        """Take a struct or a union. The generated code asks here for each: a reader may note where it is."""
        return kind.unpack(self)

    def boolean(self) -> bool:
        value = self.uint32()
        if value > 1:
            raise XdrError(f"a bool is 0 or 1, not {value}")
        return value == 1

    def enum(self, kind: type[E]) -> E:
        value = self.int32()
        try:
            return kind(value)
        except ValueError:
            raise XdrError(f"{kind.__name__} has no value {value}") from None

    def fixed(self, size: int) -> bytes:
        data, place = self._data, self._place
        end = place + size
        after = end + (-size & 3)
        if after > self._end:
            self._skip(after - place)  # raises
        if after != end and data[end:after] != _PADDING[size & 3]:
            raise XdrError(f"the padding at byte {end} is not zero")
        self._place = after
        return data[place:end]

    def opaque(self, bound: int) -> bytes:
        size: int = _UINT32.unpack_from(self._data, self._skip(4))[0]
        if size > bound:
            raise XdrError(f"a length of {size} bytes, and {bound} are allowed")
        return self.fixed(size)

    def string(self, bound: int) -> str:
        data = self.opaque(bound)
        try:
            return data.decode()
        except UnicodeDecodeError as failed:
            raise XdrError(f"not UTF-8: byte 0x{data[failed.start]:02x}") from None

    def array(self, bound: int, take: Callable[[], T]) -> list[T]:
        count = self.uint32()
        if count > bound:
            raise XdrError(f"{count} elements, and {bound} are allowed")
        return [take() for _ in range(count)]

    def vector(self, size: int, take: Callable[[], T]) -> list[T]:
        return [take() for _ in range(size)]

    def optional(self, take: Callable[[], T]) -> T | None:
        return take() if self.boolean() else None
