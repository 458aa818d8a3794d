"""Acknowledgements: what is recognised as a whole is what would come of reading each message."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from backends.rpyc import codec
from backends.rpyc.acknowledgements import acknowledged
from backends.rpyc.codec import Framer, Returned
from tests.unit.backends.rpyc.test_protocol import Shop

NUMBERS = st.integers(0, 159) | st.integers(160, 10_000) | st.integers(0, codec.MAX_ID - 1)


def frames(numbers: list[int]) -> bytes:
    return b"".join(codec.returned(number, None) for number in numbers)


@given(st.integers(3, 19).flatmap(lambda n: st.lists(st.integers(max(160, 10 ** (n - 1)), 10**n - 1))))
def test_numbers_of_one_length_are_read_at_once(numbers: list[int]) -> None:
    assert acknowledged(frames(numbers)) == numbers


@given(st.lists(st.integers(0, 159)))
def test_so_are_numbers_of_one_byte(numbers: list[int]) -> None:
    assert acknowledged(frames(numbers)) == numbers


@given(st.lists(st.integers(0, 159) | st.integers(160, 10_000)))
def test_so_are_numbers_of_several_lengths(numbers: list[int]) -> None:
    assert acknowledged(frames(numbers)) == numbers


@given(st.lists(NUMBERS, min_size=1, max_size=5), st.data())
def test_what_is_recognised_reads_the_same_message_by_message(
    numbers: list[int], data: st.DataObject
) -> None:
    came = bytearray(frames(numbers))
    for _ in range(data.draw(st.integers(0, 2))):
        came[data.draw(st.integers(0, len(came) - 1))] = data.draw(st.integers(0, 255))
    del came[: data.draw(st.integers(0, 20))]
    if found := acknowledged(bytes(came)):
        assert [codec.decode(message) for message in Framer().feed(bytes(came))] == [
            Returned(number, None) for number in found
        ]


def test_other_messages_among_them_are_left_to_be_read_one_by_one() -> None:
    for other in (codec.returned(301, 5), codec.returned(5, 5), codec.to_older(codec.returned(301, None))):
        assert acknowledged(codec.returned(300, None) + other) == []
        assert acknowledged(other + codec.returned(300, None)) == []


def test_behind_a_part_of_a_frame_nothing_is_recognised() -> None:
    protocol = Shop().protocol
    whole = codec.returned(300, None)
    text = codec.returned(1, whole.decode("latin-1"))
    assert not protocol.receive_data(text[:20])
    assert protocol.acknowledged(whole) == []
    assert len(protocol.receive_data(text[20:])) == 1
    assert protocol.acknowledged(whole) == [300]
