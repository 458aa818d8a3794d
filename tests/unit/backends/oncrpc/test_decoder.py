"""The decoder of ONC RPC: headers, XDR with its places, fragments, and what must not be shown."""

from __future__ import annotations

import random
import warnings
from struct import pack

import pytest

from backends.oncrpc.codec import (
    LAST,
    MAX_AUTH,
    MAX_FRAGMENTS,
    AcceptStat,
    Denied,
    mark,
    read_call,
    refused,
    succeeded,
    write_call,
)
from backends.oncrpc.decoder import make_decoder
from chat.interfaces.frames import MASK, Direction, Frame
from chat.transport.decoding.open_calls import MAX_CALLS
from chat.transport.decoding.stream import MAX_FRAME
from lab.wire.masking import owner, shown_bytes, walk
from protos.chat_xdr import (
    CHAT_EDIT,
    CHAT_FETCH,
    CHAT_JOIN,
    CHAT_NULL,
    CHAT_PROG,
    CHAT_SEND,
    CHAT_V1,
    PROCEDURES,
    chat_direction,
    chat_event,
    chat_kind,
    chat_place,
    chat_status,
    draft_ok,
    draft_res,
    edit_args,
    fetch_args,
    fetch_ok,
    fetch_res,
    join_args,
    send_args,
)
from protos.xdr import Message
from tests.support.captures import Piece, check_frames, plain
from tests.support.xdr_golden import GOLDEN
from tests.support.xdr_judge import check_value

UP, DOWN = Direction
KEY = "pZ4xq0Jr3cUu8s0m1KXwYQ"
TOKEN = "open sesame"
SEND = send_args(KEY, 3, "täglich")
EVENT = chat_event(chat_kind.CHAT_SENT, 17, 16, 1, "ann", "s", "oncrpc", 3, 17, "täglich")


def called(procedure: int, argument: Message | None, xid: int = 1, access: str = "") -> bytes:
    return write_call(xid, CHAT_PROG, CHAT_V1, procedure, argument, access)


def decode(*messages: tuple[Direction, bytes], transport: str = "udp") -> list[Frame]:
    """Return the frames of whole messages, or of records, after a check of all fields."""
    decoder = make_decoder(transport)  # type: ignore[arg-type]
    frames = [frame for direction, data in messages for frame in decoder.feed(direction, data)]
    frames += [frame for direction in Direction for frame in decoder.end(direction)]
    frames.sort(key=lambda frame: frame.direction)
    check_frames(frames, [Piece(0, transport, direction, data) for direction, data in messages])
    return frames


def fragments(message: bytes, *sizes: int) -> bytes:
    """Return a record in fragments of these sizes, and one with the rest."""
    record = b""
    for size in sizes:
        record += pack(">I", size) + message[:size]
        message = message[size:]
    return record + pack(">I", LAST | len(message)) + message


# --- values ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GOLDEN)
def test_what_c_has_written_is_found_value_by_value(name: str) -> None:
    message, written = GOLDEN[name]
    data = bytes.fromhex(written)
    (number, procedure), *_ = (
        (number, one) for number, one in PROCEDURES.items() if type(message) in (one.argument, one.result)
    )
    call = called(number, None)
    if type(message) is procedure.argument:
        (frame,) = decode((UP, call + data))
    else:
        frame = decode((UP, call), (DOWN, succeeded(1, None) + data))[1]
    assert not frame.problem
    check_value(frame.data, frame.root.fields[-1], message)


def test_the_values_of_a_page_are_where_xdrlib_finds_them() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        xdrlib = pytest.importorskip("xdrlib", reason="Python 3.13 and later have none")
    page = succeeded(1, fetch_res(chat_status.CHAT_OK, fetch_ok([EVENT], 17)))
    frame = decode((UP, called(CHAT_FETCH, None)), (DOWN, page))[1]
    u = xdrlib.Unpacker(page)
    u.set_position(7 * 4 + 4)  # behind the header, the status and the number of events
    expected = [u.unpack_enum(), u.unpack_uhyper(), u.unpack_uhyper(), u.unpack_uhyper()]
    expected += [u.unpack_string().decode() for _ in range(3)]
    expected += [u.unpack_uhyper(), u.unpack_uhyper(), u.unpack_string().decode(), u.unpack_uhyper()]
    u.done()
    fields = {field.name: field.value for field in walk(frame.root) if field.value}
    names = ("kind", "seq", "prev", "at", "author", "seat", "technique", "n", "id", "text", "head")
    assert [fields[name] for name in names] == ["5 (CHAT_SENT)", *map(str, expected[1:])]
    assert expected[0] == 5


