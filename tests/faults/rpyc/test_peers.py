"""Peers that misbehave, on real sockets: each is told why it is cut, and nobody else notices anything."""

from __future__ import annotations

import asyncio

import pytest
from rpyc.core import consts

import chat.transport.stream
from backends.rpyc import codec
from backends.rpyc.codec import HEADER, Raised, Returned
from backends.rpyc.server import RpycServer
from chat.domain.errors import Closing
from chat.interfaces.address import Address
from chat.transport.stream import MAX_UNAUTHENTICATED
from tests.support.raw import reset
from tests.support.rpyc_peer import FUNCTION, RpycPeer, connection_of, reason, refusal
from tests.support.stage import Disk

# --- those who do not log in ---------------------------------------------------------------------


@pytest.mark.parametrize("start", [b"", HEADER.pack(100, 0) + b"x"], ids=["nothing", "half a frame"])
async def test_who_does_not_log_in_is_cut(
    monkeypatch: pytest.MonkeyPatch, address: Address, start: bytes
) -> None:
    monkeypatch.setattr(chat.transport.stream, "HELLO_TIMEOUT", 0.05)
    async with await RpycPeer.open(address) as peer:
        await peer.send(start)
        assert await peer.end() == []


async def test_of_300_silent_connections_the_oldest_are_cut(server: RpycServer, address: Address) -> None:
    silent = [await RpycPeer.open(address) for _ in range(300)]
    for peer in silent[: 300 - MAX_UNAUTHENTICATED]:
        assert await peer.end() == []
    await silent[-1].enter("patient")
    assert len(server.unauthenticated) <= MAX_UNAUTHENTICATED
    for peer in silent:
        peer.writer.transport.abort()


async def test_a_connection_that_stays_after_its_last_words_still_counts(
    server: RpycServer, address: Address
) -> None:
    deaf = await RpycPeer.open(address)
    await deaf.ask(consts.HANDLE_PING, "")
    (stubborn,) = server.unauthenticated
    deaf.stop_reading()
    stubborn.transport.write(8_000_000 * b"x")  # what it does not read keeps its connection for a while
    silent = [await RpycPeer.open(address) for _ in range(2 * MAX_UNAUTHENTICATED)]
    await silent[-1].enter("patient")
    assert len(server.unauthenticated) <= MAX_UNAUTHENTICATED
    for peer in (deaf, *silent):
        peer.writer.transport.abort()


async def test_before_the_login_nothing_can_be_called(peer: RpycPeer) -> None:
    for method, *args in (("send", "x"), ("history",), ("members",), ("leave",), ("delete", 1)):
        assert "came before the login" in await refusal(peer, method, *args)
    await peer.enter("eve")


async def test_a_connection_has_one_callback(peer: RpycPeer) -> None:
    await peer.enter("eve")
    assert "one login each" in await refusal(peer, "login", "mallory", "lab", FUNCTION)


# --- bytes that mean nothing ---------------------------------------------------------------------

NONSENSE = {
    "HTTP": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a line of the tcp technique": b'{"kind":"hello","nick":"ann"}\n',
    "a TLS handshake": bytes.fromhex("16030100f8010000f40303") + bytes(range(200)),
    "a frame of nothing": HEADER.pack(0, 0) + b"\n",
    "a frame without brine": codec.frame(b"\x01\xff\xff"),
    "an unknown kind": codec.frame(b"\x09" + codec.keywords((("a", 1),))),
    "a frame too long": HEADER.pack(65537, 0),
    "nesting that does not end": codec.frame(b"\x01" + 50 * b"\x10"),
}


@pytest.mark.parametrize("name", NONSENSE)
async def test_nonsense_ends_the_connection(peer: RpycPeer, name: str) -> None:
    await peer.send(NONSENSE[name])
    assert await peer.end() == []


@pytest.mark.parametrize("name", NONSENSE)
async def test_after_the_login_nonsense_ends_the_connection_with_the_reason(
    peer: RpycPeer, name: str
) -> None:
    await peer.enter("eve")
    await peer.send(NONSENSE[name])
    assert await reason(peer) == "bad_request"


