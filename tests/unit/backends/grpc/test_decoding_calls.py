"""The decoder of gRPC: what calls and messages mean to the chat, and that no secret is shown."""

from __future__ import annotations

import gzip

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from backends.grpc.codec import SERVICE
from chat.interfaces.frames import MASK, Direction
from lab.wire.masking import shown_bytes, walk
from protos import chat_pb2 as pb
from tests.support import http2_judge
from tests.support.captures import Piece
from tests.support.h2_talk import (
    BLOCK,
    CHAT,
    EVENTS,
    HELLO,
    KEY,
    SEND,
    WELCOME,
    H2Talk,
    decode,
    grpc,
    line,
    message,
    of_kind,
    raw,
    request,
    up,
)

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


def test_bytes_that_are_cut_off_show_neither() -> None:
    for size in range(10, len(BLOCK)):
        frames = up(raw(1, 4, 1, BLOCK)[:size])
        assert b"TOK" not in b"".join(map(shown_bytes, frames))
        assert frames[-1].problem == "cut off by the end of the connection"


def test_a_token_of_another_protocol_is_not_shown() -> None:
    asked = b"GET / HTTP/1.1\r\nauthorization: Bearer TOKEN\r\n\r\n"
    (frame,) = decode([Piece(1, "tcp", Direction.UP, asked)])
    assert frame.problem == "not HTTP/2: no connection preface"
    assert b"TOKEN" not in shown_bytes(frame)
    assert b"GET / HTTP/1.1" in shown_bytes(frame)
    for cut in range(1, len(asked)):
        pieces = [Piece(1, "tcp", Direction.UP, part) for part in (asked[:cut], asked[cut:])]
        shown = b"".join(map(shown_bytes, decode(pieces)))
        assert not any(b"TOKEN"[place : place + 3] in shown for place in range(3))


@pytest.mark.parametrize("path", [f"/{SERVICE}/Chet", f"/{SERVICE}", "/chat.v1.Other/Chat"])
def test_what_is_almost_the_chat_may_hold_a_seat_key(path: str) -> None:
    talk = H2Talk()
    talk.call(request(path), grpc(HELLO))
    (frame,) = of_kind(decode(talk.capture), "DATA")
    assert frame.problem == "the chat has no such method"
    assert KEY.encode() not in shown_bytes(frame)


def test_the_chat_under_another_content_type_may_hold_a_seat_key() -> None:
    talk = H2Talk()
    talk.call([*request(f"/{SERVICE}/Chat")[:4], ("content-type", "text/plain")], grpc(HELLO))
    (frame,) = of_kind(decode(talk.capture), "DATA")
    assert frame.problem == "its content-type is not that of gRPC"
    assert KEY.encode() not in shown_bytes(frame)


@pytest.mark.parametrize(
    "data",
    [raw(0xEE, 0, 1, KEY.encode()), raw(0, 8, 1, bytes([len(KEY)]) + KEY.encode())],
    ids=["a frame of another type", "padding"],
)
def test_what_nothing_describes_is_not_shown(data: bytes) -> None:
    _, frame = up(raw(1, 4, 1, BLOCK), data)
    assert KEY.encode() not in shown_bytes(frame)


def test_a_damaged_preface_may_hide_a_token() -> None:
    begin = b"PRI * HTXP/2.0\r\n\r\nSM\r\n\r\n"
    (frame,) = decode(
        [Piece(1, "tcp", Direction.UP, begin + raw(1, 4, 1, BLOCK) + raw(0, 0, 1, grpc(HELLO)))]
    )
    assert KEY.encode() not in shown_bytes(frame)


def test_credentials_are_masked_under_any_name() -> None:
    (frame,) = up(raw(1, 4, 1, line(":path", "/x") + line("x-forwarded", "Bearer OTHER")))
    assert b"OTHER" not in shown_bytes(frame)
    assert frame.call is not None
    assert http2_judge.below(frame.call, "x-forwarded").value == MASK
