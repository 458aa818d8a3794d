"""The decoder of RPyC: frames, brine with its places, boxes, calls of both sides, and what is masked."""

from __future__ import annotations

import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rpyc.core import brine, consts

from backends.rpyc import codec, service
from backends.rpyc.codec import HEADER, Callback, Local, Remote
from backends.rpyc.decoder import MAX_INFLATED, make_decoder
from backends.rpyc.decoding_brine import MAX_DEPTH, MAX_VALUES, Value, read
from chat.domain.errors import NickTaken
from chat.domain.model import Event
from chat.interfaces.frames import MASK, Direction, Frame
from chat.transport.decoding.stream import MAX_FRAME, Undecodable
from lab.wire.masking import owner, shown_bytes, walk
from tests.support.captures import Piece, check_frames, plain

UP, DOWN = Direction
ROOT = Remote(service.ROOT.name)
FUNCTION = Local(("builtins.function", 1, 1))
KEY, TOKEN = "pZ4xq0Jr3cUu8s0m1KXwYQ", "open sesame"
EVENT = Event("sent", 17, 16, 1795393822791, "ann", "8503", "rpyc", 3, 17, "täglich")
SEND = codec.request(7, consts.HANDLE_CALLATTR, (ROOT, "send", ("täglich", 3), ()))
LOGIN = codec.request(
    1, consts.HANDLE_CALLATTR, (ROOT, "login", ("ann", "lab", FUNCTION, TOKEN, None, KEY), ())
)

# Written by RPyC 5.3.0: conn.root.send("typed by hand", 1), and the same with a text of 3,500 letters.
OLDER = bytes.fromhex(
    "00000036001251561157115212115312080e0f6275696c74696e732e6d6574686f64"
    "5252115111080e0d74797065642062792068616e64511151020a"
)
OLDER_DEFLATED = bytes.fromhex(
    "00000058017801130a4c100c170c12120c16e2e0e34f2acdcc29c9cc2bd6cb4d2dc9c84f090a120c14e4e06760e05d53390a464360"
    "340446436034044643603404464360340446436034044643603404065d08040b0632010045dd81990a"
)


def decode(*sent: tuple[Direction, bytes]) -> list[Frame]:
    """Return the frames of both directions, after a check of all fields."""
    decoder = make_decoder("tcp")
    frames = [frame for direction, data in sent for frame in decoder.feed(direction, data)]
    frames += [frame for direction in Direction for frame in decoder.end(direction)]
    in_order = sorted(frames, key=lambda frame: frame.direction)
    check_frames(in_order, [Piece(0, "tcp", direction, data) for direction, data in sent])
    return frames


def deflated(frame: bytes) -> bytes:
    message = zlib.compress(frame[HEADER.size : -1])
    return b"".join((HEADER.pack(len(message), 1), message, b"\n"))


def framed(message: bytes) -> bytes:
    return codec.frame(message)


# --- brine -------------------------------------------------------------------------------------

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.complex_numbers(allow_nan=False)
    | st.binary(max_size=20)
    | st.text(max_size=20)
    | st.just(Ellipsis)
    | st.just(NotImplemented),
    lambda inner: st.lists(inner, max_size=6).map(tuple) | st.frozensets(inner, max_size=3),
    max_leaves=20,
)


@given(VALUES)
def test_every_value_is_what_rpyc_reads(value: Any) -> None:
    data = brine.dump(value)
    found = read(data, 0)
    assert found.value == brine.load(data) == value
    assert (found.start, found.end) == (0, len(data))
    check(data, found)


def check(data: bytes, value: Value) -> None:
    """Fail unless each value in it is where RPyC reads it, and its content behind its tags."""
    assert value.start <= value.body <= value.end
    assert brine.load(data[value.start : value.end]) == value.value
    place = value.body
    for item in value.items or ():
        assert item.start == place
        check(data, item)
        place = item.end
    if type(value.value) is str and value.body < value.end:
        assert data[value.body : value.end].decode() == value.value


@pytest.mark.parametrize(
    "value", [slice(1, None, 3), tuple(range(300)), "x" * 70_000, b"x" * 300, 10**400, ("",), (((),),)]
)
def test_values_with_a_long_tag(value: Any) -> None:
    found = read(brine.dump(value), 0)
    assert found.value == value
    check(brine.dump(value), found)


# --- calls -------------------------------------------------------------------------------------