def test_a_text_is_the_payload_and_what_is_around_it_is_not() -> None:
    (frame,) = decode((UP, called(CHAT_SEND, SEND)))
    place = frame.data.index("täglich".encode())
    assert owner(frame, place)[-1].span == (place, place + 8)
    assert owner(frame, place)[-1].part == "payload"
    assert owner(frame, place - 1)[-1].part == "framing"  # its length
    (odd,) = decode((UP, called(CHAT_SEND, send_args(KEY, 3, "hello"))))
    assert owner(odd, len(odd.data) - 1)[-1].name == "padding"


def test_the_epoch_of_an_opened_room_is_not_what_a_person_wrote() -> None:
    opened = chat_event(chat_kind.CHAT_OPENED, 1, 0, 1, "", "", "", 0, 0, "an epoch")
    page = succeeded(1, fetch_res(chat_status.CHAT_OK, fetch_ok([opened], 1)))
    frame = decode((UP, called(CHAT_FETCH, None)), (DOWN, page))[1]
    assert frame.texts == []
    assert not any(field.part == "payload" for field in walk(frame.root))


# --- messages ----------------------------------------------------------------------------------


def test_a_draft_and_its_answer() -> None:
    ok = draft_res(chat_status.CHAT_OK, draft_ok(3, 17))
    call, reply = decode((UP, called(CHAT_SEND, SEND, 7)), (DOWN, succeeded(7, ok)))
    assert (call.kind, reply.kind) == ("CALL", "REPLY")
    assert call.stream == reply.stream == "xid 00000007"
    assert (call.answer, reply.answer) == (False, True)
    assert call.drafts == reply.drafts == {3}
    assert (call.texts, reply.seqs) == (["täglich"], {17})
    assert call.call is not None
    assert reply.call is not None
    assert [(one.name, one.value) for one in call.call.fields] == [
        ("seat_key", MASK),
        ("n", "3"),
        ("text", "täglich"),
    ]
    assert call.summary == f"SEND seat_key={MASK} n=3 text=täglich"
    assert reply.summary == "SEND 0 (CHAT_OK) n=3 seq=17"


def test_where_the_server_counts_the_call_learns_its_number_from_the_reply() -> None:
    ok = draft_res(chat_status.CHAT_OK, draft_ok(4, 17))
    call, _ = decode((UP, called(CHAT_SEND, send_args(KEY, 0, "hi"))), (DOWN, succeeded(1, ok)))
    assert call.drafts == {4}


def test_a_poll_that_brings_events_is_a_message() -> None:
    after = chat_place(chat_direction.CHAT_AFTER, 16)
    ask = (UP, called(CHAT_FETCH, fetch_args(KEY, after, 200, 20000)))
    page = fetch_res(chat_status.CHAT_OK, fetch_ok([EVENT], 17))
    call, reply = decode(ask, (DOWN, succeeded(1, page)))
    assert (call.role, reply.role) == ("poll", "message")
    assert (reply.seqs, reply.texts) == ({17}, ["täglich"])
    _, empty = decode(ask, (DOWN, succeeded(1, fetch_res(chat_status.CHAT_OK, fetch_ok([], 16)))))
    assert empty.role == "poll"


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (refused(1, AcceptStat.PROG_UNAVAIL), "PROG_UNAVAIL"),
        (refused(1, AcceptStat.PROG_MISMATCH, 2, 3), "PROG_MISMATCH, the versions are 2 to 3"),
        (refused(1, AcceptStat.GARBAGE_ARGS), "GARBAGE_ARGS"),
        (pack(">6I", 1, 1, 0, 0, 0, 77), "accept_stat 77"),
        (pack(">6I", 1, 1, 1, 0, 2, 2), "RPC_MISMATCH, the versions are 2 to 2"),
        (pack(">5I", 1, 1, 1, 1, 5), "AUTH_ERROR, AUTH_TOOWEAK"),
        (pack(">5I", 1, 1, 1, 1, 99), "AUTH_ERROR, auth_stat 99"),
    ],
)
def test_why_a_call_was_not_carried_out(reply: bytes, said: str) -> None:
    _, frame = decode((UP, called(CHAT_SEND, SEND)), (DOWN, reply))
    assert frame.summary == f"SEND {said}"
    assert not frame.problem


def test_a_version_of_rpc_that_nobody_speaks_and_its_denial() -> None:
    call = pack(">10I", 9, 0, 3, CHAT_PROG, 1, 3, 0, 0, 0, 0)
    with pytest.raises(Denied) as denied:
        read_call(call)
    frame, reply = decode((UP, call), (DOWN, denied.value.reply))
    assert "version 3 of RPC" in frame.problem
    assert "RPC_MISMATCH" in reply.summary


