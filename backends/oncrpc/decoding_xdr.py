"""Reads XDR (RFC 4506) and notes where each value is: the generated classes say what comes next.

More lenient than `protos.xdr`, as C is: padding may be anything, an enum may have a value that nobody knows,
and a text need not be UTF-8. The bounds are those of the interface, so that little becomes few fields.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from enum import IntEnum
from itertools import count
from typing import TypeVar, cast

from chat.interfaces.frames import MASK, Field, Part
from chat.transport.decoding.json_fields import SECRETS
from chat.transport.decoding.text import one_line
from protos.xdr import Message, Unpacker, XdrError

T = TypeVar("T")
E = TypeVar("E", bound=IntEnum)
M = TypeVar("M", bound=Message)

_PREFIX = {"Flavor": "AUTH_", "AuthStat": "AUTH_"}
"""What the names of RFC 5531 have before those of our enums."""


class SpanReader(Unpacker):
    """Takes values as an `Unpacker`, and adds a field for each below a given one.

    The spans are places in ``data``. If it raises `XdrError`, what was read before has its fields.
    """

    __slots__ = ("_field", "_names", "is_text", "secret_names", "secrets")

    def __init__(self, data: bytes, place: int, field: Field, is_text: Callable[[Message], bool]) -> None:
        """Begin.

        Args:
            data: what holds the values.
            place: of the first of them.
            field: gets the others below it.
            is_text: says whether a person wrote the ``text`` of a message.
        """
        super().__init__(data, place)
        self._field = field
        self._names: Iterator[str] = iter(())
        self.is_text = is_text
        self.secret_names = SECRETS
        """The names of texts and opaques that are secrets."""
        self.secrets: list[bytes] = []
        """The secrets that were read."""

    @property
    def place(self) -> int:
        return self._place

    def expect(self, *names: str) -> None:
        """Name the values that are taken next."""
        self._names = iter(names)

    def open(self, name: str, *names: str) -> _Opened:
        """Return a context in which the values are put below a field of their own, and have these names."""
        return _Opened(self, name, iter(names))

    def rest_as(self, name: str, value: str, *, secret: bool = False) -> None:
        """Take all that is left as one field, if anything is."""
        place = self._skip(self._end - self._place)
        if place < self._end:
            self._field.add(name, MASK if secret else value, (place, self._end), "envelope", secret=secret)

    @contextmanager
    def within(self, size: int) -> Iterator[None]:
        """Take from so many bytes only until the context ends, then go on behind them. Raises `XdrError`."""
        begin, end = self._skip(size), self._end
        self._place, self._end = begin, begin + size
        try:
            yield
        finally:
            self._place, self._end = begin + size, end

    # --- composed values -----------------------------------------------------------------------

    def message(self, kind: type[M]) -> M:
        name = self._next()
        known: list[str] = [one.name for one in fields(kind)] if is_dataclass(kind) else []
        with self.open(kind.__name__ if name == "value" else name, *known) as field:
            value = super().message(kind)
        if self.is_text(value):
            for below in field.fields:
                if below.name == "text":
                    for part in below.fields:
                        if part.name == "text":
                            part.part = "payload"
        return value

    def array(self, bound: int, take: Callable[[], T]) -> list[T]:
        with self.open(self._next()) as field:
            self._names = iter(("count",))
            size = self.uint32()
            field.value = f"{size} elements"
            if size > bound:
                raise XdrError(f"{size} elements, and {bound} are allowed")
            self._names = _places()
            return [take() for _ in range(size)]

    def vector(self, size: int, take: Callable[[], T]) -> list[T]:
        with self.open(self._next()):
            self._names = _places()
            return super().vector(size, take)

    def optional(self, take: Callable[[], T]) -> T | None:
        with self.open(self._next(), "present", "value") as field:
            present = self.boolean()
            field.value = "" if present else "none"
            return take() if present else None

    # --- simple values -------------------------------------------------------------------------

    def int32(self) -> int:
        return self._leaf(super().int32)

    def uint32(self) -> int:
        return self._leaf(super().uint32)

    def int64(self) -> int:
        return self._leaf(super().int64)

    def uint64(self) -> int:
        return self._leaf(super().uint64)

    def float32(self) -> float:
        return self._leaf(super().float32)

    def float64(self) -> float:
        return self._leaf(super().float64)

    def boolean(self) -> bool:
        value = bool(self.uint32())
        self._field.fields[-1].value = "true" if value else "false"
        return value

    def enum(self, kind: type[E]) -> E:
        value = self.int32()
        known = value in list(kind)
        prefix = "" if not known or kind(value).name.startswith("RPC") else _PREFIX.get(kind.__name__, "")
        self._field.fields[-1].value = f"{value} ({prefix}{kind(value).name if known else 'unknown'})"
        return kind(value) if known else cast(E, value)

    def fixed(self, size: int) -> bytes:
        with self.open(self._next()) as field:
            data = self._bytes(size, field.name)
            field.value = field.fields[0].value
            return data

    def opaque(self, bound: int) -> bytes:
        with self.open(self._next(), "length") as field:
            size = self.uint32()
            if size > bound:
                raise XdrError(f"a length of {size} bytes, and {bound} are allowed")
            data = self._bytes(size, field.name)
            field.value = field.fields[1].value
            return data

    def string(self, bound: int) -> str:
        return self.opaque(bound).decode(errors="replace")

    def _bytes(self, size: int, name: str) -> bytes:
        """Take so many bytes and their padding, and add a field for each of both."""
        place = self._skip(size)
        data = self._data[place : place + size]
        secret = name in self.secret_names and size > 0
        if secret:
            self.secrets.append(data)
        value = MASK if secret else one_line(data)
        self._field.add(name, value, (place, place + size), "envelope", secret=secret)
        self.padding(size)
        return data

    def padding(self, size: int) -> None:
        """Take what fills up so many bytes to a multiple of four."""
        if padding := -size & 3:
            place = self._skip(padding)
            self._field.add("padding", f"{padding} bytes", (place, place + padding), "framing")

    def _leaf(self, take: Callable[[], T]) -> T:
        place = self._place
        value = take()
        name = self._next()
        part: Part = "framing" if name in ("count", "length", "present") else "envelope"
        self._field.add(name, value, (place, self._place), part)
        return value

    def _next(self) -> str:
        return next(self._names, "value")


class _Opened:
    """A field that is being read: the values go below it until it is left."""

    def __init__(self, reader: SpanReader, name: str, names: Iterator[str]) -> None:
        self._reader, self._name, self._names_below = reader, name, names

    def __enter__(self) -> Field:
        reader = self._reader
        self._above, self._names = reader._field, reader._names
        self._field = self._above.add(self._name, "", (reader.place, reader.place), "envelope")
        reader._field, reader._names = self._field, self._names_below
        return self._field

    def __exit__(self, *exc_info: object) -> None:
        reader = self._reader
        assert self._field.span is not None
        self._field.span = self._field.span[0], reader.place
        reader._field, reader._names = self._above, self._names


def _places() -> Iterator[str]:
    return (f"[{index}]" for index in count())


# --- what was called, derived ------------------------------------------------------------------


def derived(field: Field) -> Field:
    """Return a copy without spans, and without what only delimits."""
    for below in field.fields:
        if below.name == field.name and below.part != "framing":  # an opaque: its length stands beside it
            return Field(field.name, below.value, None, below.part, below.secret)
    copy = Field(field.name, field.value, None, field.part, field.secret)
    copy.fields = [derived(below) for below in field.fields if below.part != "framing"]
    return copy
