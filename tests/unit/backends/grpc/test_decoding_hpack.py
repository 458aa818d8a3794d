"""HPACK of the decoder, against the library hpack."""

from __future__ import annotations

import random

import hpack
import pytest
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hypothesis import given
from hypothesis import strategies as st

from backends.grpc.decoding_hpack import MAX_STRING, MAX_TABLE, Hpack, unpack_huffman
from chat.transport.decoding.stream import Undecodable

HUFFMAN = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH)
NAMES = (":path", "authorization", "cookie", "date", "x-a", "x-b", "grpc-status")


@given(st.binary(max_size=300))
def test_huffman_is_undone(plain: bytes) -> None:
    assert unpack_huffman(HUFFMAN.encode(plain)) == plain


@pytest.mark.parametrize("data", [b"\xff\xff\xff\xff", b"\x1f\xff", b"\x1e", b"\x07\xff\xff"])
def test_what_is_no_huffman_code_is_refused(data: bytes) -> None:
    """EOS, more than 7 bits of padding, and padding with zeros (RFC 7541, 5.2)."""
    with pytest.raises(Undecodable):
        unpack_huffman(data)


@pytest.mark.parametrize("seed", range(20))
def test_field_lines_are_those_that_hpack_encoded(seed: int) -> None:
    rng = random.Random(seed)
    encoder, decoder = hpack.Encoder(), Hpack()
    for _ in range(30):
        if not rng.randrange(5):
            encoder.header_table_size = rng.choice((0, 64, 300, 4096, 20_000))
        fields = [
            (rng.choice(NAMES), rng.choice(("", "/", "200", "v" * rng.randrange(200), str(rng.random()))))
            for _ in range(rng.randrange(8))
        ]
        block = encoder.encode(fields, huffman=bool(rng.randrange(2)))
        cut, lines, at = rng.randint(0, len(block)), [], 0
        for data in (block[:cut], block):
            more, at = decoder.decode(data, at)
            lines += more
        assert at == len(block)
        assert [(line.name, line.value) for line in lines if line.name] == fields
        assert [line.start for line in lines] == [0, *(line.end for line in lines)][: len(lines)]


@pytest.mark.parametrize(
    "block",
    [
        b"\x80",
        b"\xbe",
        b"\x0f\xff\xff\xff\xff\xff\xff",
        b"\x3f" + hpack.hpack.encode_integer(MAX_TABLE + 1, 5)[1:],
        b"\0\x7f" + hpack.hpack.encode_integer(MAX_STRING + 1, 7)[1:],
    ],
)
def test_what_an_encoder_may_not_say_is_refused(block: bytes) -> None:
    with pytest.raises(Undecodable):
        Hpack().decode(block)


def test_the_table_stays_as_small_as_it_was_told() -> None:
    decoder = Hpack()
    for number in range(1_000):
        decoder.decode(b"\x40\x01x\x64" + f"{number:0100}".encode())
    assert len(decoder._table) == 4096 // (101 + 32)
    decoder.decode(b"\x20")
    assert not decoder._table
