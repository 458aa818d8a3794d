"""Bad input for ONC RPC: a reply wherever there is an xid and a whole header, else the connection ends.

Every scenario runs beside a bystander, who must see nothing but whole events in one chain and must be able to
talk afterwards; the server's memory stays bounded, and nothing is logged unless the server itself fails.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import socket
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

import backends.oncrpc.server
from backends.oncrpc.codec import MAX_CALL, MAX_FRAGMENTS
from backends.oncrpc.server import MAX_OUTSTANDING, MAX_SEATLESS, Connection, OncRpcServer
from chat.domain.model import Limits, Member
from chat.interfaces.address import Address
from chat.server.hub import Hub
from chat.server.seat import HubSeat
from protos.chat_xdr import (
    CHAT_DELETE,
    CHAT_EDIT,
    CHAT_FETCH,
    CHAT_JOIN,
    CHAT_LEAVE,
    CHAT_MEMBERS,
    CHAT_NULL,
    CHAT_PROG,
    CHAT_SEND,
    PROCEDURES,
    chat_cursor,
    chat_error,
    chat_status,
    delete_args,
    draft_ok,
    draft_res,
    edit_args,
    fetch_ok,
    fetch_res,
    join_args,
    leave_args,
    members_args,
    members_res,
    send_args,
)
from protos.xdr import Message
from tests.support.oncrpc_peer import (
    SUCCESS,
    StreamPeer,
    after,
    connection_of,
    header,
    marked,
    opaque,
    words,
)
from tests.support.stage import Disk, running

MEMORY = 8 * 1024 * 1024
"""Bytes that a scenario may cost at its peak, both sides together: less than what is thrown at the server."""


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
async def hub(disk: Disk) -> AsyncIterator[Hub]:
    async with running(disk, limits=Limits(burst=0)) as hub:
        yield hub


@pytest.fixture
async def server(hub: Hub) -> AsyncIterator[OncRpcServer]:
    server = OncRpcServer(hub, Address("127.0.0.1", 0))
    server.address = await server.start()
    yield server
    await server.stop()


@pytest.fixture
def address(server: OncRpcServer) -> Address:
    return server.address


@pytest.fixture
async def peer(address: Address) -> AsyncIterator[StreamPeer]:
    """Who misbehaves."""
    async with await StreamPeer.open(address) as peer:
        yield peer


@pytest.fixture(autouse=True)
async def bystander(address: Address) -> AsyncIterator[StreamPeer]:
    """Somebody in the room, who checks after the test that nothing has happened to it."""
    async with await StreamPeer.open(address) as bystander:
        await bystander.join("bystander")
        yield bystander
        assert isinstance((await bystander.say("all quiet")).value, draft_ok)
        events = await bystander.fetch(0)
        while more := await bystander.fetch(events[-1].seq):
            events += more
        assert [event.prev for event in events] == [0, *(event.seq for event in events[:-1])]
        assert events[-1].text == "all quiet"


@pytest.fixture(autouse=True)
def nothing_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.INFO)
    yield
    assert caplog.messages == []


@pytest.fixture
def bounded_memory() -> Iterator[None]:
    tracemalloc.start()
    yield
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MEMORY


# --- calls that are answered with what is wrong ----------------------------------------------------

PROG_UNAVAIL = words(1, 0, 0, 0, 1)
PROG_MISMATCH = words(1, 0, 0, 0, 2, 1, 1)
PROC_UNAVAIL = words(1, 0, 0, 0, 3)
GARBAGE_ARGS = words(1, 0, 0, 0, 4)
SYSTEM_ERR = words(1, 0, 0, 0, 5)
RPC_MISMATCH = words(1, 1, 0, 2, 2)
BADCRED = words(1, 1, 1, 1)
REJECTEDCRED = words(1, 1, 1, 2)

KEY = opaque(b"key")
AUTH_SYS = words(1) + opaque(b"host") + words(1000, 1000, 2, 4, 24)


def sys(credential: bytes) -> dict[str, Any]:
    return {"flavor": 1, "credential": credential}


ANSWERED: dict[str, tuple[int, bytes, dict[str, Any], bytes]] = {
    "an unknown program": (CHAT_NULL, b"", {"program": 100003}, PROG_UNAVAIL),
    "version 0": (CHAT_NULL, b"", {"version": 0}, PROG_MISMATCH),
    "version 9": (CHAT_NULL, b"", {"version": 9}, PROG_MISMATCH),
    "an unknown procedure": (99, b"", {}, PROC_UNAVAIL),
    "an unknown procedure with garbage": (99, b"garbage", {}, PROC_UNAVAIL),
    "a length of -1": (CHAT_LEAVE, words(0xFFFFFFFF), {}, GARBAGE_ARGS),
    "a text over its bound": (CHAT_SEND, KEY + words(0, 1) + opaque(4001 * b"x"), {}, GARBAGE_ARGS),
    "a list over its bound": (CHAT_LEAVE, words(65) + 68 * b"k", {}, GARBAGE_ARGS),
    "arguments that are cut off": (CHAT_SEND, KEY + words(0), {}, GARBAGE_ARGS),
    "no arguments": (CHAT_SEND, b"", {}, GARBAGE_ARGS),
    "no padding": (CHAT_LEAVE, words(3) + b"key", {}, GARBAGE_ARGS),
    "padding that is not zero": (CHAT_LEAVE, words(3) + b"key!", {}, GARBAGE_ARGS),
    "something left over": (CHAT_LEAVE, KEY + words(0), {}, GARBAGE_ARGS),
    "arguments where none belong": (CHAT_NULL, words(0), {}, GARBAGE_ARGS),
    "not UTF-8": (CHAT_SEND, KEY + words(0, 1) + opaque(b"\xc3("), {}, GARBAGE_ARGS),
    "a surrogate": (CHAT_SEND, KEY + words(0, 1) + opaque(b"\xed\xa0\x80"), {}, GARBAGE_ARGS),
    "an enum without that value": (CHAT_FETCH, KEY + words(9, 0, 0, 1, 0), {}, GARBAGE_ARGS),
    "a bool that is 2": (CHAT_JOIN, 4 * opaque(b"") + words(2, 0, 0, 0), {}, GARBAGE_ARGS),
    "RPC version 3": (CHAT_NULL, b"", {"rpc_version": 3}, RPC_MISMATCH),
    "AUTH_SYS": (CHAT_NULL, b"", sys(AUTH_SYS), SUCCESS),
    "AUTH_SYS that is garbled": (CHAT_NULL, b"", sys(AUTH_SYS[:-2]), BADCRED),
    "AUTH_SYS with something left over": (CHAT_NULL, b"", sys(AUTH_SYS + words(0)), BADCRED),
    "AUTH_SYS with 17 groups": (CHAT_NULL, b"", sys(AUTH_SYS[:-12] + words(17) + 17 * words(5)), BADCRED),
    "an unknown flavor": (CHAT_NULL, b"", {"flavor": 5}, REJECTEDCRED),
    "RPCSEC_GSS": (CHAT_NULL, b"", {"flavor": 6, "credential": bytes(20)}, REJECTEDCRED),
}


@pytest.mark.parametrize("name", ANSWERED)
async def test_a_call_with_a_whole_header_is_answered_with_what_is_wrong(peer: StreamPeer, name: str) -> None:
    procedure, arguments, other, answer = ANSWERED[name]
    assert await peer.reply(await peer.begin(procedure, arguments, **other)) == answer
    await peer.still_there()


async def test_a_record_in_40_fragments_of_one_byte_is_answered(peer: StreamPeer) -> None:
    record = header(3, CHAT_NULL)
    assert len(record) == 40
    pieces = [marked(record[i : i + 1], last=i == 39) for i in range(40)]
    await peer.raw(b"".join(pieces))
    assert await peer.reply(3) == SUCCESS
    for byte in b"".join(pieces):
        await peer.raw(bytes([byte]))
    assert await peer.reply(3) == SUCCESS


def fails(*_: object, **__: object) -> None:
    raise RuntimeError("a mistake of ours")


async def fails_later(*_: object, **__: object) -> None:
    fails()


def too_long(seat: HubSeat) -> list[Any]:
    return [Member("s" * 65, "nick", "oncrpc")]


FAILURES: dict[str, tuple[str, Any, int, Any]] = {
    "at once": ("send", fails, CHAT_SEND, lambda key: send_args(key, 1, "hi")),
    "after a while": ("read", fails_later, CHAT_FETCH, lambda key: after(key, 0)),
    "with what has no bytes": ("members", too_long, CHAT_MEMBERS, lambda key: members_args(key, 0)),
}


@pytest.mark.parametrize("name", FAILURES)
async def test_a_failure_of_ours_is_one_calls_and_is_logged(
    peer: StreamPeer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    method, broken, procedure, argument = FAILURES[name]
    await peer.join("eve")
    with monkeypatch.context() as patch:
        patch.setattr(HubSeat, method, broken)
        assert await peer.reply(await peer.begin(procedure, argument(peer.seat_key))) == SYSTEM_ERR
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert caplog.records[0].exc_info is not None
    caplog.clear()
    await peer.still_there()


# --- what is answered with nothing ---------------------------------------------------------------

HTTP = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:7111\r\n\r\n"
HALF = marked(header(1, CHAT_NULL)[:20])

CLOSED: dict[str, bytes] = {
    "a credential over 400 bytes": marked(header(1, CHAT_NULL, flavor=1, credential=bytes(404))),
    "a record shorter than a header": HALF,
    "an empty record": marked(b""),
    "a reply": marked(header(1, CHAT_NULL, type=1)),
    "a message of type 2": marked(header(1, CHAT_NULL, type=2)),
    "an empty fragment that is not the last": marked(b"", last=False),
    "2,000 empty fragments": 2000 * marked(b"", last=False),
    "too many fragments": (MAX_FRAGMENTS + 1) * marked(b"x", last=False),
    "a fragment of 2^31-1 bytes": words(0x7FFFFFFF) + b"x",
    "a record of 2^31-1 bytes": words(0xFFFFFFFF) + b"x",
    "a byte over the limit": words((MAX_CALL + 1) | 0x80000000),
    "a byte over the limit, in two": marked(bytes(MAX_CALL), last=False) + words(1),
    "HTTP": HTTP,
    "TLS": bytes.fromhex("16030100f8010000f40303") + bytes(range(200)),
    "text": b"hello, is anybody there?\n",
}


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever ends soon does not end because it took too long."""
    monkeypatch.setattr(backends.oncrpc.server, "PATIENCE", 3600.0)


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("name", CLOSED)
async def test_what_is_no_call_ends_the_connection(peer: StreamPeer, name: str) -> None:
    with suppress(ConnectionError):
        await peer.raw(CLOSED[name])
    assert await peer.ended() == b""


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("name", CLOSED)
async def test_it_does_so_while_a_poll_waits(peer: StreamPeer, name: str) -> None:
    joined = await peer.join("eve")
    await peer.begin(CHAT_FETCH, after(peer.seat_key, joined.head, wait_ms=20000))
    with suppress(ConnectionError):
        await peer.raw(CLOSED[name])
    assert await peer.ended() == b""


