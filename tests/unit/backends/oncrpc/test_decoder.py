"""The decoder of ONC RPC: headers, XDR with its places, calls and replies."""

from __future__ import annotations

import warnings
from struct import pack

import pytest

from backends.oncrpc.codec import (
    AcceptStat,
    Denied,
    read_call,
    refused,
    succeeded,
)
from chat.interfaces.frames import MASK
from lab.wire.masking import owner, shown_bytes, walk
from protos.chat_xdr import (
    CHAT_FETCH,
    CHAT_NULL,
    CHAT_PROG,
    CHAT_SEND,
    PROCEDURES,
    chat_direction,
    chat_event,
    chat_kind,
    chat_place,
    chat_status,
    draft_ok,
    draft_res,
    fetch_args,
    fetch_ok,
    fetch_res,
    send_args,
)
from tests.support.oncrpc_wire import DOWN, EVENT, KEY, SEND, UP, called, decode
from tests.support.xdr_golden import GOLDEN
from tests.support.xdr_judge import check_value

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
