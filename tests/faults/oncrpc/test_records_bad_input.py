"""Records without an xid and a whole header: they end the connection."""

from __future__ import annotations

from contextlib import suppress

import pytest

import backends.oncrpc.server
from backends.oncrpc.codec import MAX_CALL, MAX_FRAGMENTS
from backends.oncrpc.server import OncRpcServer
from protos.chat_xdr import CHAT_FETCH, CHAT_NULL
from tests.support.oncrpc_peer import SUCCESS, StreamPeer, after, connection_of, header, marked, words

pytestmark = pytest.mark.both_loops

GARBAGE_ARGS = words(1, 0, 0, 0, 4)


async def test_a_record_in_40_fragments_of_one_byte_is_answered(peer: StreamPeer) -> None:
    record = header(3, CHAT_NULL)
    assert len(record) == 40
    pieces = [marked(record[i : i + 1], last=i == 39) for i in range(40)]
    await peer.raw(b"".join(pieces))
    assert await peer.reply(3) == SUCCESS
    for byte in b"".join(pieces):
        await peer.raw(bytes([byte]))
    assert await peer.reply(3) == SUCCESS


async def test_any_fragment_may_be_empty(peer: StreamPeer) -> None:
    record, nothing = header(3, CHAT_NULL), marked(b"", last=False)
    await peer.raw(
        nothing + marked(record[:20], last=False) + nothing + marked(record[20:], last=False) + marked(b"")
    )
    assert await peer.reply(3) == SUCCESS


# --- what is answered with nothing ---------------------------------------------------------------

HTTP = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:7111\r\n\r\n"
HALF = marked(header(1, CHAT_NULL)[:20])

CLOSED: dict[str, bytes] = {
    "a credential over 400 bytes": marked(header(1, CHAT_NULL, flavor=1, credential=bytes(404))),
    "a record shorter than a header": HALF,
    "an empty record": marked(b""),
    "a reply": marked(header(1, CHAT_NULL, type=1)),
    "a message of type 2": marked(header(1, CHAT_NULL, type=2)),
    "too many empty fragments": (MAX_FRAGMENTS + 1) * marked(b"", last=False),
    "too many fragments": (MAX_FRAGMENTS + 1) * marked(b"x", last=False),
    "a fragment of 2^31-1 bytes": words(0x7FFFFFFF) + b"x",
    "a record of 2^31-1 bytes": words(0xFFFFFFFF) + b"x",
    "a byte over the limit": words((MAX_CALL + 1) | 0x80000000),
    "a byte over the limit, in two": marked(bytes(MAX_CALL), last=False) + words(1),
    "HTTP": HTTP,
    "TLS": bytes.fromhex("16030100f8010000f40303") + bytes(range(200)),
    "text": b"hello, is anybody there?\n",
}


@pytest.mark.usefixtures("no_timeout")
@pytest.mark.parametrize("name", CLOSED)
async def test_what_is_no_call_ends_the_connection(peer: StreamPeer, name: str) -> None:
    with suppress(ConnectionError):
        await peer.raw(CLOSED[name])
    assert await peer.ended() == b""


@pytest.mark.usefixtures("no_timeout")
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


@pytest.mark.parametrize("start", [b"\x80", marked(header(1, CHAT_NULL))[:-1]], ids=["a byte", "all but one"])
async def test_a_record_that_does_not_end_ends_the_connection(
    monkeypatch: pytest.MonkeyPatch, peer: StreamPeer, bystander: StreamPeer, start: bytes
) -> None:
    monkeypatch.setattr(backends.oncrpc.server, "RECORD_TIMEOUT", 0.05)
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
        clocks.add(connection_of(server, peer)._record_timer)
    assert len(clocks - {None}) == 20
