"""The decoder of gRPC: HTTP/2 and the calls in it, against h2, hyperframe, hpack and protobuf."""

from __future__ import annotations

import gzip
import random
import struct
from collections.abc import Sequence
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

import backends
from backends.grpc import decoding_streams
from backends.grpc.codec import SERVICE
from backends.grpc.decoder import MAX_BLOCK_FRAMES, MAX_LINES, MAX_STREAMS, make_decoder
from backends.grpc.decoding_http2 import PREFACE
from chat.interfaces.frames import MASK, Direction, Frame
from chat.transport.decoding.stream import MAX_FRAME
from lab.wire.masking import shown_bytes, walk
from protos import chat_pb2 as pb
from tests.support import captures, http2_judge
from tests.support.captures import Piece
from tests.support.h2_talk import RESPONSE, H2Talk, message, of_kind, request

GRPC = backends.technique("grpc")
CHAT = request(f"/{SERVICE}/Chat", ("authorization", "Bearer TOKEN"))
KEY = "seat-key-of-ann"
HELLO = pb.ClientFrame(hello=pb.Hello(room="lab", nick="ann", seat_key=KEY))
SEND = pb.ClientFrame(send=pb.Send(n=1, text="hällo"))
WELCOME = pb.ServerFrame(welcome=pb.Welcome(room="lab", nick="ann", seat="5ea7", seat_key=KEY))
EVENTS = pb.ServerFrame(
    events=pb.Events(
        events=[
            pb.Event(kind=pb.Event.SENT, seq=7, seat="5ea7", n=1, id=7, text="hällo"),
            pb.Event(kind=pb.Event.JOINED, seq=8, seat="0ther"),
        ]
    )
)


def grpc(one: Any) -> bytes:
    return message(one.SerializeToString())


def decode(capture: Sequence[Piece]) -> list[Frame]:
    frames = captures.decode(GRPC, capture)
    captures.check_frames(frames, capture)
    return frames


