"""Bad input on real sockets: whoever sends it is told why, and nobody else notices anything.

Every scenario runs beside a bystander, who must see nothing but whole events in one chain and must be
able to talk afterwards; the server's memory stays bounded and nothing is logged.
"""

from __future__ import annotations

import asyncio
import logging
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import pytest

import chat.transport.stream
from backends.tcp.server import Connection, TcpServer
from chat.domain.model import Limits
from chat.interfaces.address import Address
from chat.interfaces.server import HIGH_WATER
from chat.server.fanout import PAGE_BYTES
from chat.server.hub import Hub
from chat.transport.connection_state import State
from chat.transport.stream import MAX_UNAUTHENTICATED
from tests.support.raw import Line, RawPeer
from tests.support.stage import Disk

MEMORY = 8 * 1024 * 1024
"""Bytes that a scenario may cost at its peak, both sides together: less than what is thrown at the server."""
BLOCK = 64 * 1024


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
async def server(disk: Disk) -> AsyncIterator[TcpServer]:
    hub = Hub(disk, limits=Limits(burst=0))
    await hub.start()
    server = TcpServer(hub, Address("127.0.0.1", 0))
    server.address = await server.start()
    yield server
    await server.stop()
    await hub.stop()


@pytest.fixture
def address(server: TcpServer) -> Address:
    return server.address


@pytest.fixture
async def peer(address: Address) -> AsyncIterator[RawPeer]:
    """Who misbehaves."""
    async with await RawPeer.open(address) as peer:
        yield peer


@pytest.fixture(autouse=True)
async def bystander(address: Address) -> AsyncIterator[RawPeer]:
    """Somebody in the room, who checks after the test that nothing has happened to it."""
    async with await RawPeer.open(address) as bystander:
        await bystander.enter("bystander")
        yield bystander
        await bystander.say(kind="say", text="all quiet")
        await bystander.until("sent", author="bystander", text="all quiet")
        assert [line for line in bystander.lines if line["kind"] == "error"] == []
        events = [line for line in bystander.lines if "prev" in line]
        assert [event["prev"] for event in events] == [0, *(event["seq"] for event in events[:-1])]


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


async def ended(peer: RawPeer) -> Line:
    """Return the server's last words; fails unless it closes the connection."""
    lines = await peer.end()
    assert lines, "closed without a word"
    return lines[-1]


def connection_of(server: TcpServer, nick: str) -> Connection:
    """Return the server's end of somebody's connection."""
    return next(each for each in server.connections if each.seat and each.seat.welcome.nick == nick)


async def still_there(peer: RawPeer) -> None:
    await peer.say(kind="ping", ref=77)
    await peer.until("pong", ref=77)


# --- lines that mean nothing ---------------------------------------------------------------------

HTTP = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:7010\r\nOrigin: http://evil.example\r\n\r\n"
FORM = b'POST / HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n\r\n{"kind":"hello","nick":"eve"}\r\n'
TLS = bytes.fromhex("16030100f8010000f40303") + b"\n" + bytes(range(200))
DEEP = b'{"x":' + 30_000 * b"[" + 30_000 * b"]" + b',"kind":"shout"}'
"""Too deep for a Python that counts; one that has stack enough, from 3.14 on, comes to the unknown kind."""

NONSENSE = {
    "an HTTP request": (HTTP, "not JSON"),
    "a web page's POST with a hello in it": (FORM, "not JSON"),
    "a TLS handshake": (TLS, "not JSON"),
    "SSH": (b"SSH-2.0-OpenSSH_9.2\r\n", "not JSON"),
    "invalid UTF-8": (b'{"kind":"say","text":"\xc3("}\n', "not UTF-8: byte 0xc3"),
    "UTF-16": ('{"kind":"ping"}\n'.encode("utf-16"), "not JSON"),
    "a byte order mark": (b'\xef\xbb\xbf{"kind":"ping"}\n', "not JSON"),
    "no JSON": (b"hello, is anybody there?\n", "not JSON"),
    "JSON cut in two": (b'{"kind":"say","te\nxt":"hi"}\n', "not JSON"),
    "two values on a line": (b'{"kind":"ping"}{"kind":"ping"}\n', "not JSON"),
    "NUL": (b'{"kind":"say","text":"a\x00b"}\n', "not JSON"),
    "NULs only": (100 * b"\x00" + b"\n", "not JSON"),
    "control characters": (b"\x1b[2J\x07\x08\n", "not JSON"),
    "a list": (b"[]\n", "Expected `object`, got `array`"),
    "a number": (b"5\n", "Expected `object`, got `int`"),
    "no kind": (b'{"text":"hi"}\n', "required field `kind`"),
    "a kind that is no text": (b'{"kind":{}}\n', "`$.kind`"),
    "an unknown kind": (b'{"kind":"shout","text":"hi"}\n', "Invalid value 'shout'"),
    "the server's own kinds": (
        b'{"kind":"sent","seq":1,"prev":0,"at":0,"text":"hi"}\n',
        "Invalid value 'sent'",
    ),
    "a missing field": (b'{"kind":"say"}\n', "required field `text`"),
    "a text that is a number": (b'{"kind":"say","text":5}\n', "Expected `str`, got `int` - at `$.text`"),
    "a text that is null": (b'{"kind":"say","text":null}\n', "Expected `str`, got `null`"),
    "a number that is a text": (b'{"kind":"say","text":"x","n":"1"}\n', "Expected `int`, got `str`"),
    "a fraction": (b'{"kind":"say","text":"x","n":1.5}\n', "Expected `int`, got `float`"),
    "a negative number": (b'{"kind":"say","text":"x","n":-1}\n', "Expected `int` >= 0"),
    "a number over 2^53": (b'{"kind":"say","text":"x","n":9007199254740992}\n', "Expected `int` <= 9007"),
    "a number of 60,000 digits": (b'{"kind":"delete","id":' + 60_000 * b"9" + b"}\n", "wrong shape"),
    "deep nesting": (DEEP + b"\n", ""),
    "half a surrogate pair": (b'{"kind":"say","text":"\\ud800"}\n', "not JSON"),
}


