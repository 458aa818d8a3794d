"""The decoder of AMQP 0-9-1: messages, acknowledgements, secrets, bounds and strange bytes."""

from __future__ import annotations

import json
import random
import struct

import pika
import pytest
from pika import spec

from backends.rabbitmq import decoder, decoding_content, names
from backends.rabbitmq.codec import MAX_BODY
from backends.rabbitmq.decoder import MAX_CHANNELS
from chat.domain.model import Joined, Sent
from chat.interfaces.frames import MASK
from chat.transport.decoding.stream import MAX_FRAME
from lab.wire.masking import shown_bytes, walk
from tests.support import captures
from tests.support.amqp_judge import check_frames
from tests.support.amqp_talk import (
    DOWN,
    LOGIN,
    RABBITMQ,
    SEAT,
    UP,
    Said,
    decode,
    delivered,
    message,
    method,
    published,
    to_queue,
)
from tests.support.captures import Piece

DECLARED = method(DOWN, spec.Queue.DeclareOk("q", 0, 0))

# --- messages ------------------------------------------------------------------------------------


@pytest.mark.parametrize("parts", [1, 2, 7, 200])
def test_all_frames_of_a_message_carry_its_draft(parts: int) -> None:
    frames = decode(*published(parts=parts))
    check_frames(frames)
    assert all(frame.drafts == {1} and frame.role == "message" for frame in frames)
    assert len({id(frame.call) for frame in frames}) == 1
    assert [frame.texts for frame in frames] == [[]] * (len(frames) - 1) + [["hällo"]]
    text = b"".join(
        frame.data[slice(*field.span)]
        for frame in frames
        for field in walk(frame.root)
        if field.part == "payload" and field.span
    )
    assert text == "hällo".encode()


def test_a_delivery_carries_the_seq_after_its_offset() -> None:
    *frames, ack = decode(*delivered(5, 16), method(UP, spec.Basic.Ack(5)))
    check_frames(frames)
    assert all(frame.seqs == {17} and not frame.drafts for frame in frames)
    assert frames[-1].texts == ["hällo"]
    assert (ack.seqs, ack.stream, ack.answer, ack.role) == ({17}, frames[0].stream, True, "control")


def test_a_confirm_answers_the_drafts_that_it_confirms() -> None:
    select = method(UP, spec.Confirm.Select())
    second = Sent(SEAT, "ann", "rabbitmq", 2, "again")
    third = Sent(SEAT, "ann", "rabbitmq", 3, "more")
    both = method(DOWN, spec.Basic.Ack(2, multiple=True))
    nack = method(DOWN, spec.Basic.Nack(3))
    frames = decode(select, *published(), *published(second), *published(third), both, nack)
    confirm, refused = frames[-2:]
    assert (confirm.drafts, confirm.role, confirm.answer) == ({1, 2}, "message", True)
    assert confirm.stream == frames[4].stream == "channel 1, publish 2"
    assert (refused.drafts, refused.kind) == ({3}, "Basic.Nack")


def test_an_ack_of_several_acknowledges_all_before_it() -> None:
    said = [one for tag in (1, 2, 3) for one in delivered(tag, tag)]
    frames = decode(*said, method(UP, spec.Basic.Ack(2, multiple=True)), method(UP, spec.Basic.Reject(3)))
    assert frames[-2].seqs == {2, 3}
    assert frames[-1].seqs == {4}


@pytest.mark.parametrize(
    ("said", "role"),
    [
        (published(Joined(SEAT, "ann", "ann", "rabbitmq", SEAT)), "setup"),
        (published(), "message"),
        (to_queue(names.will("lab", SEAT)), "control"),
        (to_queue(names.DIRECTORY), "control"),
        (to_queue(names.presence(SEAT)), "setup"),
        ([method(UP, spec.Basic.Get(queue="q"))], "poll"),
        ([method(DOWN, spec.Basic.GetEmpty())], "poll"),
        ([method(UP, spec.Queue.Declare(queue="q")), DECLARED], "setup"),
        ([method(UP, spec.Queue.Declare(queue="q", passive=True)), DECLARED], "control"),
        ([method(DOWN, spec.Connection.Blocked("memory"), 0)], "control"),
        ([(UP, pika.frame.Heartbeat().marshal())], "control"),
        ([method(UP, spec.Tx.Commit())], "control"),
    ],
)
def test_each_frame_has_its_role(said: list[Said], role: str) -> None:
    assert {frame.role for frame in decode(*said)} == {role}


def test_a_will_is_no_draft() -> None:
    assert not any(frame.drafts for frame in decode(*to_queue(names.will("lab", SEAT))))