def test_a_draft_and_its_answer() -> None:
    call, reply = decode((UP, SEND), (DOWN, codec.returned(7, 17)))
    assert (call.kind, reply.kind) == ("MSG_REQUEST", "MSG_REPLY")
    assert call.stream == reply.stream == "up 7"
    assert (call.answer, reply.answer) == (False, True)
    assert call.drafts == reply.drafts == {3}
    assert (call.texts, reply.seqs) == (["täglich"], {17})
    assert (call.role, reply.role) == ("message", "message")
    assert (call.summary, reply.summary) == ("callattr send text=täglich n=3", "callattr send 17")
    place = call.data.index("täglich".encode())
    assert (owner(call, place)[-1].span, owner(call, place)[-1].part) == ((place, place + 8), "payload")
    assert owner(call, place - 1)[-1].part == "framing"
    assert [field.name for field in owner(call, place)][-2:] == ["text", "text"]


def test_the_label_of_a_box_and_the_name_of_an_object() -> None:
    (call,) = decode((UP, SEND))
    values = {field.name: field.value for field in walk(call.root)}
    assert values["msg"] == "1 (MSG_REQUEST)"
    assert values["handler"] == "8 (HANDLE_CALLATTR)"
    labels = [field.value for field in walk(call.root) if field.name == "label"]
    assert labels[:2] == ["2 (LABEL_TUPLE)", "3 (LABEL_LOCAL_REF)"]
    assert "<yours: chat.ChatService 1 1>" in [field.value for field in walk(call.root)]
    assert (values["type id"], values["object id"]) == ("1", "1")


def test_the_callback_brings_events_and_its_reply_acknowledges_them() -> None:
    callback = Callback(Remote(FUNCTION.name)).frame(18, codec.keywords(service.event_pairs(EVENT)))
    login, event, ack = decode((UP, LOGIN), (DOWN, callback), (UP, codec.returned(18, None)))
    assert event.summary.startswith("call callback kind=sent seq=17")
    assert (event.role, event.seqs, event.texts) == ("message", {17}, ["täglich"])
    assert event.drafts == set()  # the number is its author's
    assert (ack.role, ack.seqs, ack.stream, ack.answer) == ("control", {17}, event.stream, True)
    assert event.stream == "down 18"
    place = event.data.index("täglich".encode())
    assert owner(event, place)[-1].part == "payload"
    assert login.call is not None
    assert login.call.name == "callattr login"


def test_a_callback_that_takes_one_argument() -> None:
    function = Callback(Remote(FUNCTION.name))
    function.use_one_argument()
    data = function.frame(18, codec.keywords(service.event_pairs(EVENT)))
    _, event = decode((UP, LOGIN), (DOWN, data))
    assert (event.seqs, event.texts) == ({17}, ["täglich"])
    assert event.summary.startswith("call callback kind=sent")


def test_a_method_that_the_client_has_asked_for() -> None:
    bound = Local(("builtins.method", 94862349017504, 140318274112704))
    frames = decode(
        (UP, codec.request(1, consts.HANDLE_GETATTR, (ROOT, "send"))),
        (DOWN, codec.returned(1, bound)),
        (UP, codec.request(2, consts.HANDLE_CALL, (Remote(bound.name), ("hi",), (("n", 4),)))),
        (UP, codec.request(3, consts.HANDLE_DEL, (Remote(bound.name), 1))),
    )
    assert [frame.role for frame in frames] == ["setup", "setup", "message", "control"]
    assert frames[0].summary == "getattr send"
    assert (frames[2].summary, frames[2].drafts) == ("call send text=hi n=4", {4})
    assert frames[3].summary == "del <yours: builtins.method 94862349017504 140318274112704>"


def test_an_exception() -> None:
    data = codec.raised(7, "chat", "NickTaken", "ann is taken", service.error_pairs(NickTaken("", n=3)))
    _, frame = decode((UP, SEND), (DOWN, data))
    assert frame.summary == "callattr send chat.NickTaken: ann is taken code=nick_taken n=3"
    assert (frame.kind, frame.drafts) == ("MSG_EXCEPTION", {3})
    stop = bytes([consts.MSG_EXCEPTION]) + brine.dump((7, consts.EXC_STOP_ITERATION))
    assert decode((UP, SEND), (DOWN, framed(stop)))[1].summary == "callattr send StopIteration"


def test_a_page_of_history_carries_its_events() -> None:
    ask = codec.request(2, consts.HANDLE_CALLATTR, (ROOT, "history", (None, None, 5), ()))
    _, page = decode((UP, ask), (DOWN, codec.returned(2, (service.event_pairs(EVENT),) * 2)))
    assert (page.seqs, page.texts) == ({17}, ["täglich"] * 2)
    assert sum(field.part == "payload" for field in walk(page.root)) == 2