async def test_what_was_asked_before_it_is_answered(peer: StreamPeer) -> None:
    await peer.raw(2 * marked(header(1, CHAT_NULL)) + HALF)
    assert await peer.ended() == 2 * marked(words(1) + SUCCESS)


async def test_a_record_of_just_the_limit_is_read(peer: StreamPeer) -> None:
    record = header(1, CHAT_NULL)
    await peer.raw(marked(record + bytes(MAX_CALL - len(record))))
    assert await peer.reply(1) == GARBAGE_ARGS


# --- calls that the chat refuses -------------------------------------------------------------------

BIG = 2**53


def entering(nick: str, room: str = "lab", cursor: int = 0) -> join_args:
    return join_args(room, nick, "", "", chat_cursor(cursor, ""))


REFUSED: dict[str, tuple[int, Callable[[str], Message], chat_status, int]] = {
    "a strange key": (CHAT_SEND, lambda _: send_args("guessed", 5, "hi"), chat_status.CHAT_SEAT_GONE, 5),
    "no key": (CHAT_LEAVE, lambda _: leave_args(""), chat_status.CHAT_SEAT_GONE, 0),
    "a draft over 2^53": (
        CHAT_SEND,
        lambda key: send_args(key, BIG, "hi"),
        chat_status.CHAT_BAD_REQUEST,
        BIG,
    ),
    "an id over 2^53": (CHAT_DELETE, lambda key: delete_args(key, 1, BIG), chat_status.CHAT_BAD_REQUEST, 1),
    "a seq over 2^53": (CHAT_FETCH, lambda key: after(key, 2**64 - 1), chat_status.CHAT_BAD_REQUEST, 0),
    "a cursor over 2^53": (CHAT_JOIN, lambda _: entering("x", cursor=BIG), chat_status.CHAT_BAD_REQUEST, 0),
    "NUL": (CHAT_SEND, lambda key: send_args(key, 3, "a\0b"), chat_status.CHAT_BAD_TEXT, 3),
    "no text": (CHAT_EDIT, lambda key: edit_args(key, 3, 2, ""), chat_status.CHAT_BAD_TEXT, 3),
    "a name that is taken": (CHAT_JOIN, lambda _: entering("BYSTANDER"), chat_status.CHAT_NICK_TAKEN, 0),
    "a name that is none": (CHAT_JOIN, lambda _: entering("a b"), chat_status.CHAT_BAD_NAME, 0),
    "a room that is none": (CHAT_JOIN, lambda _: entering("x", "../etc"), chat_status.CHAT_BAD_NAME, 0),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_the_chat_refuses_is_a_result(peer: StreamPeer, name: str) -> None:
    procedure, argument, status, n = REFUSED[name]
    await peer.join("eve")
    kind = PROCEDURES[procedure].result
    assert kind is not None
    result: Any = await peer.call(procedure, argument(peer.seat_key), kind)
    assert result.status is status
    assert isinstance(result.value, chat_error)
    assert result.value.n == n
    assert result.value.text.isprintable()
    await peer.still_there()


async def test_members_beyond_the_last_are_none(peer: StreamPeer) -> None:
    await peer.join("eve")
    result = await peer.call(CHAT_MEMBERS, members_args(peer.seat_key, 2**32 - 1), members_res)
    assert result.encode() == words(0, 0, 0)


# --- slow, silent, and too many --------------------------------------------------------------------


@pytest.mark.parametrize("start", [b"\x80", marked(header(1, CHAT_NULL))[:-1]], ids=["a byte", "all but one"])
async def test_a_record_that_does_not_end_ends_the_connection(
    monkeypatch: pytest.MonkeyPatch, peer: StreamPeer, bystander: StreamPeer, start: bytes
) -> None:
    monkeypatch.setattr(backends.oncrpc.server, "PATIENCE", 0.05)
    await peer.raw(start)
    await bystander.still_there()
    assert await peer.ended() == b""


async def test_each_record_that_ends_gives_the_next_its_whole_time(
    server: OncRpcServer, peer: StreamPeer
) -> None:
    record = marked(header(1, CHAT_NULL))
    clocks = set()
    await peer.raw(record[:9])
    for _ in range(20):
        await peer.raw(record[9:] + record[:9])
        assert await peer.reply(1) == SUCCESS
        clocks.add(connection_of(server, peer)._patience)
    assert len(clocks - {None}) == 20


async def test_of_300_silent_connections_the_oldest_are_cut(
    address: Address, server: OncRpcServer, bystander: StreamPeer
) -> None:
    silent = [await StreamPeer.open(address) for _ in range(300)]
    for peer in silent[: 300 - MAX_SEATLESS]:
        assert await peer.ended() == b""
    await silent[-1].still_there()
    assert len(server.seatless) <= MAX_SEATLESS
    for peer in silent:
        await peer.reset()


async def test_a_connection_that_names_a_seat_is_not_silent(
    address: Address, peer: StreamPeer, bystander: StreamPeer
) -> None:
    """A C client has a second connection for its polls, and takes its seat over the first."""
    peer.seat_key = bystander.seat_key
    await peer.fetch(0)
    silent = [await StreamPeer.open(address) for _ in range(MAX_SEATLESS + 10)]
    assert await silent[0].ended() == b""
    await peer.still_there()
    for other in silent:
        await other.reset()


async def test_a_poll_that_waits_holds_up_nothing(peer: StreamPeer, bystander: StreamPeer) -> None:
    joined = await peer.join("eve")
    poll = await peer.begin(CHAT_FETCH, after(peer.seat_key, joined.head, wait_ms=20000))
    await peer.still_there()
    assert poll not in peer.replies
    await peer.say("it was I who woke it")
    result = fetch_res.decode((await peer.reply(poll))[len(SUCCESS) :])
    assert isinstance(result.value, fetch_ok)
    assert [event.text for event in result.value.events] == ["it was I who woke it"]


async def test_more_calls_than_may_be_under_way_wait_for_their_turn(
    disk: Disk, server: OncRpcServer, peer: StreamPeer, bystander: StreamPeer
) -> None:
    await peer.join("eve")
    disk.slow = True
    xids = [
        await peer.begin(CHAT_SEND, send_args(peer.seat_key, n, f"m{n}"))
        for n in range(1, 3 * MAX_OUTSTANDING)
    ]
    connection = connection_of(server, peer)
    while connection._outstanding < MAX_OUTSTANDING:
        await bystander.still_there()
    assert connection._outstanding == MAX_OUTSTANDING
    assert not connection._transport.is_reading()
    disk.slow = False
    disk.catch_up()
    replies = [draft_res.decode((await peer.reply(xid))[len(SUCCESS) :]).value for xid in xids]
    seqs = [ok.seq for ok in replies if isinstance(ok, draft_ok)]
    assert len(seqs) == len(xids)
    assert all(a < b for a, b in itertools.pairwise(seqs))


async def shower(peer: StreamPeer, block: bytes, times: int) -> None:
    """Send far more than any buffer holds."""
    with suppress(ConnectionError):
        for _ in range(times):
            await peer.raw(block)


def small_buffer(connection: Connection) -> None:
    """Let the kernel hold about 8 KiB of replies: else it takes megabytes until somebody waits."""
    sock: socket.socket = connection._transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)


