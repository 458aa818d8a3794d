"""The methods of AMQP 0-9-1 and their arguments for the decoder, as pika knows them.

pika has no table of the arguments: each method has a function that reads them. These functions are run once,
with a recorder in the place of what they read with. So nothing of the specification is written twice.
"""

from __future__ import annotations

from functools import cache
from inspect import signature
from types import FunctionType
from typing import Any, Literal, NamedTuple

from pika import spec

Type = Literal["octet", "short", "long", "longlong", "shortstr", "longstr", "table", "bit"]
"""The types of arguments and properties (AMQP 0-9-1, 4.2.5)."""

_FORMATS: dict[str, Type] = {"B": "octet", ">H": "short", ">I": "long", ">Q": "longlong"}
_NAMES = {"nowait": "no-wait", "global-qos": "global"}
"""What pika calls otherwise than the specification does."""
_ALL_FLAGS = 0xFFFE
"""Property flags: every property, and no further flags."""


class Argument(NamedTuple):
    """An argument of a method, or a property of a message."""

    name: str
    """In the words of the specification."""
    type: Type


class Method(NamedTuple):
    """A method of a class."""

    name: str
    """E.g. ``Basic.Publish``."""
    arguments: tuple[Argument, ...]
    content: bool
    """A content header and the body follow."""
    synchronous: bool
    """It asks for an answer."""


class _Recorder:
    """Stands for ``struct``, for ``pika.data``, for the bytes, and for what is decoded."""

    _read: list[Type]
    _found: dict[str, Type]

    def __init__(self) -> None:
        object.__setattr__(self, "_read", [])
        object.__setattr__(self, "_found", {})

    def unpack_from(self, form: str, _: object, __: int = 0) -> tuple[int]:
        self._read.append(_FORMATS[form])
        return (_ALL_FLAGS if form == ">H" else 0,)

    def decode_short_string(self, _: object, offset: int) -> tuple[str, int]:
        self._read.append("shortstr")
        return "", offset

    def decode_table(self, _: object, offset: int) -> tuple[dict[str, Any], int]:
        self._read.append("table")
        return {}, offset

    def __getitem__(self, _: slice) -> bytes:
        self._read.append("longstr")
        return b""

    def __setattr__(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)
        if name not in self._found:  # pika sets a long string twice
            self._found[name] = "bit" if isinstance(value, bool) else self._read[-1]


def _arguments(cls: Any) -> tuple[Argument, ...]:
    """Return what a method or the properties have. pika 1.4 reads ``new_secret`` into another attribute."""
    recorder: Any = _Recorder()
    names = {**vars(spec), "struct": recorder, "data": recorder}
    FunctionType(cls.decode.__code__, names, "decode", (0,))(recorder, recorder)
    parameters = list(signature(cls).parameters)
    return tuple(
        Argument(_name(name), kind) for name, kind in zip(parameters, recorder._found.values(), strict=True)
    )


def _name(name: str) -> str:
    name = name.replace("_", "-")
    return _NAMES.get(name, name)


@cache
def methods() -> dict[tuple[int, int], Method]:
    """Return all methods, by the ids of their class and of their own."""
    known = {}
    for index, cls in spec.methods.items():
        known[index >> 16, index & 0xFFFF] = Method(
            cls.NAME,
            _arguments(cls),
            spec.has_content(index),
            bool(cls.synchronous.fget(None)),
        )
    return known


@cache
def properties() -> tuple[Argument, ...]:
    """Return the properties of a message, in the order of their flags, the highest bit first."""
    return _arguments(spec.BasicProperties)
