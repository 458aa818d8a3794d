"""ONC RPC without a socket: records in whatever pieces they come, headers, the chat's words, the cache."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, cast, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.oncrpc import datagrams
from backends.oncrpc.codec import (
    MAX_FRAGMENTS,
    AcceptStat,
    BadRecord,
    Call,
    Denied,
    RecordReader,
    Refused,
    mark,
    read_call,
    read_reply,
    refused,
    succeeded,
    write_call,
    xid_of,
)
from backends.oncrpc.conversion import (
    LIMITS,
    STATUS,
    error_from,
    error_to,
    event_from,
    event_to,
    hello_from,
    hello_to,
    welcome_from,
    welcome_to,
)
from backends.oncrpc.datagrams import ReplyCache
from backends.oncrpc.sending import CalledSay, beginning_of, draft_reply, say_again, sent_args
from chat.domain.errors import ERRORS, AccessDenied, BadName, BadText, ChatError, StaleCursor, TooFast
from chat.domain.model import MAX_NUMBER, Ack, Cursor, Event, Hello, Kind, Limits, Member, Welcome
from chat.interfaces.server import Seat
from protos.chat_xdr import (
    CHAT_DELETE,
    CHAT_EDIT,
    CHAT_FETCH,
    CHAT_JOIN,
    CHAT_LEAVE,
    CHAT_MAX_REASON,
    CHAT_MEMBERS,
    CHAT_NULL,
    CHAT_PROG,
    CHAT_SEND,
    CHAT_V1,
    chat_error,
    chat_status,
    draft_ok,
    draft_res,
    leave_args,
    leave_res,
    send_args,
)
from protos.xdr import Packer, XdrError

# --- records ---------------------------------------------------------------------------------------

LIMIT = 24
RECORDS = st.lists(st.lists(st.binary(max_size=12), min_size=1, max_size=2), max_size=6)


def stream(records: list[list[bytes]]) -> bytes:
    """Return records, each in its fragments, as they stand on the stream."""
    return b"".join(
        (len(piece) | (0x80000000 if last else 0)).to_bytes(4, "big") + piece
        for fragments in records
        for last, piece in zip([False] * (len(fragments) - 1) + [True], fragments, strict=True)
    )


@given(RECORDS, st.data())
def test_any_slicing_gives_the_same_records(records: list[list[bytes]], data: st.DataObject) -> None:
    sent = stream(records)
    cuts = data.draw(st.lists(st.integers(0, len(sent))).map(sorted))
    reader = RecordReader(LIMIT)
    got = [record for a, b in pairwise([0, *cuts, len(sent)]) for record in reader.feed(sent[a:b])]
    assert got == [b"".join(fragments) for fragments in records]
    assert not reader.partial


@given(st.binary(max_size=60), st.lists(st.integers(0, 60)))
def test_any_bytes_are_records_or_bad_however_they_come(sent: bytes, cuts: list[int]) -> None:
    def read(pieces: list[bytes]) -> tuple[list[bytes], bool]:
        reader, got = RecordReader(LIMIT), []
        try:
            for piece in pieces:
                for record in reader.feed(piece):
                    got.append(record)
        except BadRecord:
            return got, True
        return got, False

    places = [0, *sorted(min(cut, len(sent)) for cut in cuts), len(sent)]
    assert read([sent]) == read([sent[a:b] for a, b in pairwise(places)])


def test_a_record_of_just_the_limit_passes_and_one_byte_more_does_not() -> None:
    assert list(RecordReader(LIMIT).feed(mark(bytes(LIMIT)))) == [bytes(LIMIT)]
    with pytest.raises(BadRecord, match="24 bytes"):
        list(RecordReader(LIMIT).feed(mark(bytes(LIMIT + 1))[:4]))


def test_fragments_are_counted_for_each_record() -> None:
    reader = RecordReader()
    record = (MAX_FRAGMENTS - 1) * b"\0\0\0\1x" + b"\x80\0\0\1x"
    for _ in range(2):
        assert list(reader.feed(record)) == [MAX_FRAGMENTS * b"x"]
    with pytest.raises(BadRecord, match="1024 fragments"):
        list(reader.feed((MAX_FRAGMENTS + 1) * b"\0\0\0\1x"))


@pytest.mark.parametrize("place", [0, 1, 2])
def test_any_fragment_may_be_empty(place: int) -> None:
    """RFC 5531, section 11: a fragment has from 0 to 2^31-1 bytes."""
    fragments = [b"x", b"y"]
    fragments.insert(place, b"")
    assert list(RecordReader().feed(stream([fragments]))) == [b"xy"]


# --- headers ---------------------------------------------------------------------------------------


def test_a_call_is_read_as_it_was_written() -> None:
    record = write_call(7, 600000001, 1, CHAT_LEAVE, leave_args("key"))
    assert read_call(record) == Call(7, 600000001, 1, CHAT_LEAVE, leave_args("key").encode(), record)
    record = write_call(8, 5, 6, 0, None)
    assert read_call(record) == Call(8, 5, 6, 0, b"", record)


WORD = st.sampled_from([0, 1, 2, 3, 4, 8, 400, 404, 2**32 - 1]).map(lambda number: number.to_bytes(4, "big"))


@given(st.lists(WORD, max_size=20).map(b"".join) | st.binary(max_size=80))
def test_any_bytes_are_a_call_or_refused(record: bytes) -> None:
    try:
        answered = read_call(record).xid
    except BadRecord:
        return
    except Denied as denied:
        answered = xid_of(denied.reply)
    assert answered == int.from_bytes(record[:4], "big")


def test_a_result_is_read_as_it_was_written() -> None:
    result = leave_res(chat_status.CHAT_CLOSING, chat_error("down", 0, 0))
    reply = succeeded(7, result)
    assert xid_of(reply) == 7
    u = read_reply(reply)
    assert leave_res.unpack(u) == result
    u.done()


def test_the_answer_to_a_draft_is_what_the_contract_says() -> None:
    result = draft_res(chat_status.CHAT_OK, draft_ok(2**53 - 1, 3))
    assert draft_reply(2**32 - 1, 0, Ack(2**53 - 1, 3)) == succeeded(2**32 - 1, result)


TEXT = st.text(max_size=9) | st.sampled_from([4000 * "x", 4001 * "x"])
DRAFTS = st.builds(send_args, st.text(max_size=70), st.integers(0, 2**64 - 1), TEXT)


@given(DRAFTS, st.integers(0, 200), st.integers(0, 255))
def test_a_send_is_read_in_the_short_way_as_in_the_long_one(args: send_args, place: int, byte: int) -> None:
    data = Packer()
    data.string(args.seat_key, 1000)
    data.uint64(args.n)
    data.string(args.text, 5000)
    whole = bytes(data.data)
    changed = whole[:place] + bytes([byte]) + whole[place + 1 :]
    cuts = (*range(100), *range(len(whole) - 9, len(whole)))
    for sent in (whole, changed, whole + bytes(4), *(whole[:cut] for cut in cuts)):
        try:
            expected = send_args.decode(sent)
        except XdrError:
            expected = None
        assert sent_args(sent) == expected


BEFORE = read_call(write_call(7, CHAT_PROG, CHAT_V1, CHAT_SEND, send_args("key", 1, "first"), "token"))


@given(TEXT, st.integers(0, 2**64 - 1), st.integers(0, 200), st.integers(0, 255))
def test_a_send_that_begins_like_another_is_read_as_that_was(
    text: str, n: int, place: int, byte: int
) -> None:
    before = beginning_of(BEFORE, cast(Seat, None))
    data = Packer()
    data.uint64(n)
    data.string(text, 5000)
    whole = (9).to_bytes(4, "big") + before.head + bytes(data.data)
    changed = whole[:place] + bytes([byte]) + whole[place + 1 :]
    for sent in (whole, changed, whole + bytes(4), *(whole[:-cut] for cut in range(1, len(whole), 3))):
        draft = say_again(sent, before)
        try:
            call = read_call(sent)
            expected = send_args.decode(call.arguments)
        except (BadRecord, Denied, XdrError):
            assert draft is None
            continue
        if sent[4:].startswith(before.head) and expected.n <= MAX_NUMBER:
            assert draft == CalledSay(expected.text, expected.n, call.xid)
        else:
            assert draft is None


REFUSALS: dict[str, tuple[bytes, str]] = {
    "another version": (refused(7, AcceptStat.PROG_MISMATCH, 2, 3), "has versions 2 to 3"),
    "garbage": (refused(7, AcceptStat.GARBAGE_ARGS), "GARBAGE_ARGS"),
    "another RPC": (bytes.fromhex("00000007 00000001 00000001 00000000 00000002 00000004"), "RPC 2 to 4"),
    "an error of auth": (bytes.fromhex("00000007 00000001 00000001 00000001 00000005"), "auth_stat 5"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_says_why(name: str) -> None:
    reply, reason = REFUSALS[name]
    assert xid_of(reply) == 7
    with pytest.raises(Refused, match=reason):
        read_reply(reply)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_reply_or_refused(record: bytes) -> None:
    try:
        xid_of(record)
        read_reply(record)
    except (BadRecord, Refused, XdrError):
        pass


# --- the chat's words ------------------------------------------------------------------------------


def test_every_error_has_a_status_and_comes_back() -> None:
    assert set(STATUS) == set(ERRORS) - {"connection_lost"}
    assert set(STATUS.values()) == set(chat_status) - {chat_status.CHAT_OK}
    for code, status in STATUS.items():
        sent, value = error_to(ERRORS[code]("why", n=7, retry_after=1.5))
        assert sent is status
        error = error_from(sent, value)
        assert type(error) is ERRORS[code]
        assert (str(error), error.n, error.retry_after) == ("why", 7, 1.5)


def test_what_an_error_does_not_know_is_0_on_the_wire_and_nothing_again() -> None:
    status, value = error_to(TooFast("why"), n=3)
    assert (value.n, value.retry_after_ms) == (3, 0)
    assert error_from(status, value).retry_after is None
    assert error_to(TooFast("soon", retry_after=0.0001))[1].retry_after_ms == 1
    assert error_to(TooFast("one day", retry_after=1e9))[1].retry_after_ms == 2**32 - 1


def test_an_error_that_has_no_status_is_an_error() -> None:
    class Strange(ChatError):
        code = "strange"

    assert error_to(Strange("?"))[0] is chat_status.CHAT_ERROR
    assert "CHAT_FULL" in str(error_from(chat_status.CHAT_FULL, None))


@given(st.text(max_size=700))
def test_a_reason_is_shortened_to_what_the_contract_allows(text: str) -> None:
    _, value = error_to(ChatError(text))
    assert len(value.encode()) <= 4 + CHAT_MAX_REASON + 12
    if len(text.encode(errors="replace")) <= CHAT_MAX_REASON:
        assert value.text == text.encode(errors="replace").decode()


def test_a_reason_of_a_hostile_server_can_do_nothing() -> None:
    assert str(error_from(chat_status.CHAT_FULL, chat_error("\x1b[2J", 0, 0))) == "\\u001b[2J"


@pytest.mark.parametrize("kind", get_args(Kind))
def test_an_event_of_every_kind_comes_back(kind: Any) -> None:
    event = Event(kind, 5, 3, 1795393822791, "ann", "seat", "tcp", 2, 4, "text")
    assert event_from(event_to(event)) == event


@pytest.mark.parametrize("cursor", [None, Cursor(0), Cursor(17, "epoch")])
def test_a_hello_comes_back(cursor: Cursor | None) -> None:
    hello = Hello("lab", "ann", cursor, "token", "key")
    assert hello_from(hello_to(hello)) == hello


def test_a_welcome_comes_back() -> None:
    limits = Limits(*range(1, len(Limits.__struct_fields__) + 1))
    members = (Member("s", "ann", "tcp"),)
    welcome = Welcome("lab", "ann", "s", "key", "epoch", 1, 9, 3, members, limits)
    ok = welcome_to(welcome, 4)
    assert ok.start == 4
    assert welcome_from(ok, members) == welcome


TOO_LONG: dict[str, tuple[Hello, type[ChatError]]] = {
    "a room": (Hello("x" * 33, "ann"), BadName),
    "a nick": (Hello("lab", "x" * 97), BadName),
    "a nick with a surrogate": (Hello("lab", "\ud800"), BadName),
    "a token": (Hello("lab", "ann", access="x" * 257), AccessDenied),
    "an epoch": (Hello("lab", "ann", Cursor(1, "x" * 65)), StaleCursor),
}


@pytest.mark.parametrize("name", TOO_LONG)
def test_what_the_contract_has_no_place_for_is_refused_as_the_server_would(name: str) -> None:
    hello, refusal = TOO_LONG[name]
    with pytest.raises(refusal):
        hello_to(hello)


def test_a_key_that_is_too_long_opens_nothing() -> None:
    assert hello_to(Hello("lab", "ann", seat_key="x" * 65)).seat_key == ""


def test_what_is_too_long_only_until_it_is_composed_is_sent_composed() -> None:
    assert LIMITS.check_text("e\u0301" * 2000) == "\u00e9" * 2000
    assert LIMITS.check_text("e\u0301") == "e\u0301"
    for text in ("x" * 4001, "\ud800"):
        with pytest.raises(BadText):
            LIMITS.check_text(text)


# --- the cache of answers --------------------------------------------------------------------------


def key(number: int, procedure: int = CHAT_SEND, arguments: bytes = b"") -> datagrams.Key:
    return (("127.0.0.1", 5000), number, procedure, arguments, "")


def test_a_call_is_begun_once_and_its_answer_kept() -> None:
    cache = ReplyCache()
    assert cache.begin(key(1))
    assert not cache.begin(key(1))
    assert cache.reply(key(1)) is None
    cache.end(key(1), b"answer")
    assert cache.reply(key(1)) == b"answer"
    assert cache.reply(key(2)) is None


@pytest.mark.parametrize("procedure", [CHAT_JOIN, CHAT_LEAVE, CHAT_SEND, CHAT_EDIT, CHAT_DELETE])
def test_what_changes_something_is_remembered(procedure: int) -> None:
    cache = ReplyCache()
    cache.begin(key(1, procedure))
    cache.end(key(1, procedure), b"answer")
    assert cache.reply(key(1, procedure)) == b"answer"


@pytest.mark.parametrize("procedure", [CHAT_NULL, CHAT_FETCH, CHAT_MEMBERS])
def test_what_changes_nothing_is_done_again(procedure: int) -> None:
    cache = ReplyCache()
    cache.begin(key(1, procedure))
    cache.end(key(1, procedure), b"answer")
    assert cache.reply(key(1, procedure)) is None
    assert cache.begin(key(1, procedure))


def test_the_oldest_answers_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datagrams, "CACHE_ENTRIES", 3)
    cache = ReplyCache()
    for number in range(5):
        cache.begin(key(number))
        cache.end(key(number), b"answer")
    assert [cache.reply(key(number)) for number in range(5)] == [None, None, b"answer", b"answer", b"answer"]


def test_so_are_those_that_are_too_large_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datagrams, "CACHE_BYTES", 1000)
    cache = ReplyCache()
    for number in range(5):
        cache.begin(key(number, arguments=bytes(100)))
        cache.end(key(number, arguments=bytes(100)), bytes(200))
    assert len(cache) == 3
    assert cache.reply(key(4, arguments=bytes(100))) == bytes(200)
    assert cache._bytes == 900