def test_a_call_and_its_answer_are_one_exchange() -> None:
    frames = decode(
        method(UP, spec.Queue.Declare(queue="a")),
        method(UP, spec.Queue.Declare(queue="b", nowait=True)),
        method(UP, spec.Basic.Get(queue="a")),
        method(DOWN, spec.Queue.DeclareOk("a", 0, 0)),
        method(DOWN, spec.Basic.GetEmpty()),
        method(UP, spec.Queue.Declare(queue="c", passive=True)),
        method(DOWN, spec.Channel.Close(404, "no queue", 50, 10)),
        method(UP, spec.Channel.CloseOk()),
    )
    first, _, second, declared, empty, _, close, closed = frames
    assert first.stream == declared.stream != second.stream == empty.stream
    assert close.stream == closed.stream
    assert [frame.answer for frame in frames] == [False, False, False, True, True, False, False, True]


def test_a_message_that_was_asked_for_answers() -> None:
    asked = method(UP, spec.Basic.Get(queue="a"))
    got = message(DOWN, spec.Basic.GetOk(9, False, "", "a", 0), b"x", spec.BasicProperties())
    _, first, *_, ack = decode(asked, *got, method(UP, spec.Basic.Ack(9)))
    assert first.answer
    assert first.stream == ack.stream == "channel 1, delivery 9"


def test_a_message_of_another_program_is_shown_as_it_is() -> None:
    publish = spec.Basic.Publish(exchange="orders", routing_key="new")
    for body in (b"<order/>", b"\xff\xfe", b'{"kind":"sent","n":1,"text":5}', b"{broken"):
        frames = decode(*message(UP, publish, body, spec.BasicProperties(app_id="shop")))
        check_frames(frames)
        assert not any(frame.problem or frame.texts for frame in frames)


def test_json_that_is_none_says_so() -> None:
    props = spec.BasicProperties(content_type="application/json")
    frames = decode(*message(UP, spec.Basic.Publish(exchange="chat.room.lab"), b"{broken", props))
    assert "not JSON" in frames[-1].problem


def test_a_message_without_a_body_is_complete() -> None:
    select = method(UP, spec.Confirm.Select())
    frames = decode(
        select, *message(UP, spec.Basic.Publish(exchange="e"), b"", spec.BasicProperties()), *published()
    )
    assert not any(frame.problem for frame in frames)
    assert frames[-1].texts == ["hällo"]


def test_a_method_that_is_not_known_is_shown() -> None:
    data = struct.pack(">BHIHH", 1, 1, 7, 99, 3) + b"abc\xce"
    (frame,) = decode((UP, data))
    assert (frame.kind, frame.problem) == ("class 99 method 3", "")


# --- secrets -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mechanism", "response"),
    [("PLAIN", "\0ann\0PASSWORD"), ("AMQPLAIN", "\x08PASSWORDS\0\0\0\x08PASSWORD"), ("SCRAM", "p=PASSWORD")],
)
def test_a_login_shows_no_password(mechanism: str, response: str) -> None:
    start = method(UP, spec.Connection.StartOk({"product": "x"}, mechanism, response, "en_US"), 0)
    secure = method(UP, spec.Connection.SecureOk(response), 0)
    frames = decode(start, secure, login=LOGIN[:1])
    check_frames(frames)
    assert not any(b"PASSWORD" in shown_bytes(frame) for frame in frames)
    assert frames[0].call is not None
    values = {one.name: one.value for one in frames[0].call.fields}
    assert values["response"] == MASK
    assert values["mechanism"] == mechanism


def test_a_new_password_is_not_shown() -> None:
    update = method(UP, spec.Connection.UpdateSecret("PASSWORD", "it was old"), 0)
    data = struct.pack(">HHI", 10, 99, 8) + b"PASSWORD"
    unknown = struct.pack(">BHI", 1, 0, len(data)) + data + b"\xce"
    for frame in decode(update, (UP, unknown)):
        assert b"PASSWORD" not in shown_bytes(frame)
        assert not frame.problem


@pytest.mark.parametrize("size", range(1, len(LOGIN[1][1])))
def test_a_login_that_is_cut_off_shows_no_password(size: int) -> None:
    frames = decode((UP, LOGIN[1][1][:size]), login=LOGIN[:1])
    assert b"PASS" not in b"".join(map(shown_bytes, frames))


def test_a_login_that_is_damaged_shows_no_password() -> None:
    data = bytearray(LOGIN[1][1])
    data[14] = 1  # the size of client-properties
    (frame,) = decode((UP, bytes(data)), login=LOGIN[:1])
    assert frame.problem
    assert b"PASSWORD" not in shown_bytes(frame)


