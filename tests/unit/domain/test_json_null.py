"""``null`` in an optional field of a request counts as absent, in every technique with JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, get_args

import msgspec
import pytest

from backends.rest.codec import SeatRequest, TextBody, decode_seat_request, decode_text
from backends.udp import codec as datagrams
from chat.domain import json_codec as lines
from chat.domain.errors import BadRequest
from chat.domain.json_codec import decode_body
from chat.domain.model import Cursor, Number

Decode = Callable[[bytes], Any]
VALUES: dict[Any, Any] = {str: "x", int: 7, Number: 7}
REQUESTS: list[tuple[Decode, Any]] = [
    *((lines.decode_request, kind) for kind in get_args(lines.Request)),
    *((datagrams.decode_request, kind) for kind in get_args(datagrams.Request)),
    (decode_seat_request.decode, SeatRequest),
    (decode_text.decode, TextBody),
]


def written(kind: Any) -> dict[str, Any]:
    """Return a request of a kind: its required fields have values, all others are ``null``."""
    made: dict[str, Any] = {"kind": kind.__struct_config__.tag} if kind.__struct_config__.tag else {}
    for field in msgspec.structs.fields(kind):
        made[field.encode_name] = VALUES.get(field.type, "x") if field.required else None
    return made


@pytest.mark.parametrize(
    ("decode", "kind"), REQUESTS, ids=lambda value: f"{value.__module__}.{value.__qualname__}"
)
def test_null_in_optional_fields_is_read_as_if_they_were_not_there(decode: Decode, kind: Any) -> None:
    with_null = written(kind)
    without = {name: value for name, value in with_null.items() if value is not None}
    assert decode(json.dumps(with_null).encode()) == decode(json.dumps(without).encode())


def test_it_counts_as_absent_in_an_inner_object_too() -> None:
    asked = decode_seat_request.decode(b'{"nick":"ann","seat_key":null,"cursor":{"seq":3,"epoch":null}}')
    assert asked == SeatRequest("ann", Cursor(3))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"kind":"say","text":null,"n":null}', "missing required field `text`"),
        (b'{"kind":null,"text":"hi"}', "missing required field `kind`"),
        (b'{"kind":"say","text":"hi","n":null', "not JSON"),
        (b'{"kind":"edit","id":1,"text":["hi",null],"n":null}', "Expected `str`, got `array` - at `$.text`"),
        (b"null", "Expected `object`, got `null`"),
    ],
)
def test_what_else_is_wrong_is_told(line: bytes, said: str) -> None:
    with pytest.raises(BadRequest) as refused:
        lines.decode_request(line)
    assert said in str(refused.value)


def test_in_the_log_it_means_nothing() -> None:
    """All readers of a log must read it alike."""
    with pytest.raises(BadRequest):
        decode_body(b'{"kind":"sent","nick":null}')
