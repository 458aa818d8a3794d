"""Bad behaviour over TCP: too much, too long, not reading, nothing at all."""

import asyncio
from contextlib import suppress

import pytest

import chat.transport.stream
from backends.tcp.server import Connection, TcpServer
from chat.interfaces.address import Address
from chat.interfaces.server import HIGH_WATER
from chat.server.fanout import PAGE_BYTES
from chat.transport.connection_state import State
from chat.transport.stream import MAX_UNAUTHENTICATED, TURN_BYTES
from tests.support.raw import RawPeer, ended, still_there
from tests.support.stage import Disk

pytestmark = pytest.mark.both_loops

BLOCK = 64 * 1024


def connection_of(server: TcpServer, nick: str) -> Connection:
    """Return the server's end of somebody's connection."""
    return next(each for each in server.connections if each.seat and each.seat.welcome.nick == nick)


# --- too much, too long, nothing at all ----------------------------------------------------------


async def shower(peer: RawPeer, block: bytes, times: int) -> None:
    """Send far more than any buffer holds; who is cut off stops."""
    with suppress(ConnectionError):
        for _ in range(times):
            await peer.send(block)


@pytest.mark.usefixtures("bounded_memory")
@pytest.mark.parametrize("start", [b"", b'{"kind":"say","text":"'], ids=["bytes", "JSON"])
@pytest.mark.parametrize("hello", [False, True])
async def test_a_line_of_10_mb_is_cut_with_the_reason(peer: RawPeer, start: bytes, hello: bool) -> None:
    if hello:
        await peer.enter("eve")
    await peer.send(start)
    await shower(peer, BLOCK * b"x", 160)
    last = await ended(peer)
    assert last["code"] == "bad_request"
    assert "65536" in last["text"]


@pytest.mark.usefixtures("bounded_memory")
async def test_10_mb_of_empty_lines_are_nothing(peer: RawPeer) -> None:
    await peer.enter("eve")
    await shower(peer, BLOCK * b"\n", 160)
    await still_there(peer)


