"""The decoder of ONC RPC: records in fragments, bounds, and what must not be shown."""

from __future__ import annotations

import random
from struct import pack

import pytest

from backends.oncrpc.codec import (
    LAST,
    MAX_AUTH,
    MAX_FRAGMENTS,
    AcceptStat,
    mark,
    refused,
    succeeded,
)
from backends.oncrpc.decoder import make_decoder
from chat.interfaces.frames import MASK
from chat.transport.decoding.open_calls import MAX_CALLS
from chat.transport.decoding.stream import MAX_FRAME
from lab.wire.masking import owner, shown_bytes, walk
from protos.chat_xdr import (
    CHAT_EDIT,
    CHAT_FETCH,
    CHAT_JOIN,
    CHAT_SEND,
    chat_status,
    draft_ok,
    draft_res,
    edit_args,
    fetch_ok,
    fetch_res,
    join_args,
)
from tests.support.captures import plain
from tests.support.oncrpc_wire import DOWN, EVENT, KEY, SEND, TOKEN, UP, called, decode, fragments

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


def test_what_is_left_of_a_first_call_is_masked() -> None:
    decoder = make_decoder("tcp")
    assert not decoder.skip(UP, 40)
    (lost,) = decoder.feed(UP, mark(called(CHAT_JOIN, join_args("lab", "ann", TOKEN, KEY, None)))[40:])
    assert TOKEN.encode() in lost.data
    assert TOKEN.encode() not in shown_bytes(lost)


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
def test_a_length_that_is_absurd_loses_what_is_there_then(data: bytes) -> None:
    sent = [(UP, data + b"more"), (UP, b"\0\0\0\0"), (UP, mark(called(CHAT_SEND, SEND)))]
    lost, more, good = decode(*sent, transport="tcp")
    assert "of more than" in lost.problem
    assert (lost.role, more.role, more.problem) == ("raw", "raw", lost.problem)
    assert good.texts == ["täglich"]


def test_after_a_hole_decoding_goes_on_with_the_next_record() -> None:
    decoder = make_decoder("tcp")
    send = mark(called(CHAT_SEND, SEND, 8))
    ok = mark(succeeded(8, draft_res(chat_status.CHAT_OK, draft_ok(3, 17))))
    other = mark(succeeded(9, None))
    for direction, record in ((UP, send), (DOWN, ok)):
        assert not decoder.skip(direction, 30)
        for data in (record[30:] + other + record, record):
            frames = decoder.feed(direction, data)
            assert frames[-1].data == record
            assert not frames[-1].problem
    assert frames[-1].seqs == {17}
    decoder.skip(DOWN, 4)
    (lost,) = decoder.feed(DOWN, other)  # nobody has called with this xid: it may be anything
    assert lost.role == "raw"


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
