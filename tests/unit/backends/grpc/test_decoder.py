"""The decoder of gRPC: the frames of HTTP/2, against hyperframe and hpack; bounds and strange bytes."""

from __future__ import annotations

import gzip
import random

import pytest

from backends.grpc import decoding_streams
from backends.grpc.decoder import MAX_BLOCK_FRAMES, MAX_LINES, MAX_STREAMS, make_decoder
from chat.interfaces.frames import Direction
from chat.transport.decoding.stream import MAX_FRAME
from tests.support import captures, http2_judge
from tests.support.h2_talk import (
    BLOCK,
    CHAT,
    EVENTS,
    GRPC,
    HELLO,
    RESPONSE,
    SEND,
    WELCOME,
    H2Talk,
    decode,
    grpc,
    line,
    message,
    of_kind,
    raw,
    up,
)

# --- against h2, hyperframe and hpack ------------------------------------------------------------


def long_talk() -> H2Talk:
    """Everything that h2 can say."""
    talk = H2Talk()
    stream = talk.call(CHAT, grpc(HELLO))
    talk.answer(stream, grpc(WELCOME))
    for number in range(3):  # the second and third find their field lines in the table
        more = talk.call([*CHAT, ("x-number", str(number)), ("x-long", "long " * 8_000)], grpc(SEND))
        talk.answer(more, trailers=[("grpc-status", "5"), ("grpc-message", "n%C3%B6")])
    talk.client.ping(b"12345678")
    talk.client.update_settings({1: 0, 4: 70_000})
    talk.pump()
    talk.client.update_settings({1: 8_192})
    talk.pump()
    talk.client.increment_flow_control_window(5, stream)
    talk.client.prioritize(stream, weight=7, depends_on=0, exclusive=True)
    talk.client.send_data(stream, grpc(SEND), pad_length=9)
    talk.server.push_stream(
        stream, 2, [(":method", "GET"), (":scheme", "http"), (":path", "/x"), (":authority", "h")]
    )
    talk.pump()
    talk.server.send_data(stream, grpc(EVENTS))
    talk.client.reset_stream(stream, 8)
    talk.pump()
    talk.server.close_connection(11, b"too_many_pings")
    talk.pump()
    return talk


def test_frames_and_field_lines_are_those_of_hyperframe_and_hpack() -> None:
    capture = long_talk().capture
    frames = decode(capture)
    assert http2_judge.check_frames(frames) > 40
    kinds = {frame.kind for frame in frames}
    assert kinds >= {"preface", *http2_judge.NAMES.values()}
    assert not [frame.problem for frame in frames if frame.problem]


def test_any_split_of_it_gives_the_same_frames() -> None:
    capture = long_talk().capture
    whole = captures.decode(GRPC, capture)
    for seed in range(3):
        captures.same(captures.decode(GRPC, captures.split(capture, random.Random(seed))), whole)


def test_a_frame_of_an_unknown_type_is_control() -> None:
    (frame,) = frames = up(raw(0xEE, 3, 0, b"abc"))
    http2_judge.check_frames(frames)
    assert (frame.kind, frame.role, frame.problem) == ("type 0xee", "control", "")


def test_a_ping_and_its_answer_are_one_exchange() -> None:
    frames = decode(long_talk().capture)
    ping, answer = [frame for frame in frames if frame.kind == "PING"]
    assert ping.stream == answer.stream != ""
    assert (ping.answer, answer.answer) == (False, True)


def test_goaway_names_its_error_and_why() -> None:
    (goaway,) = of_kind(decode(long_talk().capture), "GOAWAY", Direction.DOWN)
    assert "ENHANCE_YOUR_CALM" in goaway.summary
    assert "too_many_pings" in goaway.summary
    assert goaway.role == "setup"


# --- bounds and strange bytes --------------------------------------------------------------------


@pytest.mark.parametrize("begin", [b"GET / HTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nXM\r\n\r\n", b"\0"])
def test_what_is_not_http2_is_raw(begin: bytes) -> None:
    (frame,) = make_decoder("tcp").feed(Direction.UP, begin)
    assert frame.problem == "not HTTP/2: no connection preface"


