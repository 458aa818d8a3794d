"""Which messages of a stream are entries, and what their publisher is told of the others."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.rabbitmq import codec
from backends.rabbitmq.codec import MAX_BODY, NoEntry, pack, unpack
from chat.domain.model import Checkpoint, Entry, Joined, SeatState

SEAT = "0123456789abcdef01234567"


def message(kind: str, **fields: Any) -> bytes:
    entry = {"at": 1, "kind": kind, "seat": SEAT, "author": "ann", "technique": "php", **fields}
    return json.dumps({name: value for name, value in entry.items() if value is not None}).encode()


@pytest.mark.parametrize(
    ("author", "key"), [("Straße", "strasse"), ("ΣΊΣΥΦΟΣ", "σίσυφοσ"), ("Ann", "ann"), ("ŉx", "ʼnx")]
)
@pytest.mark.parametrize("told", [None, "another", 7])
def test_a_name_is_folded_by_its_readers(author: str, key: str, told: object) -> None:
    entry = unpack(0, message("joined", author=author, key=told, node=SEAT))
    assert entry.body == Joined(SEAT, author, key, "php", SEAT)


def test_the_names_in_a_checkpoint_are_folded_too() -> None:
    told = SeatState(SEAT, "Straße", "straße", "php", SEAT, 1)
    body = unpack(0, pack(Checkpoint("e", 0, (told,)), 1)).body
    assert isinstance(body, Checkpoint)
    assert [state.key for state in body.members] == ["strasse"]


@pytest.mark.parametrize(
    ("bytes_", "why"),
    [
        (b"hello", "not JSON"),
        (b'{"kind":"\xff"}', "not UTF-8"),
        (message("greeting"), "Invalid value 'greeting'"),
        (message("joined"), "missing required field `node`"),
        (message("joined", node=SEAT, author=5), "Expected `str`, got `int`"),
        (message("sent", n=1, text="hello", seat=SEAT.upper()), "24 hexadecimal digits, in lower case"),
        (message("sent", n=1, text="hello", technique="_php"), "technique '_php': 1 to 64 letters"),
        (message("sent", n=1, text="hello", technique="p" * 65), "beginning with a letter or a digit"),
        (message("left", node="a b"), "node 'a b': 1 to 64 letters"),
        (message("opened", epoch=""), "epoch '': 1 to 64 letters"),
        (message("sent", n=0, text="hello"), "n: the drafts of a seat are counted from 1"),
        (message("sent", n=1.5, text="hello"), "Expected `int`"),
        (message("sent", n=1, text="a\x1bb"), "1b"),
        (message("sent", n=1, text='a "sent" b').replace(b'"kind"', b'"sort"'), "required field `kind`"),
        (b" " * (MAX_BODY + 1), "it has 1048577 bytes, and at most 1048576 are read"),
    ],
)
def test_what_is_no_entry_says_why(bytes_: bytes, why: str) -> None:
    with pytest.raises(NoEntry) as error:
        unpack(0, bytes_)
    assert why.lower() in str(error.value).lower()


PLAIN = message("sent", n=1, text="hello, zoë")
PIECES = [
    b'"kind":"left",',
    b'"at":2,',
    b'"at":"x",',
    b'"n":0,',
    b'"text":"\\u001b",',
    b'"more":[{}],',
    b"\xff",
    b"}",
]


@given(st.integers(0, len(PLAIN)), st.integers(0, 3), st.sampled_from([b"", *PIECES]), st.integers(-1, 255))
def test_a_message_of_somebody_is_read_in_the_short_way_as_in_the_long_one(
    place: int, left_out: int, piece: bytes, byte: int
) -> None:
    with_byte = piece if byte < 0 else piece + bytes([byte])
    for data in (PLAIN[:place] + with_byte + PLAIN[place + left_out :], b"{" + with_byte + PLAIN[1:]):
        with pytest.MonkeyPatch.context() as long_way:
            long_way.setattr(codec, "read_sent", lambda offset, data: None)
            expected = entry_or_none(data)
        assert entry_or_none(data) == expected
        short = codec.read_sent(7, data)
        assert short is None or short == expected


def entry_or_none(data: bytes) -> Entry | None:
    try:
        return unpack(7, data)
    except NoEntry:
        return None