def test_another_program_is_shown_without_its_types() -> None:
    call = pack(">10I", 5, 0, 2, 100000, 2, 3, 0, 0, 0, 0) + b"\0\0\0\7portmap\0"
    frame, reply = decode((UP, call), (DOWN, succeeded(5, None) + b"\0\0\0\x6f"))
    assert frame.summary == "program 100000 version 2 procedure 3 arguments=of an unknown procedure"
    assert not frame.problem
    assert not reply.problem
    assert b"portmap" in shown_bytes(frame)


def test_null_is_control() -> None:
    call, reply = decode((UP, called(CHAT_NULL, None)), (DOWN, succeeded(1, None)))
    assert (call.role, reply.role, reply.summary) == ("control", "control", "NULL SUCCESS")


def test_a_status_that_is_new_has_the_default_arm() -> None:
    error = pack(">iI", 99, 4) + b"new." + pack(">QI", 3, 0)
    _, frame = decode((UP, called(CHAT_SEND, SEND)), (DOWN, succeeded(1, None) + error))
    assert not frame.problem
    assert frame.summary == "SEND 99 (unknown) text=new. n=3 retry_after_ms=0"


# --- secrets -----------------------------------------------------------------------------------


def test_the_token_in_the_credentials_is_masked() -> None:
    (frame,) = decode((UP, called(CHAT_SEND, SEND, access=TOKEN)))
    names = {field.name: field for field in walk(frame.root)}
    assert (names["flavor"].value, names["machinename"].value) == ("0 (AUTH_NONE)", MASK)
    assert names["gids"].value == "0 elements"
    for secret in (TOKEN, KEY):
        assert secret.encode() not in shown_bytes(frame)
        assert secret.encode() in shown_bytes(frame, secrets=True)


@pytest.mark.parametrize("flavor", [1, 2, 3, 6, 77])
def test_credentials_that_are_not_understood_are_masked(flavor: int) -> None:
    call = called(CHAT_SEND, None)
    body = b"a token with any form, 32 bytes."
    data = call[:24] + pack(">II", flavor, len(body)) + body + call[32:] + SEND.encode()
    (frame,) = decode((UP, data))
    assert body[4:] not in shown_bytes(frame)
    assert frame.texts == ["täglich"]


def test_arguments_that_do_not_fit_are_masked_from_where_they_do_not() -> None:
    whole = called(CHAT_EDIT, edit_args(KEY, 3, 17, "hi"))
    for cut in range(40, len(whole), 4):
        (frame,) = decode((UP, whole[:cut]))
        assert frame.problem.startswith("arguments: cut off")
        assert frame.stream == "xid 00000001"
        assert KEY[:8].encode() not in shown_bytes(frame)
    (frame,) = decode((UP, whole + b"more"))
    assert frame.problem == "arguments: 4 bytes are left over"


def test_a_reply_to_an_unknown_call_is_masked() -> None:
    (frame,) = decode((DOWN, succeeded(1, None) + KEY.encode()))
    assert KEY.encode() not in shown_bytes(frame)
    assert frame.summary.startswith("unknown call SUCCESS")


def test_secrets_that_were_read_are_masked_where_nothing_can_be_read() -> None:
    decoder = make_decoder("tcp")
    decoder.feed(UP, mark(called(CHAT_JOIN, join_args("lab", "ann", TOKEN, KEY, None))))
    (record,) = decoder.feed(UP, mark(b"no message of RPC, " + KEY.encode() + b", at all"))
    assert record.problem
    (after,) = decoder.feed(UP, mark(called(CHAT_SEND, SEND)))
    assert after.texts == ["täglich"]  # only that record was lost
    decoder.feed(UP, b"\0\0")
    (left,) = decoder.skip(UP, 10)
    (lost,) = decoder.feed(UP, KEY[5:].encode() + b" and " + TOKEN.encode() + b" and " + KEY[:6].encode())
    assert left.data == b"\0\0"
    for frame in (record, lost):
        assert frame.role == "raw"
        shown = shown_bytes(frame)
        for secret in (KEY[5:], TOKEN, KEY[:6]):
            assert secret.encode() not in shown
    assert b" and " in shown_bytes(lost)


def test_a_first_call_that_is_cut_off_is_masked() -> None:
    record = mark(called(CHAT_JOIN, join_args("lab", "ann", TOKEN, "", None)))
    (frame,) = decode((UP, record[:-6]), transport="tcp")
    assert frame.problem == "cut off by the end of the connection"
    assert TOKEN.encode() not in shown_bytes(frame)


# --- records -----------------------------------------------------------------------------------