@pytest.mark.parametrize("data", [OLDER, OLDER_DEFLATED])
def test_what_an_older_rpyc_has_written(data: bytes) -> None:
    (frame,) = decode((UP, data))
    assert not frame.problem
    assert frame.call is not None
    assert frame.call.name == "call send"
    assert frame.texts in (["typed by hand"], ["y" * 3500])
    assert frame.drafts in ({1}, {3})
    derived = [field.span is None for field in walk(frame.root) if field.name == "handler"]
    assert derived == [data is OLDER_DEFLATED]


def test_a_deflated_message_is_the_same_without_places() -> None:
    whole, small = decode((UP, SEND))[0], decode((UP, deflated(SEND)))[0]
    assert (small.call, small.texts, small.drafts) == (whole.call, whole.texts, whole.drafts)
    assert [field.value for field in small.root.fields if field.name == "compressed"] == ["1"]


def test_a_handler_and_a_service_that_nobody_knows() -> None:
    strange = codec.request(1, 99, ("a", Remote(("x.y", 5, 6))))
    other = codec.request(2, consts.HANDLE_CALLATTR, (Remote(("x.y", 5, 6)), "get\n", (1, (2, 3)), ()))
    one, two = decode((UP, strange), (UP, other))
    assert one.summary == "handler 99 [0]=a [1]=<yours: x.y 5 6>"
    assert two.summary == "callattr get\\n [0]=1 [1]=2 values"
    assert not one.problem
    assert not two.problem


def test_a_reply_to_nothing_that_was_seen() -> None:
    (frame,) = decode((DOWN, codec.returned(99, (("seat_key", KEY), ("nick", "ann")))))
    assert frame.summary == f"unknown request seat_key={MASK} nick=ann"
    assert KEY.encode() not in shown_bytes(frame)


# --- secrets -----------------------------------------------------------------------------------


def test_token_and_seat_key_are_masked_by_place_and_by_name() -> None:
    keywords = (("nick", "ann"), ("room", "lab"), ("access", TOKEN), ("seat_key", KEY))
    by_name = codec.request(2, consts.HANDLE_CALLATTR, (ROOT, "login", (), keywords))
    for frame in decode((UP, LOGIN), (UP, by_name), (UP, deflated(LOGIN)), (UP, codec.to_older(LOGIN))):
        assert not frame.problem
        for secret in (TOKEN, KEY):
            assert secret.encode() not in shown_bytes(frame)
            assert secret not in repr((frame.summary, frame.call, frame.root))
        assert sum(field.secret for field in walk(frame.root)) >= 2


def test_secrets_that_were_read_are_masked_where_nothing_can_be_read() -> None:
    decoder = make_decoder("tcp")
    decoder.feed(UP, LOGIN)
    (bad,) = decoder.feed(UP, framed(b"\x01\x11 " + KEY.encode() + b" not brine"))
    (lost,) = decoder.feed(UP, HEADER.pack(3, 0) + b"no LF, " + TOKEN.encode())
    for frame in (bad, lost):
        assert (frame.role, bool(frame.problem)) == ("raw", True)
        assert KEY.encode() not in shown_bytes(frame)
        assert TOKEN.encode() not in shown_bytes(frame)
    assert b"not brine" in shown_bytes(bad)


@pytest.mark.parametrize(
    "data", [LOGIN[:-20], LOGIN[:10] + b"\xff" + LOGIN[11:], deflated(LOGIN)[:-9] + b"\0" * 8 + b"\n"]
)
def test_a_first_login_that_cannot_be_read_is_masked(data: bytes) -> None:
    (frame,) = decode((UP, data))
    assert frame.problem
    assert TOKEN.encode() not in shown_bytes(frame)
    assert data[-6:-1] not in shown_bytes(frame)


def test_what_is_left_of_a_first_login_is_masked() -> None:
    decoder = make_decoder("tcp")
    assert not decoder.skip(UP, 60)
    (lost,) = decoder.feed(UP, LOGIN[60:])
    assert b"login" not in lost.data
    assert TOKEN.encode() in lost.data
    assert TOKEN.encode() not in shown_bytes(lost)


# --- what does not fit -------------------------------------------------------------------------