def test_an_answer_that_is_not_http2_is_raw_at_once() -> None:
    (frame,) = make_decoder("tcp").feed(Direction.DOWN, b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert frame.problem == "not HTTP/2: the first frame is not SETTINGS"


def test_a_frame_that_is_too_long_is_not_waited_for() -> None:
    (frame,) = up((MAX_FRAME).to_bytes(3, "big") + b"\0\0\0\0\0\1")
    assert frame.problem == f"a frame of more than {MAX_FRAME} bytes"


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (raw(6, 0, 0, b"1234567"), "a PING frame of 7 bytes"),
        (raw(3, 0, 1, b"123"), "a RST_STREAM frame of 3 bytes"),
        (raw(4, 0, 0, b"12345"), "a SETTINGS frame of 5 bytes"),
        (raw(7, 0, 0, b"1234567"), "a GOAWAY frame of 7 bytes"),
        (raw(4, 1, 0, b"123456"), "a SETTINGS frame of 6 bytes"),
        (raw(4, 0, 1, b"123456"), "a SETTINGS frame on stream 1"),
        (raw(0, 0, 0, b"123456"), "a DATA frame on stream 0"),
        (raw(0, 8, 1, b""), "padded, and without the length of the padding"),
        (raw(0, 8, 1, b"\2x"), "the padding is longer than the payload"),
        (raw(1, 4 + 32, 1, b"1234"), "the padding is longer than the payload"),
        (raw(9, 4, 1, BLOCK), "CONTINUATION without a field block"),
    ],
)
def test_a_frame_that_makes_no_sense_loses_itself_alone(data: bytes, problem: str) -> None:
    frame, ping = up(data, raw(6, 0, 0, b"12345678"))
    assert (frame.problem, frame.role) == (problem, "raw")
    assert not ping.problem


def test_nothing_comes_between_the_parts_of_a_field_block() -> None:
    first, ping, later = up(raw(1, 0, 1, BLOCK[:20]), raw(6, 0, 0, b"12345678"), raw(1, 4, 3, BLOCK))
    assert not first.problem
    assert ping.problem == later.problem == "PING within a field block"


def test_a_field_block_has_no_more_frames_than_that() -> None:
    parts = [raw(1, 0, 1, BLOCK), *(raw(9, 0, 1, line("x", "y")) for _ in range(MAX_BLOCK_FRAMES))]
    frames = up(*parts)
    assert [frame.problem for frame in frames[:-1] if frame.problem] == []
    assert frames[-1].problem == f"a field block in more than {MAX_BLOCK_FRAMES} frames"


def test_only_so_many_field_lines_are_shown() -> None:
    (frame,) = up(raw(1, 4, 1, b"\x82" * (MAX_LINES + 5)))
    block = http2_judge.below(frame.root, "Field Block Fragment")
    assert len(block.fields) == MAX_LINES + 1
    assert block.fields[-1].value == "5 so far, not shown"


def test_a_message_that_is_too_long_is_not_waited_for() -> None:
    size = decoding_streams.MAX_MESSAGE + 1
    _, frame, later = up(
        raw(1, 4, 1, BLOCK), raw(0, 0, 1, b"\0" + size.to_bytes(4, "big") + b"x"), raw(0, 0, 1, b"more")
    )
    assert frame.problem == later.problem == f"a message of {size} bytes"


def test_a_message_that_grows_too_much_is_not_inflated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding_streams, "MAX_MESSAGE", 1_000)
    packed = message(gzip.compress(b"\0" * 1_001), 1)
    _, frame = up(raw(1, 4, 1, BLOCK + line("grpc-encoding", "gzip")), raw(0, 0, 1, packed))
    assert frame.problem == "more than 1000 bytes after it was inflated"


def test_no_more_than_that_is_kept_of_messages_that_do_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding_streams, "MAX_HELD", 100)
    _, first, _, second, whole = up(
        raw(1, 4, 1, BLOCK),
        raw(0, 0, 1, b"\0\0\0\1\0" + b"x" * 60),
        raw(1, 4, 3, BLOCK),
        raw(0, 0, 3, b"\0\0\0\1\0" + b"x" * 60),
        raw(0, 0, 1, b"x" * 196),
    )
    assert "part of 256 bytes" in first.summary
    assert second.problem == "too many messages are not complete"
    assert not whole.problem  # the message of the other stream is complete now


def test_a_message_in_too_many_frames_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding_streams, "MAX_PARTS", 3)
    frames = up(raw(1, 4, 1, BLOCK), *(raw(0, 0, 1, bytes([byte])) for byte in grpc(SEND)))
    assert frames[-1].problem == "a message in more than 3 frames"


def test_the_oldest_stream_is_forgotten() -> None:
    one = raw(1, 4, 1, b"\x83\x86" + line(":path", "/a/B"))
    others = [raw(1, 4, 3 + 2 * number, b"\x83") for number in range(MAX_STREAMS)]
    frames = up(one, *others, raw(0, 0, 1, grpc(HELLO)))
    assert frames[-1].problem == "the header block of its stream is not known"


def test_the_response_of_h2_is_one_that_we_know() -> None:
    talk = H2Talk()
    talk.answer(talk.call(CHAT))
    (frame,) = of_kind(decode(talk.capture), "HEADERS", Direction.DOWN)
    assert http2_judge.check_frames(decode(talk.capture)) == len(CHAT) + len(RESPONSE)
    assert frame.summary == "Chat: :status 200"