@pytest.mark.parametrize("parts", [1, 2, 9, 100])
def test_a_takeover_shows_no_seat_key(parts: int) -> None:
    body = json.dumps({"seat_key": "QWERTZUIOPASDF"}).encode()
    publish = spec.Basic.Publish(routing_key=names.presence(SEAT))
    said = message(UP, publish, body, pika.BasicProperties(content_type="application/json"), parts=parts)
    for whole in (said, said[:-1]):  # also if its end never comes
        shown = b"".join(map(shown_bytes, decode(*whole)))
        assert not any(b"QWERTZUIOPASDF"[at : at + 3] in shown for at in range(11))


# --- bounds and strange bytes --------------------------------------------------------------------


@pytest.mark.parametrize("begin", [b"GET / HTTP/1.1\r\n\r\n", b"AMQX", LOGIN[1][1]])
def test_what_is_not_amqp_is_raw(begin: bytes) -> None:
    (frame,) = decode((UP, begin), login=())
    assert frame.problem == "not AMQP 0-9-1: no protocol header"


def test_a_broker_may_answer_with_another_version() -> None:
    header, answer = decode((UP, b"AMQP\0\1\0\0"), (DOWN, names.PROTOCOL_HEADER), login=())
    assert (header.summary, answer.summary, answer.answer) == ("AMQP 1-0-0", "AMQP 0-9-1", True)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (struct.pack(">BHI", 1, 1, 4) + b"\0\x3c\0\x50\xce", "8 bytes are announced, and 0 are there"),
        (struct.pack(">BHI", 1, 1, 1) + b"\0\xce", "2 bytes are announced, and 1 are there"),
        (published()[1][1], "a content header without a method before it"),
        (published()[2][1], "a content body without a content header before it"),
    ],
)
def test_a_frame_that_makes_no_sense_loses_itself_alone(data: bytes, problem: str) -> None:
    frame, *after = decode((UP, data), *published())
    assert (frame.problem, frame.role) == (problem, "raw")
    assert not any(one.problem for one in after)


def test_a_frame_that_is_too_long_is_not_waited_for() -> None:
    (frame,) = decode((UP, struct.pack(">BHI", 3, 1, MAX_FRAME)))
    assert frame.problem == f"a frame of more than {MAX_FRAME} bytes"


def test_a_body_that_is_too_long_is_not_kept() -> None:
    head = message(UP, spec.Basic.Publish(exchange="chat.room.lab"), b"", spec.BasicProperties())[0]
    header = (UP, pika.frame.Header(1, MAX_BODY + 1, spec.BasicProperties()).marshal())
    *_, body = decode(head, header, (UP, pika.frame.Body(1, b"x" * 50).marshal()))
    assert body.summary == f"content body, 50 of {MAX_BODY + 1} bytes"


def test_a_body_is_no_longer_than_its_header_says() -> None:
    frames = decode(*published()[:2], (UP, pika.frame.Body(1, b"x" * 500).marshal()))
    assert "more than" in frames[-1].problem


def test_a_message_in_too_many_frames_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding_content, "MAX_PARTS", 3)
    frames = decode(*published(parts=100))
    assert not any(frame.drafts or frame.texts for frame in frames)


def test_no_more_than_that_is_kept_of_messages_that_do_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding_content, "MAX_HELD", 1_000)
    long = Sent(SEAT, "ann", "rabbitmq", 1, "x" * 1_000)
    *_, body = decode(*published(long))
    assert not body.drafts
    assert body.summary.startswith("content body, ")
    assert decode(*(one for _ in range(20) for one in published()))[-1].drafts == {1}


def test_only_so_many_messages_wait_for_their_acknowledgement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder, "MAX_UNANSWERED", 3)
    said = [one for tag in range(1, 6) for one in delivered(tag, tag)]
    (*_, ack) = decode(*said, method(UP, spec.Basic.Ack(0, multiple=True)))
    assert ack.seqs == {4, 5, 6}
    again = decode(*said, method(UP, spec.Basic.Ack(5, multiple=True)), *delivered(6, 6))
    assert len([frame for frame in again if frame.seqs]) == 5 * 3 + 1 + 3


def test_the_oldest_channel_is_forgotten() -> None:
    head, *rest = published()
    others = [method(UP, spec.Channel.Open(), 2 + number) for number in range(MAX_CHANNELS)]
    frames = decode(head, *others, *rest)
    assert frames[-2].problem == "a content header without a method before it"


def test_any_split_gives_the_same_frames() -> None:
    said = [*LOGIN, method(UP, spec.Confirm.Select()), *published(parts=3), *delivered(1, 5)]
    capture = [Piece(1, "tcp", direction, data) for direction, data in said]
    whole = captures.decode(RABBITMQ, capture)
    for seed in range(5):
        captures.same(captures.decode(RABBITMQ, captures.split(capture, random.Random(seed))), whole)