REQUESTS: dict[str, Any] = {
    "nothing": (CHAT_NULL, lambda _: b""),
    "another program": (CHAT_NULL, lambda _: b""),
    "garbage": (CHAT_LEAVE, lambda _: b"\xff\xff\xff\xff"),
    "history": (CHAT_FETCH, lambda key: after(key, 0).encode()),
    "members": (CHAT_MEMBERS, lambda key: members_args(key, 0).encode()),
    "refused drafts": (CHAT_SEND, lambda key: send_args(key, 1, "").encode()),
}


@pytest.mark.usefixtures("bounded_memory")
@pytest.mark.parametrize("name", REQUESTS)
async def test_who_asks_without_reading_is_not_listened_to(
    server: OncRpcServer, address: Address, bystander: StreamPeer, name: str
) -> None:
    for i in range(100):
        await bystander.say(f"{i} " + 1000 * "x")
    async with await StreamPeer.open(address, receive_buffer=4096) as peer:
        await peer.join("eve")
        procedure, arguments = REQUESTS[name]
        program = 100003 if name == "another program" else CHAT_PROG
        record = marked(header(1, procedure, program=program) + arguments(peer.seat_key))
        connection = connection_of(server, peer)
        small_buffer(connection)
        peer.stop_reading()
        flood = asyncio.create_task(shower(peer, 65536 // len(record) * record, 1000))
        quiet = 0
        while quiet < 50:  # round trips of somebody else in which not one byte was taken
            await bystander.still_there()
            quiet = 0 if connection._transport.is_reading() else quiet + 1
            assert not flood.done(), "64 MB of calls were taken, and not one answer was read"
        flood.cancel()
        await asyncio.wait([flood])


@pytest.mark.usefixtures("bounded_memory")
async def test_of_many_pages_that_nobody_reads_few_are_in_memory(
    server: OncRpcServer, address: Address, bystander: StreamPeer
) -> None:
    for i in range(200):
        await bystander.say(f"{i} " + 3900 * "x")
    async with await StreamPeer.open(address, receive_buffer=4096) as peer:
        await peer.join("eve")
        peer.stop_reading()
        for _ in range(MAX_OUTSTANDING):  # 25 MB of replies
            await peer.begin(CHAT_FETCH, after(peer.seat_key, 0, wait_ms=1000))
        connection = connection_of(server, peer)
        while connection._outstanding < MAX_OUTSTANDING - 3 and connection._transport.is_reading():
            await bystander.still_there()
