"""The bound of nested JSON is ours: the same in every decoder, technique and version of Python."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.rest.codec import decode_text
from backends.udp import codec as udp
from chat.domain.errors import BadRequest
from chat.domain.json_codec import decode_request
from chat.domain.json_depth import MAX_DEPTH, too_deep


def nested(levels: int, opening: bytes = b"[", closing: bytes = b"]") -> bytes:
    return levels * opening + levels * closing


@pytest.mark.parametrize("form", [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":"[[["},', b"]")])
def test_the_bound_is_exact(form: tuple[bytes, bytes]) -> None:
    opening, closing = form
    depth = MAX_DEPTH - 1 if opening.startswith(b"[{") else MAX_DEPTH
    assert not too_deep(depth * opening + b"1" + depth * closing)
    assert too_deep((MAX_DEPTH + 1) * opening + b"1" + (MAX_DEPTH + 1) * closing)


def test_what_stands_in_strings_and_beside_each_other_is_not_nested() -> None:
    many = 10 * MAX_DEPTH
    assert not too_deep(b"[" + b"{}," * many + b"1]")
    assert not too_deep(json.dumps("[" * many).encode())
    assert not too_deep(json.dumps('\\"[{' * many).encode())
    assert not too_deep(b'"' + b"[" * many)  # a string without an end


VALUES = st.recursive(
    st.none() | st.text(alphabet='ab[]{}"\\'),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(alphabet='a[{"\\'), inner, max_size=4)
    ),
    max_leaves=20,
)


def depth_of(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    return 1 + max(map(depth_of, value), default=0) if isinstance(value, list) else 0


@given(VALUES, st.integers(0, MAX_DEPTH + 2))
def test_it_counts_as_a_parser_does(value: object, levels: int) -> None:
    wide = [0, [[] for _ in range(MAX_DEPTH)], value]  # so many brackets that they must be looked at
    data = levels * b"[" + json.dumps(wide).encode() + levels * b"]"
    assert too_deep(data) == (levels + depth_of(wide) > MAX_DEPTH)


@pytest.mark.parametrize(
    "ignored",
    [nested(62), nested(63), nested(64), nested(300), nested(100_000), b"[" * 65],
    ids=len,
)
def test_every_technique_has_the_same_bound_and_the_same_words(ignored: bytes) -> None:
    """The field is one that nobody knows; the object around it is a level, too."""
    allowed = ignored in (nested(62), nested(63))
    for decode, message in (
        (decode_request, b'{"kind":"say","n":1,"text":"hi","new":' + ignored + b"}"),
        (udp.decode_request, b'{"kind":"say","n":1,"text":"hi","new":' + ignored + b"}"),
        (decode_text.decode, b'{"text":"hi","new":' + ignored + b"}"),
    ):
        if allowed:
            decode(message)
        else:
            with pytest.raises(BadRequest, match=r"^JSON nested too deeply: 64 levels are allowed$"):
                decode(message)