async def test_so_much_in_one_turn_of_the_loop_is_followed_by_the_turn_of_others(
    server: TcpServer, peer: RawPeer
) -> None:
    await peer.enter("eve")
    eve = connection_of(server, "eve")
    eve.data_received(TURN_BYTES // 2 * b"\n")
    assert eve.transport.is_reading()
    eve.data_received(TURN_BYTES // 2 * b"\n")
    assert not eve.transport.is_reading()
    await still_there(peer)
    assert eve.transport.is_reading()


REQUESTS = {
    "garbage": b"x\n",
    "history": b'{"kind":"history"}\n',
    "members": b'{"kind":"members"}\n',
    "refused drafts": b'{"kind":"say","text":""}\n',
}


@pytest.mark.usefixtures("bounded_memory")
@pytest.mark.parametrize("request_", REQUESTS)
async def test_who_asks_without_reading_is_not_listened_to(
    server: TcpServer, peer: RawPeer, bystander: RawPeer, request_: str
) -> None:
    await peer.enter("eve")
    for i in range(100):
        await bystander.say(kind="say", text=f"{i} " + 1000 * "x")
    await bystander.until("sent", n=100)
    eve = connection_of(server, "eve")
    line = REQUESTS[request_]
    peer.stop_reading()
    flood = asyncio.create_task(shower(peer, BLOCK // len(line) * line, 1000))
    quiet = 0
    while quiet < 50:  # round trips of somebody else in which not one byte was taken
        await still_there(bystander)
        quiet = 0 if eve.transport.is_reading() else quiet + 1
        assert not flood.done(), "64 MB of requests were taken, and not one answer was read"
    flood.cancel()
    await asyncio.wait([flood])


async def test_who_never_reads_is_cut_and_can_come_back_for_the_rest(
    monkeypatch: pytest.MonkeyPatch, server: TcpServer, bystander: RawPeer
) -> None:
    monkeypatch.setattr(chat.transport.stream, "LINGER", 30.0)  # the reason waits until it is read below
    async with await RawPeer.open(server.address, receive_buffer=4096) as peer:
        welcome = await peer.enter("eve")
        eve = connection_of(server, "eve")
        peer.stop_reading()
        most = said = 0
        while eve.state is State.SEATED:
            said += 1
            await bystander.say(kind="say", text=f"{said} " + 3900 * "x", n=said)
            await bystander.until("sent", n=said)
            most = max(most, eve.buffered())
        assert most <= HIGH_WATER + 2 * PAGE_BYTES
        peer.read_on()
        assert (await ended(peer))["code"] == "slow_reader"
    seen = [line["seq"] for line in peer.lines[1:-1]]
    async with await RawPeer.open(server.address) as again:
        await again.enter("eve", seat_key=welcome["seat_key"], after=seen[-1])
        while not seen or seen[-1] < bystander.lines[-1]["seq"]:
            seen.append((await again.line())["seq"])
    assert seen == [line["seq"] for line in bystander.lines if "prev" in line]


async def test_who_never_reads_what_was_asked_for_is_cut_when_memory_is_short_and_resumes(
    monkeypatch: pytest.MonkeyPatch, server: TcpServer, bystander: RawPeer
) -> None:
    monkeypatch.setattr(chat.transport.stream, "LINGER", 30.0)  # the reason waits until it is read below
    monkeypatch.setattr(server.hub._node.backlog, "_most", HIGH_WATER)  # type: ignore[attr-defined]
    for number in range(200):
        await bystander.say(kind="say", text=3900 * "x", n=number + 1)
    await bystander.until("sent", n=200)
    async with await RawPeer.open(server.address, receive_buffer=4096) as peer:
        welcome = await peer.enter("eve", replay=0)
        eve = connection_of(server, "eve")
        peer.stop_reading()
        for ref in range(1, 100):  # a page has 800 KB; the kernel takes some of them
            if eve.state is not State.SEATED:
                break
            await peer.say(kind="history", ref=ref, after=0)
            await still_there(bystander)
        assert eve.state is not State.SEATED
        peer.read_on()
        assert (await ended(peer))["code"] == "slow_reader"
    async with await RawPeer.open(server.address) as again:
        back = await again.enter("eve", seat_key=welcome["seat_key"], after=welcome["head"])
        assert back["seat"] == welcome["seat"]


async def test_half_a_line_harms_nobody_and_can_be_finished(peer: RawPeer, bystander: RawPeer) -> None:
    await peer.enter("eve")
    await peer.send(b'{"kind":"say","te')
    await still_there(bystander)
    await peer.send(b'xt":"at last"}\n')
    await bystander.until("sent", author="eve", text="at last")


@pytest.mark.parametrize("start", [b"", b'{"kind":"hel'], ids=["nothing", "half a line"])
async def test_who_does_not_say_hello_is_cut_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, address: Address, start: bytes
) -> None:
    monkeypatch.setattr(chat.transport.stream, "HELLO_TIMEOUT", 0.05)
    async with await RawPeer.open(address) as peer:
        await peer.send(start)
        last = await ended(peer)
    assert last["code"] == "bad_request"
    assert "hello" in last["text"]


async def test_of_300_silent_connections_the_oldest_are_cut_with_the_reason(address: Address) -> None:
    silent = [await RawPeer.open(address) for _ in range(300)]
    for peer in silent[: 300 - MAX_UNAUTHENTICATED]:
        assert (await ended(peer))["code"] == "full"
    newest = silent[-1]
    await newest.enter("patient")
    for peer in silent:
        await peer.reset()


async def test_connections_that_were_cut_but_stay_make_room_for_others(
    server: TcpServer, address: Address
) -> None:
    stubborn = [await RawPeer.open(address) for _ in range(300)]
    for other in stubborn:
        await other.send(b"garbage\n")
    async with await RawPeer.open(address) as peer:
        await peer.enter("eve")
    assert len(server.unauthenticated) <= MAX_UNAUTHENTICATED
    for other in stubborn:
        await other.reset()


@pytest.mark.parametrize(
    "data",
    [b"", b'{"kind":"hello","nick":"eve"}\n', b'{"kind":"hello","nick":"eve"}\n{"kind":"say","te'],
    ids=["at once", "while coming in", "in the middle of a line"],
)
async def test_a_connection_that_is_reset_leaves_nothing_behind(
    server: TcpServer, address: Address, data: bytes
) -> None:
    for _ in range(20):
        async with await RawPeer.open(address) as peer:
            await peer.send(data)
    while len(server.connections) > 1:
        await asyncio.wait(
            [connection.lost for connection in server.connections], return_when="FIRST_COMPLETED"
        )
    assert server.unauthenticated == {}


async def test_an_answer_for_a_connection_that_is_gone_is_dropped(
    server: TcpServer, disk: Disk, peer: RawPeer, bystander: RawPeer
) -> None:
    await peer.enter("eve")
    eve = connection_of(server, "eve")
    disk.slow = True
    for _ in range(2):  # the second will be answered with an ack
        await peer.say(kind="say", text="twice", n=1)
    await peer.say(kind="ping", ref=1)
    await peer.until("pong")
    await peer.reset()
    await eve.lost
    disk.slow = False
    disk.catch_up()
    await bystander.until("sent", author="eve")


async def test_who_leaves_without_reading_is_gone_all_the_same(
    monkeypatch: pytest.MonkeyPatch, server: TcpServer, peer: RawPeer, bystander: RawPeer
) -> None:
    monkeypatch.setattr(chat.transport.stream, "LINGER", 0.05)
    await peer.enter("eve")
    eve = connection_of(server, "eve")
    peer.stop_reading()
    await peer.say(kind="leave")
    await bystander.until("left", author="eve")
    await eve.lost