def test_fragments_anywhere_give_the_same_values() -> None:
    ok = succeeded(1, fetch_res(chat_status.CHAT_OK, fetch_ok([EVENT, EVENT], 17)))
    messages = [(UP, called(CHAT_EDIT, edit_args(KEY, 3, 17, "text"), 2, TOKEN)), (DOWN, ok)]
    whole = decode(
        (UP, mark(called(CHAT_FETCH, None))), *((d, mark(one)) for d, one in messages), transport="tcp"
    )
    rng = random.Random(1)
    for _ in range(300):
        cut = [
            (d, fragments(one, *(rng.choice((0, 1, 3, 4, 8, 30)) for _ in range(rng.randint(1, 6)))))
            for d, one in messages
        ]
        frames = decode((UP, mark(called(CHAT_FETCH, None))), *cut, transport="tcp")
        for frame, same in zip(frames, whole, strict=True):
            assert (frame.summary, frame.call, frame.problem) == (same.summary, same.call, same.problem)
            assert TOKEN.encode() not in shown_bytes(frame)
            kept = b"".join(  # what belongs to a value, without the marks in it
                frame.data[place : place + 1]
                for place in range(len(frame.data))
                if owner(frame, place)[-1].part == "payload"
            )
            assert kept == "".join(frame.texts).encode()


def test_an_empty_first_fragment() -> None:
    message = called(CHAT_SEND, SEND)
    (frame,) = decode((UP, fragments(message, 0, 10)), transport="tcp")
    marks = [field for field in walk(frame.root) if field.name == "record mark"]
    assert [one.value for one in marks] == [
        "a fragment, 0 bytes",
        "a fragment, 10 bytes",
        f"the last fragment, {len(message) - 10} bytes",
    ]
    assert marks[1].span == (4, 8)
    assert frame.texts == ["täglich"]


@pytest.mark.parametrize(
    "record", [mark(b""), mark(b"\0" * 8), mark(pack(">3I", 1, 2, 0)), mark(pack(">3I", 1, 0, 2))]
)
def test_a_record_that_is_no_message_loses_only_itself(record: bytes) -> None:
    bad, good = decode((UP, record), (UP, mark(called(CHAT_SEND, SEND))), transport="tcp")
    assert bad.problem.startswith("no message of RPC")
    assert good.texts == ["täglich"]


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        pack(">I", LAST | (MAX_FRAME + 1)),
        pack(">I", 0) * MAX_FRAGMENTS,
        pack(">I", 1).ljust(5, b"x") * MAX_FRAGMENTS,
    ],
)
def test_a_length_that_is_absurd_loses_the_direction(data: bytes) -> None:
    frames = decode(
        (UP, data), (UP, mark(called(CHAT_SEND, SEND))), (DOWN, mark(succeeded(1, None))), transport="tcp"
    )
    assert frames[0].role == "raw"
    assert "of more than" in frames[0].problem
    assert all(frame.role == "raw" for frame in frames if frame.direction is UP)
    assert frames[-1].summary.startswith("unknown call")


def test_lengths_above_the_bounds_of_the_interface() -> None:
    long = called(CHAT_SEND, None) + pack(">I", 65) + b"x" * 68
    many = succeeded(1, None) + pack(">iI", 0, 201)
    bad, _, none = decode((UP, long), (UP, called(CHAT_FETCH, None)), (DOWN, many))
    assert bad.problem == "arguments: a length of 65 bytes, and 64 are allowed"
    assert none.problem == "results: 201 elements, and 200 are allowed"
    (auth,) = decode((UP, called(CHAT_SEND, None)[:24] + pack(">II", 2, MAX_AUTH + 1)))
    assert auth.role == "raw"
    assert f"{MAX_AUTH} are allowed" in auth.problem


def test_calls_without_an_answer_are_forgotten_in_the_end() -> None:
    decoder = make_decoder("udp")
    for xid in range(MAX_CALLS + 1):
        decoder.feed(UP, called(CHAT_SEND, SEND, xid))
    (first,) = decoder.feed(DOWN, succeeded(0, None))
    (second,) = decoder.feed(DOWN, refused(1, AcceptStat.SYSTEM_ERR))
    assert first.summary.startswith("unknown call")
    assert second.summary == "SEND SYSTEM_ERR"


def test_a_record_is_the_same_byte_by_byte() -> None:
    record = fragments(called(CHAT_SEND, SEND), 0, 7, 20)
    decoder = make_decoder("tcp")
    frames = [frame for byte in record for frame in decoder.feed(UP, bytes([byte]))]
    assert [plain(frame) for frame in frames] == [
        plain(frame) for frame in decode((UP, record), transport="tcp")
    ]