def raw(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + struct.pack(">BBI", kind, flags, stream) + payload


def up(*frames: bytes) -> list[Frame]:
    """Return the frames of a client that begins as it should."""
    begin = PREFACE + raw(4, 0, 0, b"")
    return decode([Piece(1, "tcp", Direction.UP, begin + b"".join(frames))])[2:]


def line(name: str, value: str) -> bytes:
    """Return a field line that is not indexed (RFC 7541, 6.2.2)."""
    return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


BLOCK = b"".join(line(name, value) for name, value in CHAT)

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


# --- calls ---------------------------------------------------------------------------------------


def test_a_call_has_its_name_its_status_and_no_token() -> None:
    talk = H2Talk()
    stream = talk.call(CHAT)
    talk.answer(
        stream,
        trailers=[("grpc-status", "16"), ("grpc-message", "wr%C3%B6ng"), ("chat-error", "access_denied")],
    )
    frames = decode(talk.capture)
    (opened,) = of_kind(frames, "HEADERS")
    assert opened.call is not None
    assert (opened.call.name, opened.role, opened.protocol) == ("Chat", "setup", "gRPC")
    assert http2_judge.below(opened.call, "authorization").value == MASK
    trailers = of_kind(frames, "HEADERS", Direction.DOWN)[-1]
    assert trailers.call is not None
    assert (trailers.call.name, trailers.call.value) == ("Chat", "UNAUTHENTICATED")
    assert http2_judge.below(trailers.call, "grpc-message").value == "wröng"
    assert http2_judge.below(trailers.call, "chat-error").value == "access_denied"
    assert trailers.answer


@pytest.mark.parametrize("cut", range(1, len(grpc(SEND))))
def test_all_frames_of_a_message_carry_its_draft(cut: int) -> None:
    data = grpc(SEND)
    talk = H2Talk()
    talk.call(CHAT, grpc(HELLO), data[:cut], data[cut:])
    first, second = of_kind(decode(talk.capture), "DATA")[1:]
    assert first.drafts == second.drafts == {1}
    assert (first.texts, second.texts) == ([], ["hällo"])
    assert first.call is second.call is not None
    assert second.role == "message"
    text = b"".join(
        frame.data[slice(*field.span)]
        for frame in (first, second)
        for field in walk(frame.root)
        if field.part == "payload" and field.span
    )
    assert text == "hällo".encode()


def test_one_frame_may_hold_several_messages() -> None:
    talk = H2Talk()
    talk.call(CHAT, grpc(HELLO), grpc(SEND) + grpc(pb.ClientFrame(ping=pb.Ping(ref=3))))
    frame = of_kind(decode(talk.capture), "DATA")[1]
    assert frame.call is not None
    assert [one.name for one in frame.call.fields] == ["Chat: send", "Chat: ping"]
    assert (frame.role, frame.drafts) == ("message", {1})


def test_an_event_of_ones_own_seat_answers_the_draft() -> None:
    talk = H2Talk()
    stream = talk.call(CHAT, grpc(HELLO))
    talk.answer(stream, grpc(WELCOME), grpc(EVENTS))
    (events,) = of_kind(decode(talk.capture), "DATA", Direction.DOWN)[1:]
    assert (events.drafts, events.seqs, events.texts) == ({1}, {7, 8}, ["hällo"])


@pytest.mark.parametrize(
    ("frame", "role", "drafts", "seqs"),
    [
        (pb.ServerFrame(ack=pb.DraftAck(n=3, seq=9)), "message", {3}, {9}),
        (pb.ServerFrame(problem=pb.Problem(code="too_fast", text="later", n=4)), "message", {4}, set()),
        (pb.ServerFrame(pong=pb.Pong(ref=2)), "control", set(), set()),
        (pb.ServerFrame(), "message", set(), set()),
    ],
)
def test_each_answer_has_its_role(frame: pb.ServerFrame, role: str, drafts: set[int], seqs: set[int]) -> None:
    talk = H2Talk()
    talk.answer(talk.call(CHAT, grpc(HELLO)), grpc(frame))
    (answer,) = of_kind(decode(talk.capture), "DATA", Direction.DOWN)
    assert (answer.role, answer.drafts, answer.seqs, answer.texts) == (role, drafts, seqs, [])


@pytest.mark.parametrize(
    ("frame", "role", "drafts", "seqs"),
    [
        (pb.ClientFrame(edit=pb.Edit(n=2, id=7, text="x")), "message", {2}, set()),
        (pb.ClientFrame(delete=pb.Delete(n=3, id=7)), "message", {3}, set()),
        (pb.ClientFrame(ack=pb.EventsAck(seq=8)), "control", set(), {8}),
        (pb.ClientFrame(leave=pb.Leave()), "setup", set(), set()),
    ],
)
def test_each_request_has_its_role(
    frame: pb.ClientFrame, role: str, drafts: set[int], seqs: set[int]
) -> None:
    talk = H2Talk()
    talk.call(CHAT, grpc(frame))
    (asked,) = of_kind(decode(talk.capture), "DATA")
    assert (asked.role, asked.drafts, asked.seqs) == (role, drafts, seqs)


def test_a_page_is_in_all_frames_of_its_answer() -> None:
    talk = H2Talk()
    stream = talk.call(request(f"/{SERVICE}/History"), grpc(pb.HistoryRequest(room="lab", limit=2)), end=True)
    reply = pb.HistoryReply(events=EVENTS.events.events)
    talk.answer(stream, grpc(reply), trailers=[("grpc-status", "0")])
    answer = [frame for frame in decode(talk.capture) if frame.stream == "stream 1" and frame.answer]
    assert [frame.kind for frame in answer] == ["HEADERS", "DATA", "HEADERS"]
    assert all(frame.seqs == {7, 8} and frame.call is not None for frame in answer)
    assert answer[1].drafts == set()  # it carries events, and answers no draft


def test_health_and_reflection_have_names_and_are_control() -> None:
    talk = H2Talk()
    checked = talk.call(
        request("/grpc.health.v1.Health/Check"), grpc(health_pb2.HealthCheckRequest(service="x"))
    )
    talk.answer(checked, grpc(health_pb2.HealthCheckResponse(status=1)))
    asked = reflection_pb2.ServerReflectionRequest(list_services="*")
    for version in ("v1", "v1alpha"):
        talk.call(request(f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"), grpc(asked))
    frames = decode(talk.capture)
    assert [frame.call.fields[0].name for frame in of_kind(frames, "DATA") if frame.call] == [
        "service",
        "list_services",
        "list_services",
    ]
    (down,) = of_kind(frames, "DATA", Direction.DOWN)
    assert down.call is not None
    assert down.call.fields[0].value == "SERVING"
    calls = [frame for frame in frames if frame.kind in ("HEADERS", "DATA")]
    assert {frame.role for frame in calls} == {"control"}


def test_a_service_that_is_not_known_is_shown_by_numbers() -> None:
    talk = H2Talk()
    file = FileDescriptorProto(name="a name", dependency=["one", "two"], message_type=[{"name": "M"}])  # type: ignore[list-item]
    talk.call(request("/other.v2.Service/Do"), grpc(file))
    (frame,) = of_kind(decode(talk.capture), "DATA")
    assert frame.call is not None
    assert frame.call.name == "Do"
    assert [(one.name, one.value) for one in frame.call.fields[:3]] == [
        ("field 1", '"a name"'),
        ("field 3", '"one"'),
        ("field 3", '"two"'),
    ]
    assert not frame.problem


def test_http2_without_grpc_is_shown_as_it_is() -> None:
    talk = H2Talk()
    talk.call([*request("/")[:4], ("content-type", "text/plain")], b"\0\0\0\0\1x")
    headers, data = (of_kind(decode(talk.capture), kind)[0] for kind in ("HEADERS", "DATA"))
    assert (headers.protocol, data.protocol) == ("HTTP/2", "HTTP/2")
    assert (headers.summary, data.call, data.problem) == ("POST /", None, "")


def test_a_compressed_message_is_inflated() -> None:
    talk = H2Talk()
    packed = message(gzip.compress(SEND.SerializeToString()), 1)
    talk.call([*CHAT, ("grpc-encoding", "gzip")], packed)
    (frame,) = of_kind(decode(talk.capture), "DATA")
    assert (frame.texts, frame.drafts, frame.problem) == (["hällo"], {1}, "")


# --- secrets -------------------------------------------------------------------------------------


@pytest.mark.parametrize("compressed", [False, True])
def test_a_seat_key_is_shown_in_no_part_of_a_message(compressed: bool) -> None:
    plain = HELLO.SerializeToString()
    data = message(gzip.compress(plain, 0), 1) if compressed else message(plain)
    for cut in range(1, len(data)):
        talk = H2Talk()
        talk.call([*CHAT, ("grpc-encoding", "gzip")], data[:cut], data[cut:])
        shown = b"".join(map(shown_bytes, of_kind(decode(talk.capture), "DATA")))
        assert not any(KEY[place : place + 4].encode() in shown for place in range(len(KEY) - 3))


def test_a_token_is_shown_in_no_part_of_a_field_block() -> None:
    for cut in range(1, len(BLOCK)):
        frames = up(raw(1, 0, 1, BLOCK[:cut]), raw(9, 4, 1, BLOCK[cut:]))
        shown = b"".join(map(shown_bytes, frames))
        assert not any(b"TOKEN"[place : place + 2] in shown for place in range(4))
        assert frames[1].call is frames[0].call is not None
        assert http2_judge.check_frames(frames) == len(CHAT)


def test_what_can_not_be_decoded_shows_neither() -> None:
    frames = up(
        raw(1, 4, 1, BLOCK),
        raw(0, 0, 1, grpc(HELLO)[:-1] + b"\xff" + grpc(HELLO)),  # its last byte makes a nick no UTF-8
        raw(1, 4, 3, b"\xff\xff\xff\xff\xff\xff" + BLOCK),
        raw(0, 0, 3, grpc(HELLO)),
        raw(1, 4 + 8, 5, b"\xff" + BLOCK),
    )
    assert [bool(frame.problem) for frame in frames[2:]] == [True] * 3
    shown = b"".join(map(shown_bytes, frames))
    assert b"TOKEN" not in shown
    assert KEY[:-1].encode() not in shown


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