def nested(depth: int) -> bytes:
    return b"".join((b"\x01", brine.TAG_TUP2, brine.dump(1), brine.TAG_TUP1 * depth, brine.TAG_NONE))


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (b"", "brine that is cut off"),
        (b"\x01", "brine that is cut off"),
        (b"\x01\xff", "brine has no tag 255"),
        (b"\x01" + brine.TAG_TUP_L4 + b"\xff\xff\xff\xff", "a tuple of 4294967295 values in 0 bytes"),
        (b"\x01" + brine.TAG_STR_L4 + b"\xff\xff\xff\xff", "brine that is cut off: 4294967295 bytes"),
        (b"\x01" + brine.TAG_INT_L1 + b"\x01x", "ValueError"),
        (b"\x01" + brine.TAG_UNICODE + brine.TAG_NONE, "a text in brine"),
        (b"\x01" + brine.TAG_SLICE + brine.TAG_NONE, "a slice or a set"),
        (b"\x07" + brine.dump((1, 2)), "no message of RPyC"),
        (b"\x01" + brine.dump((1, 2, 3)), "no message of RPyC"),
        (b"\x01" + brine.dump(("a", 2)), "no message of RPyC"),
        (b"\x01" + brine.dump((1, 2)), "a request without a handler"),
        (b"\x01" + brine.dump((1, (8, 3))), "a value that is in no box"),
        (b"\x01" + brine.dump((1, (8, (9, ())))), "a box with the label 9"),
        (b"\x01" + brine.dump((1, (8, (consts.LABEL_TUPLE, 5)))), "a box with the label of a tuple"),
        (nested(MAX_DEPTH), f"brine nested more than {MAX_DEPTH}"),
        (b"\x01" + brine.dump((1, (None,) * MAX_VALUES)), f"brine with more than {MAX_VALUES}"),
    ],
)
def test_a_message_that_is_none_loses_only_itself(message: bytes, why: str) -> None:
    bad, good = decode((UP, framed(message)), (UP, SEND))
    assert bad.role == "raw"
    assert why in bad.problem
    assert [field.name for field in bad.root.fields] == ["length", "compressed", "message", "flush"]
    assert good.texts == ["täglich"]


def test_brine_as_deep_as_is_allowed_is_read() -> None:
    assert read(brine.TAG_TUP1 * MAX_DEPTH + brine.TAG_NONE, 0).end == MAX_DEPTH + 1
    with pytest.raises(Undecodable):
        read(brine.TAG_TUP1 * (MAX_DEPTH + 1) + brine.TAG_NONE, 0)


def test_what_inflates_to_too_much_is_not_inflated_further() -> None:
    message = zlib.compress(bytes(MAX_INFLATED + 1))
    bad, good = decode((UP, HEADER.pack(len(message), 1) + message + b"\n"), (UP, SEND))
    assert bad.problem == f"a message that is cut off, or inflates to more than {MAX_INFLATED} bytes"
    assert good.texts == ["täglich"]


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1\r\n\r\n", HEADER.pack(MAX_FRAME, 0), HEADER.pack(1, 0) + b"xx"]
)
def test_what_is_no_frame_loses_what_is_there_then(data: bytes) -> None:
    lost, more, good, reply = decode((UP, data), (UP, b"more"), (UP, SEND), (DOWN, codec.returned(7, 17)))
    assert (lost.role, more.role, more.problem) == ("raw", "raw", lost.problem)
    assert (good.texts, reply.seqs) == (["täglich"], {17})


@pytest.mark.parametrize("frame", [SEND, OLDER, OLDER_DEFLATED, codec.returned(7, 17), deflated(LOGIN)])
def test_after_a_hole_decoding_goes_on_with_the_next_frame(frame: bytes) -> None:
    for data in (frame, frame[9:] + frame, b"\n\n\n" + frame):
        decoder = make_decoder("tcp")
        assert not decoder.skip(UP, 9)
        frames = decoder.feed(UP, data)
        assert frames[-1].data == frame
        assert not frames[-1].problem
        assert all(one.problem == "9 bytes before it were not kept" for one in frames[:-1])
    decoder.skip(UP, 9)
    (lost,) = decoder.feed(UP, frame[9:-1])
    assert lost.problem


def test_bytes_behind_the_message_are_said() -> None:
    frame, _ = decode((UP, framed(SEND[HEADER.size : -1] + b"more")), (UP, SEND))
    assert frame.problem == "4 bytes are left over"
    assert frame.texts == ["täglich"]


def test_frames_are_the_same_byte_by_byte() -> None:
    data = LOGIN + SEND + deflated(SEND)
    decoder = make_decoder("tcp")
    frames = [frame for byte in data for frame in decoder.feed(UP, bytes([byte]))]
    assert [plain(frame) for frame in frames] == [plain(frame) for frame in decode((UP, data))]
