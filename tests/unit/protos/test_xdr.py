"""XDR's primitives (RFC 4506): what goes in comes out, and any bytes give a value or `XdrError`."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protos.xdr import NO_BOUND, Packer, Unpacker, XdrError, arm


class Colour(IntEnum):
    RED = 2
    BLUE = -5


def packed(put: Callable[[Packer], None]) -> bytes:
    packer = Packer()
    put(packer)
    return bytes(packer.data)


# --- numbers -------------------------------------------------------------------------------------

NUMBERS = {
    "int32": (-(2**31), 2**31 - 1),
    "uint32": (0, 2**32 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint64": (0, 2**64 - 1),
}


@pytest.mark.parametrize("method", NUMBERS)
@given(st.data())
def test_a_number_comes_back(method: str, data: st.DataObject) -> None:
    number = data.draw(st.integers(*NUMBERS[method]))
    wire = packed(lambda p: getattr(p, method)(number))
    assert wire == number.to_bytes(len(wire), "big", signed=number < 0)
    assert getattr(Unpacker(wire), method)() == number


@pytest.mark.parametrize("method", NUMBERS)
def test_a_number_out_of_range_is_refused(method: str) -> None:
    least, most = NUMBERS[method]
    for number in (least - 1, most + 1):
        with pytest.raises(XdrError, match="does not fit"):
            packed(lambda p, number=number: getattr(p, method)(number))  # type: ignore[misc]


@given(st.floats(allow_nan=False))
def test_a_double_comes_back(number: float) -> None:
    assert Unpacker(packed(lambda p: p.float64(number))).float64() == number


@given(st.floats(allow_nan=False, width=32))
def test_a_float_comes_back(number: float) -> None:
    assert Unpacker(packed(lambda p: p.float32(number))).float32() == number


def test_a_float_that_is_too_large_is_refused() -> None:
    with pytest.raises(XdrError):
        packed(lambda p: p.float32(1e300))


@pytest.mark.parametrize("value", [False, True])
def test_a_bool_is_a_word(value: bool) -> None:
    wire = packed(lambda p: p.boolean(value))
    assert wire == bytes([0, 0, 0, value])
    assert Unpacker(wire).boolean() is value


def test_a_bool_is_nothing_else_than_0_or_1() -> None:
    with pytest.raises(XdrError, match="not 2"):
        Unpacker(b"\0\0\0\2").boolean()


def test_an_enum_has_only_its_values() -> None:
    assert Unpacker(b"\xff\xff\xff\xfb").enum(Colour) is Colour.BLUE
    with pytest.raises(XdrError, match="Colour has no value 3"):
        Unpacker(b"\0\0\0\3").enum(Colour)


# --- bytes and texts -----------------------------------------------------------------------------


@given(st.binary(max_size=50))
def test_bytes_are_padded_to_four_with_zeros(value: bytes) -> None:
    wire = packed(lambda p: p.opaque(value, 50))
    padding = -len(value) % 4
    assert wire == len(value).to_bytes(4, "big") + value + bytes(padding)
    u = Unpacker(wire)
    assert u.opaque(50) == value
    u.done()


@given(st.binary(min_size=7, max_size=7))
def test_bytes_of_a_fixed_size_have_no_length(value: bytes) -> None:
    wire = packed(lambda p: p.fixed(value, 7))
    assert wire == value + b"\0"
    assert Unpacker(wire).fixed(7) == value


def test_bytes_of_another_size_are_refused() -> None:
    with pytest.raises(XdrError, match="7 bytes belong here, not 6"):
        packed(lambda p: p.fixed(b"sixsix", 7))


@given(st.text(st.characters(codec="utf-8")))
def test_a_text_comes_back(text: str) -> None:
    assert Unpacker(packed(lambda p: p.string(text, NO_BOUND))).string(NO_BOUND) == text


def test_the_bound_of_a_text_is_in_bytes() -> None:
    wire = packed(lambda p: p.string("éé", 4))
    assert Unpacker(wire).string(4) == "éé"
    with pytest.raises(XdrError, match="4 bytes, and 3 are allowed"):
        packed(lambda p: p.string("éé", 3))
    with pytest.raises(XdrError, match="4 bytes, and 3 are allowed"):
        Unpacker(wire).string(3)


def test_a_lone_surrogate_has_no_bytes() -> None:
    with pytest.raises(XdrError, match="surrogate"):
        packed(lambda p: p.string("\ud800", 10))


BAD_TEXTS = {
    "not UTF-8": (b"\0\0\0\2\xc3(\0\0", "not UTF-8: byte 0xc3"),
    "a surrogate, encoded": (b"\0\0\0\3\xed\xa0\x80\0", "not UTF-8: byte 0xed"),
    "padding that is not zero": (b"\0\0\0\1x\0\1\0", "the padding at byte 5 is not zero"),
    "no padding": (b"\0\0\0\1x", "cut off"),
    "cut off": (b"\0\0\0\x08four", "cut off: 8 bytes belong at byte 4, 4 are there"),
    "a length of -1": (b"\xff\xff\xff\xff", "4294967295 bytes, and 10 are allowed"),
    "no whole length": (b"\0\0\0", "cut off: 4 bytes belong at byte 0, 3 are there"),
}


@pytest.mark.parametrize("name", BAD_TEXTS)
def test_what_is_no_text_is_refused_with_the_reason(name: str) -> None:
    wire, reason = BAD_TEXTS[name]
    with pytest.raises(XdrError, match=reason):
        Unpacker(wire).string(10)


# --- lists and options ---------------------------------------------------------------------------


@given(st.lists(st.integers(0, 2**32 - 1), max_size=9))
def test_a_list_comes_back(numbers: list[int]) -> None:
    wire = packed(lambda p: p.array(numbers, 9, p.uint32))
    assert len(wire) == 4 + 4 * len(numbers)
    u = Unpacker(wire)
    assert u.array(9, u.uint32) == numbers
    u.done()


def test_a_list_keeps_to_its_bound() -> None:
    with pytest.raises(XdrError, match="3 elements, and 2 are allowed"):
        packed(lambda p: p.array([1, 2, 3], 2, p.uint32))
    u = Unpacker(b"\0\0\0\3" + bytes(12))
    with pytest.raises(XdrError, match="3 elements, and 2 are allowed"):
        u.array(2, u.uint32)


def test_a_list_that_is_announced_and_not_there_is_refused_at_once() -> None:
    u = Unpacker(b"\xff\xff\xff\xff")
    with pytest.raises(XdrError, match="cut off"):
        u.array(NO_BOUND, u.uint32)


def test_an_array_of_a_fixed_size_has_no_length() -> None:
    wire = packed(lambda p: p.vector([1, 2], 2, p.int32))
    u = Unpacker(wire)
    assert (len(wire), u.vector(2, u.int32)) == (8, [1, 2])
    with pytest.raises(XdrError, match="2 elements belong here, not 1"):
        packed(lambda p: p.vector([1], 2, p.int32))


@given(st.none() | st.integers(0, 9))
def test_what_may_be_missing_comes_back(value: int | None) -> None:
    u = Unpacker(packed(lambda p: p.optional(value, p.uint32)))
    assert u.optional(u.uint32) == value
    u.done()


# --- the end -------------------------------------------------------------------------------------


def test_nothing_may_be_left_over() -> None:
    u = Unpacker(bytes(8))
    u.uint32()
    assert u.rest == bytes(4)
    with pytest.raises(XdrError, match="4 bytes are left over"):
        u.done()


@given(st.binary(max_size=40), st.sampled_from(["int32", "uint64", "float64", "boolean"]))
def test_any_bytes_are_a_value_or_an_xdr_error(wire: bytes, method: str) -> None:
    u: Any = Unpacker(wire)
    readers: list[Callable[[], object]] = [
        getattr(u, method),
        lambda: u.string(20),
        lambda: u.array(20, u.boolean),
        lambda: u.enum(Colour),
        lambda: u.optional(u.float32),
    ]
    for read in readers:
        try:
            read()
        except XdrError:
            return


def test_an_arm_has_just_the_type_that_belongs_there() -> None:
    assert arm(5, int) == 5
    for value in (None, True, "5"):
        with pytest.raises(XdrError, match="int belongs here"):
            arm(value, int)