@pytest.mark.parametrize("name", NONSENSE)
async def test_before_the_hello_nonsense_ends_the_connection_with_the_reason(
    peer: RawPeer, name: str
) -> None:
    data, reason = NONSENSE[name]
    await peer.send(data)
    last = await ended(peer)
    assert (last["kind"], last["code"]) == ("error", "bad_request")
    assert reason in last["text"]
    assert len(last["text"]) < 400
    assert last["text"].isprintable()
    assert len(peer.lines) == 1, "only the first line counts"


@pytest.mark.parametrize("name", NONSENSE)
async def test_after_the_hello_nonsense_is_answered_and_the_connection_stays(
    peer: RawPeer, name: str
) -> None:
    data, reason = NONSENSE[name]
    await peer.enter("eve")
    await peer.send(data + b"\n")
    assert reason in (await peer.until("error", code="bad_request"))["text"]
    await still_there(peer)


# --- lines that are refused ----------------------------------------------------------------------


async def refused(peer: RawPeer, code: str, **message: object) -> Line:
    await peer.say(**message)
    error = await peer.until("error")
    assert (error["code"], error.get("n", 0)) == (code, message.get("n", 0))
    await still_there(peer)
    return error


@pytest.mark.parametrize(
    "text", ["a\0b", "\x1b[2J", "bell\a", "back\b", "c1 \x9b", "bidi \u202e", "line \u2028"]
)
async def test_a_character_that_could_act_is_refused_by_its_name(peer: RawPeer, text: str) -> None:
    await peer.enter("eve")
    error = await refused(peer, "bad_text", kind="say", text=text, n=3)
    bad = next(char for char in text if not char.isprintable())
    assert f"U+{ord(bad):04X}" in error["text"]


async def test_a_text_that_is_too_long_is_refused_with_its_size(peer: RawPeer) -> None:
    await peer.enter("eve")
    error = await refused(peer, "bad_text", kind="say", text="é" * 2001, n=1)
    assert "4002" in error["text"]
    assert "4000" in error["text"]


async def test_a_second_hello_is_refused_and_changes_nothing(peer: RawPeer) -> None:
    await peer.enter("eve")
    await refused(peer, "bad_request", kind="hello", nick="mallory")
    await peer.say(kind="say", text="still me")
    assert (await peer.until("sent"))["author"] == "eve"


@pytest.mark.parametrize("kind", ["say", "edit", "delete", "history", "members", "ping", "leave"])
async def test_a_line_before_the_hello_ends_the_connection(peer: RawPeer, kind: str) -> None:
    await peer.say(kind=kind, text="hi", id=1)
    last = await ended(peer)
    assert last["code"] == "bad_request"
    assert "hello" in last["text"]


async def test_a_number_used_twice_with_another_text_is_refused(peer: RawPeer) -> None:
    await peer.enter("eve")
    await peer.say(kind="say", text="one", n=1)
    await peer.until("sent", n=1)
    await refused(peer, "draft_conflict", kind="say", text="two", n=1)


# --- names and keys ------------------------------------------------------------------------------


async def turned_away(peer: RawPeer, code: str, **hello: object) -> Line:
    await peer.say(kind="hello", **hello)
    last = await ended(peer)
    assert last["code"] == code
    return last


@pytest.mark.parametrize("nick", ["bystander", "BYSTANDER"])
async def test_a_name_that_is_taken_is_refused(peer: RawPeer, nick: str) -> None:
    await turned_away(peer, "nick_taken", nick=nick)


@pytest.mark.parametrize(
    "nick", ["", "a b", "a\tb", "\x1b[2J", "x" * 25, "/help", "zero\u200bwidth", "\u202eevil"]
)
async def test_a_name_that_is_none_is_refused(peer: RawPeer, nick: str) -> None:
    assert (await turned_away(peer, "bad_name", nick=nick))["text"].isprintable()


@pytest.mark.parametrize("room", ["", "Lab", "../etc", "a" * 33, "a b", "\0"])
async def test_a_room_that_is_none_is_refused(peer: RawPeer, room: str) -> None:
    assert (await turned_away(peer, "bad_name", nick="eve", room=room))["text"].isprintable()


@pytest.mark.parametrize("key", ["guessed", "\0", "k" * 60_000], ids=["guessed", "NUL", "long"])
async def test_a_key_that_is_not_the_seats_takes_nothing_over(peer: RawPeer, key: str) -> None:
    await turned_away(peer, "nick_taken", nick="bystander", seat_key=key)


async def test_a_public_seat_name_is_no_key(peer: RawPeer, bystander: RawPeer) -> None:
    seat = bystander.lines[0]["seat"]
    await turned_away(peer, "nick_taken", nick="bystander", seat_key=seat)


async def test_somebody_elses_key_under_another_name_gives_an_own_seat(
    peer: RawPeer, bystander: RawPeer
) -> None:
    theirs = bystander.lines[0]
    mine = await peer.enter("eve", seat_key=theirs["seat_key"])
    assert mine["seat"] != theirs["seat"]
    assert mine["seat_key"] != theirs["seat_key"]


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