@pytest.mark.parametrize("handler", [0, 5, 6, *range(9, 15), *range(17, 22), 1000])
async def test_what_is_not_served_is_refused_and_the_connection_stays(peer: RpycPeer, handler: int) -> None:
    root = await peer.value(consts.HANDLE_GETROOT)
    for args in ((), (root,), (root, "x"), (root, "x", ()), (7, 3, "x")):
        assert isinstance(await peer.ask(handler, *args), Raised)
    await peer.enter("eve")


async def test_an_answer_to_nothing_is_nothing(peer: RpycPeer) -> None:
    await peer.enter("eve")
    await peer.send(codec.returned(10**6, None))
    assert isinstance(await peer.call("members"), Returned)


# --- those who do not read -----------------------------------------------------------------------


@pytest.mark.parametrize("method", ["history", "members", "send"])
async def test_who_asks_without_reading_is_not_listened_to(
    server: RpycServer, peer: RpycPeer, bystander: RpycPeer, method: str
) -> None:
    for number in range(50):
        await bystander.call("send", f"{number} " + 1000 * "x")
    await peer.enter("eve")
    eve = connection_of(server, "eve")
    peer.stop_reading()
    root = codec.Remote(peer.root)
    args = ("",) if method == "send" else ()
    block = 500 * codec.request(9, consts.HANDLE_CALLATTR, (root, method, args, ()))

    async def shower() -> None:
        for _ in range(1000):
            await peer.send(block)

    flood = asyncio.create_task(shower())
    quiet = 0
    while quiet < 50:  # round trips of somebody else in which not one byte was taken
        await bystander.call("members")
        quiet = 0 if eve.transport.is_reading() else quiet + 1
        assert not flood.done(), "tens of megabytes of requests were taken, and not one answer was read"
    flood.cancel()
    await asyncio.wait([flood])


# --- going ---------------------------------------------------------------------------------------


async def test_leave_returns_after_the_own_left_and_nothing_comes_behind(peer: RpycPeer) -> None:
    await peer.enter("eve")
    assert await peer.call("leave") == Returned(peer._number, None)
    last = (await peer.end())[-1]
    assert (last["kind"], last["author"]) == ("left", "eve")


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_who_hangs_up_keeps_the_seat(
    server: RpycServer, peer: RpycPeer, address: Address, how: str
) -> None:
    welcome = await peer.enter("eve")
    eve = connection_of(server, "eve")
    if how == "close":
        await peer.begin(consts.HANDLE_CLOSE)
        await peer.end()
    else:
        peer.writer.transport.abort()
    await eve.lost
    async with await RpycPeer.open(address) as again:
        assert (await again.enter("eve", seat_key=welcome["seat_key"]))["seat"] == welcome["seat"]


async def test_a_takeover_is_told_in_the_last_callback(peer: RpycPeer, address: Address) -> None:
    welcome = await peer.enter("eve")
    async with await RpycPeer.open(address) as again:
        await again.enter("eve", seat_key=welcome["seat_key"])
        assert await reason(peer) == "seat_taken"


async def test_an_answer_for_a_connection_that_is_gone_is_dropped(
    server: RpycServer, disk: Disk, peer: RpycPeer, bystander: RpycPeer
) -> None:
    await peer.enter("eve")
    eve = connection_of(server, "eve")
    disk.slow = True
    for _ in range(2):  # the second will be answered as one that came before
        await peer.begin_call("send", "twice", 1)
    await peer.ask(consts.HANDLE_PING, "")
    reset(peer.writer)
    await eve.lost
    disk.slow = False
    disk.catch_up()
    await bystander.hears(author="eve", text="twice")


async def test_who_waits_for_a_seat_is_told_when_there_will_be_none(
    server: RpycServer, disk: Disk, peer: RpycPeer, bystander: RpycPeer
) -> None:
    disk.slow = True
    number = await peer.begin_call("login", "eve", "lab", FUNCTION)
    while not (waiting := [each for each in server.connections if each._login is not None]):
        await bystander.call("members")
    waiting[0].close(Closing("the server is going down"))
    answer = await peer.answer_to(number)
    assert isinstance(answer, Raised)
    assert answer.name == "Closing"
    assert await peer.end() == []
    disk.slow = False
    disk.catch_up()
