"""msgspec as the judge of the fields that a decoder finds in a JSON text."""

from __future__ import annotations

from typing import Any

import msgspec

from chat.interfaces.frames import Field


def check_values(data: bytes, body: Field, value: Any) -> None:
    """Fail unless the fields below ``body`` have the bytes of what msgspec finds in the text.

    Args:
        data: of the frame.
        body: the field that holds the JSON text.
        value: what msgspec made of it.
    """
    items = list(value.items()) if isinstance(value, dict) else [(f"[{i}]", v) for i, v in enumerate(value)]
    assert [field.name for field in body.fields] == [name for name, _ in items]
    for field, (_, expected) in zip(body.fields, items, strict=True):
        if isinstance(expected, dict | list) and not field.secret:
            check_values(data, field, expected)
            continue
        assert field.span is not None
        token = data[slice(*field.span)]
        if isinstance(expected, str) and (field.part == "payload" or field.secret):
            token = b'"%b"' % token  # the quotation marks are no part of a text, or of a secret
        assert msgspec.json.decode(token) == expected
