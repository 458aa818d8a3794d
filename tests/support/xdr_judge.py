"""Compares the fields that a decoder finds in XDR with a value, by their bytes."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from struct import unpack
from typing import Any

from chat.interfaces.frames import Field


def check_value(data: bytes, field: Field, expected: Any) -> None:
    """Fail unless the bytes of the field, and of all below it, are those of the expected value.

    Args:
        data: of the frame.
        field: of the value.
        expected: a message of `protos.chat_xdr`, or a value in one.
    """
    assert field.span is not None
    token = data[slice(*field.span)]
    if is_dataclass(expected):
        values = [getattr(expected, one.name) for one in fields(expected)]
        below = field.fields[1:] if field.fields[0].name == "present" else field.fields
        if len(below) == 1 < len(values) and is_dataclass(expected) and below[0].fields:
            return check_value(data, below[0], expected)
        if values[-1] is None and len(below) == len(values) - 1:  # a union without a value
            values.pop()
        for one, value in zip(below, values, strict=True):
            check_value(data, one, value)
    elif isinstance(expected, list):
        for one, value in zip(field.fields[1:], expected, strict=True):
            check_value(data, one, value)
    elif expected is None:
        assert (field.value, token) == ("none", bytes(4))
    elif isinstance(expected, str):
        content = field.fields[1].span
        assert content is not None
        assert data[slice(*content)] == expected.encode()
    elif isinstance(expected, float):
        assert unpack(">d", token) == (expected,)
    else:
        if field.fields:  # it is optional, and there
            assert field.fields[-1].span is not None
            token = data[slice(*field.fields[-1].span)]
        assert int.from_bytes(token, "big") == expected
    return None
