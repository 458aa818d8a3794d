"""The decoder of datagrams: JSON objects, and the trailer of an access token."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from backends.udp import message_auth
from backends.udp.codec import HelloMessage, encode_hello
from backends.udp.decoder import make_decoder
from chat.domain.json_depth import MAX_DEPTH
from chat.interfaces.frames import MASK, Direction, Frame
from lab.wire.masking import owner, shown_bytes, walk
from tests.support.captures import Piece, check_frames
from tests.support.json_judge import check_values

PAGE = (Path(__file__).parents[4] / "docs" / "datagrams.md").read_text(encoding="utf-8")
EXAMPLES = [
    (Direction.UP if sign == ">" else Direction.DOWN, text.encode())
    for sign, text in re.findall(r"^([<>]) (\{.*\})$", PAGE, re.MULTILINE)
]
PING = b'{"kind":"ping","ref":1}'


def decode(data: bytes, direction: Direction = Direction.UP) -> Frame:
    (frame,) = make_decoder("udp").feed(direction, data)
    assert frame.data == data
    return frame


def test_every_value_of_the_examples_is_where_msgspec_finds_it() -> None:
    assert len(EXAMPLES) > 10
    for direction, data in EXAMPLES:
        frame = decode(data, direction)
        assert not frame.problem
        value = msgspec.json.decode(data)
        assert frame.kind == value["kind"]
        check_values(data, frame.root.fields[0], value)


def test_the_handshake_is_one_exchange() -> None:
    decoder = make_decoder("udp")
    frames = [frame for direction, data in EXAMPLES for frame in decoder.feed(direction, data)]
    handshake = [frame.kind for frame in frames if frame.stream == "handshake"]
    assert handshake == ["hello", "cookie", "hello", "welcome"]
    assert {frame.role for frame in frames if frame.stream == "handshake"} == {"setup"}


def test_an_end_answers_a_hello_that_was_not_welcomed() -> None:
    decoder = make_decoder("udp")
    decoder.feed(Direction.UP, b'{"kind":"hello","nick":"ann"}')
    (end,) = decoder.feed(Direction.DOWN, b'{"kind":"end","code":"nick_taken","text":"taken"}')
    assert (end.stream, end.role) == ("handshake", "setup")
    (later,) = decoder.feed(Direction.DOWN, b'{"kind":"end","code":"closing","text":"bye"}')
    assert later.stream == ""


def test_the_padding_of_a_hello_is_framing() -> None:
    data = encode_hello(HelloMessage("ann", nonce="00"))
    frame = decode(data)
    assert owner(frame, data.index(b"xxx"))[-1].part == "framing"
    assert owner(frame, data.index(b"ann"))[-1].part == "envelope"


def test_the_mac_is_masked_and_the_counter_is_shown() -> None:
    key = message_auth.derive(message_auth.root_key("open sesame"), message_auth.UP, "00", "01")
    data = message_auth.Authenticator(key).protect(PING)
    frame = decode(data)
    trailer = {field.name: field for field in frame.root.fields}
    assert [field.name for field in frame.root.fields] == ["object", "newline", "counter", "space", "MAC"]
    assert trailer["counter"].value == "1"
    assert trailer["MAC"].value == MASK
    mac = data[-2 * message_auth.MAC_BYTES :]
    assert trailer["MAC"].span == (len(data) - len(mac), len(data))
    assert mac not in shown_bytes(frame)
    assert mac in shown_bytes(frame, secrets=True)


@pytest.mark.parametrize("place", [0, 7, 31])
def test_a_newline_in_the_place_of_the_mac_is_not_the_trailers(place: int) -> None:
    mac = bytearray(b"0" * 32)
    mac[place : place + 1] = b"\n"
    for before in (PING + b"\n12 ", b"12 "):
        data = before + bytes(mac)
        frame = decode(data)
        check_frames([frame], [Piece(0, "udp", Direction.UP, data)])
        assert not message_auth.has_trailer(data)


def test_secrets_are_masked_in_a_datagram_that_is_cut_off() -> None:
    mac = b"8ea7be990c04148966d028214782a53c"
    frame = decode(b'{"kind":"hello","nick":"ann","seat_key":"anns-seat-key-22-ch' + b"\n1 " + mac)
    assert frame.role == "raw"
    assert b"anns-seat-key" not in shown_bytes(frame)
    assert mac not in shown_bytes(frame)
    assert b'"nick":"ann"' in shown_bytes(frame)


def test_a_pack_carries_the_seqs_and_texts_of_all_its_events() -> None:
    events = (
        b'{"kind":"sent","seq":3,"text":"a"},{"kind":"edited","seq":5,"text":"b"},{"kind":"left","seq":6}'
    )
    for opening in (b'{"kind":"events",', b'{"kind":"page","ref":2,"head":6,'):
        frame = decode(opening + b'"events":[' + events + b"]}", Direction.DOWN)
        assert frame.seqs == {3, 5, 6}
        assert frame.texts == ["a", "b"]
        assert frame.role == "message"


@pytest.mark.parametrize(
    ("kind", "role"),
    [("names", "poll"), ("ping", "control"), ("away", "setup"), ("gone", "setup"), ("invented", "message")],
)
def test_the_role_of_a_kind(kind: str, role: str) -> None:
    assert decode(b'{"kind":"%b"}' % kind.encode()).role == role


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"\xff\xfe",
        b"GET / HTTP/1.1",
        b'{"kind":',
        b"1 8ea7be990c04148966d028214782a53c",  # a trailer, and nothing before it
        b"\n1 8ea7be990c04148966d028214782a53c",
        b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
    ],
)
def test_what_is_no_message_is_raw_and_the_next_one_is_decoded(data: bytes) -> None:
    decoder = make_decoder("udp")
    (frame,) = decoder.feed(Direction.UP, data)
    assert (frame.role, frame.data) == ("raw", data)
    assert frame.problem
    (after,) = decoder.feed(Direction.UP, PING)
    assert (after.kind, after.stream) == ("ping", "ref 1")


def test_names_and_values_of_a_stranger_are_on_one_line() -> None:
    frame = decode(b'{"kind":"a\\nb","\\tkey\\n":"\\u2028\\n","n":[{"\\n":1}]}')
    assert frame.call is not None
    for field in (*walk(frame.root), *walk(frame.call)):
        assert field.name.isprintable(), field.name
        assert field.value.isprintable(), field.value
    assert frame.summary.isprintable()


def test_a_kind_of_a_stranger_is_shown_without_control_characters() -> None:
    frame = decode(b'{ "kind" : "\\u001b[2J' + b"k" * 100 + b'", "n": 1 }')
    assert frame.kind.isprintable()
    assert len(frame.kind) < 60


@pytest.mark.parametrize("kind", [b"[1]", b"{}", b"7", b"null"])
def test_a_kind_that_is_no_text(kind: bytes) -> None:
    frame = decode(b'{"kind":%b,"n":1,"seq":2,"text":"hi"}' % kind)
    assert (frame.kind, frame.role, frame.problem) == ("no kind", "message", "")
    assert (frame.drafts, frame.seqs, frame.texts) == (set(), set(), [])
