"""Peers that misbehave, on real sockets: each is told why it is cut, and nobody else notices anything."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from rpyc.core import consts

import backends.rpyc.server
import chat.transport.stream
from backends.rpyc import codec
from backends.rpyc.codec import HEADER, Raised, Request, Returned
from backends.rpyc.server import ACCEPT, WINDOW, ClientConnection, RpycServer
from chat.domain.errors import Closing
from chat.domain.model import Limits
from chat.interfaces.address import Address
from chat.interfaces.server import HIGH_WATER
from chat.server.fanout import PAGE_BYTES
from chat.server.hub import Hub
from chat.transport.connection_state import State
from chat.transport.stream import MAX_UNAUTHENTICATED
from tests.support.raw import reset
from tests.support.rpyc_peer import FUNCTION, RpycPeer
from tests.support.stage import Disk


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
async def server(disk: Disk) -> AsyncIterator[RpycServer]:
    hub = Hub(disk, limits=Limits(burst=0))
    await hub.start()
    server = RpycServer(hub, Address("127.0.0.1", 0))
    server.address = await server.start()
    yield server
    await server.stop()
    await hub.stop()


@pytest.fixture
def address(server: RpycServer) -> Address:
    return server.address


@pytest.fixture
async def peer(address: Address) -> AsyncIterator[RpycPeer]:
    """Who misbehaves."""
    async with await RpycPeer.open(address) as peer:
        yield peer


@pytest.fixture(autouse=True)
async def bystander(address: Address) -> AsyncIterator[RpycPeer]:
    """Somebody in the room, who checks after the test that nothing has happened to it."""
    async with await RpycPeer.open(address) as bystander:
        await bystander.enter("bystander")
        yield bystander
        assert isinstance(await bystander.call("send", "all quiet"), Returned)
        await bystander.hears(author="bystander", text="all quiet")
        assert [event for event in bystander.callbacks if event["kind"] == "error"] == []
        prevs = [event["prev"] for event in bystander.callbacks]
        assert prevs == [0, *(event["seq"] for event in bystander.callbacks[:-1])]


@pytest.fixture(autouse=True)
def nothing_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.INFO)
    yield
    assert caplog.messages == []


def connection_of(server: RpycServer, nick: str) -> ClientConnection:
    """Return the server's end of somebody's connection."""
    return next(each for each in server.connections if each.seat and each.seat.welcome.nick == nick)


async def reason(peer: RpycPeer) -> str:
    """Return the code that the last callback gave; fails unless the connection ends."""
    last = (await peer.end())[-1]
    assert last["kind"] == "error"
    return str(last["code"])


async def refusal(peer: RpycPeer, method: str, *args: object) -> str:
    answer = await peer.call(method, *args)
    assert isinstance(answer, Raised), answer
    return answer.text


# --- callbacks that do not come back -------------------------------------------------------------


async def test_who_does_not_answer_to_a_callback_is_cut_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch, peer: RpycPeer, bystander: RpycPeer
) -> None:
    monkeypatch.setattr(backends.rpyc.server, "CALLBACK_TIMEOUT", 0.2)
    monkeypatch.setattr(backends.rpyc.server, "PING_EVERY", 0.05)
    peer.answer = peer.ignore
    await peer.enter("eve")
    ending = asyncio.create_task(reason(peer))
    while not ending.done():
        assert isinstance(await bystander.call("send", "and on we go"), Returned)
    assert ending.result() == "slow_reader"


async def test_who_does_not_answer_to_a_ping_is_cut(
    monkeypatch: pytest.MonkeyPatch, peer: RpycPeer, bystander: RpycPeer
) -> None:
    monkeypatch.setattr(backends.rpyc.server, "CALLBACK_TIMEOUT", 0.2)
    monkeypatch.setattr(backends.rpyc.server, "PING_EVERY", 0.05)

    def all_but_pings(request: Request) -> bytes | None:
        return None if request.handler == consts.HANDLE_PING else peer.take(request)

    peer.answer = all_but_pings
    await peer.enter("eve")
    ending = asyncio.create_task(reason(peer))
    while not ending.done():
        await bystander.call("members")
    assert ending.result() == "slow_reader"


async def test_an_answer_keeps_a_client_that_has_nothing_to_hear(
    monkeypatch: pytest.MonkeyPatch, peer: RpycPeer
) -> None:
    monkeypatch.setattr(backends.rpyc.server, "PING_EVERY", 0.01)
    await peer.enter("eve")
    while [request.handler for request in peer.requests].count(consts.HANDLE_PING) < 5:
        await peer.message()


@pytest.mark.parametrize("name", ["ValueError", "NoClass", "x\x1b[2J" * 50])
async def test_a_callback_that_raises_ends_its_connection_with_the_reason(peer: RpycPeer, name: str) -> None:
    def raises(request: Request) -> bytes:
        peer.take(request)
        return codec.raised(request.number, "builtins", name, "")

    peer.answer = raises
    await peer.enter("eve")
    while not (peer.callbacks and peer.callbacks[-1]["kind"] == "error"):
        await peer.message()
    text = peer.callbacks[-1]["text"]
    assert peer.callbacks[-1]["code"] == "bad_request"
    await peer.begin_call("members")
    await peer.end()
    assert name[:10].replace("\x1b", "\\u001b")[:5] in text
    assert text.isprintable()
    assert len(text) < 300


async def test_at_most_a_window_of_callbacks_is_under_way(peer: RpycPeer, bystander: RpycPeer) -> None:
    await peer.enter("eve")
    await peer.hears(kind="joined", author="eve")
    before = len(peer.callbacks)
    peer.answer = peer.ignore
    for number in range(WINDOW + 50):
        assert isinstance(await bystander.call("send", f"m{number}"), Returned)
    await peer.answer_to(await peer.begin(consts.HANDLE_PING, ""))
    assert len(peer.callbacks) == before + WINDOW
    for request in peer.requests[before:]:
        await peer.send(codec.returned(request.number, None))
    peer.answer = peer.take
    await peer.hears(text=f"m{WINDOW + 49}")
    texts = [event["text"] for event in peer.callbacks if event["kind"] == "sent"]
    assert texts == [f"m{number}" for number in range(WINDOW + 50)]


async def test_what_waits_for_one_that_never_answers_is_bounded_until_it_is_cut(
    monkeypatch: pytest.MonkeyPatch, server: RpycServer, peer: RpycPeer, bystander: RpycPeer
) -> None:
    monkeypatch.setattr(chat.transport.stream, "LINGER", 0.2)
    peer.answer = peer.ignore
    await peer.enter("eve")
    eve, most = connection_of(server, "eve"), 0
    while eve.state is State.SEATED:
        assert isinstance(await bystander.call("send", 3900 * "x"), Returned)
        most = max(most, eve.buffered())
    assert HIGH_WATER < most <= HIGH_WATER + 2 * PAGE_BYTES
    assert await reason(peer) == "slow_reader"


# --- callbacks that take something else ----------------------------------------------------------


def one_argument(peer: RpycPeer, text: str) -> Callable[[Request], bytes]:
    """Return the answers of a callback that takes one argument, and raises TypeError if it gets keywords."""

    def answer(request: Request) -> bytes:
        if request.handler == consts.HANDLE_CALL:
            _, args, keywords = request.args
            if keywords or len(args) != 1:
                return codec.raised(request.number, "builtins", "TypeError", text)
            peer.callbacks.append(dict(args[0]))
        return codec.returned(request.number, None)

    return answer


@pytest.mark.parametrize(
    "text",
    [
        "list.append() takes no keyword arguments",
        "'kind' is an invalid keyword argument for print()",
        "on_event() missing 1 required positional argument: 'event'",
    ],
)
async def test_a_callback_that_takes_no_keywords_gets_each_event_once_in_one_argument(
    peer: RpycPeer, bystander: RpycPeer, address: Address, text: str
) -> None:
    peer.answer = one_argument(peer, text)
    welcome = await peer.enter("eve")
    for number in range(100):
        assert isinstance(await bystander.call("send", f"m{number}"), Returned)
    await peer.hears(text="m99")
    prevs = [event["prev"] for event in peer.callbacks]
    assert prevs == [0, *(event["seq"] for event in peer.callbacks[:-1])]
    calls = [request for request in peer.requests if request.handler == consts.HANDLE_CALL]
    assert len(calls) == len(peer.callbacks) + 1, "only the first event is tried with keywords"
    async with await RpycPeer.open(address) as again:
        await again.enter("eve", seat_key=welcome["seat_key"])
        assert await reason(peer) == "seat_gone"


def raising(peer: RpycPeer, name: str, text: str) -> Callable[[Request], bytes]:
    """Return the answers of a callback that always raises; it keeps what it gets."""

    def answer(request: Request) -> bytes:
        _, args, keywords = request.args
        peer.callbacks.append(dict(args[0] if args else keywords))
        return codec.raised(request.number, "builtins", name, text)

    return answer


async def closing_reason(peer: RpycPeer) -> None:
    """Wait for the callback that says why the connection ends."""
    await peer.hears(kind="error")


@pytest.mark.parametrize(
    ("text", "tries"),
    [
        ("f() takes 0 positional arguments but 1 was given", 2),
        ('can only concatenate str (not "int") to str', 1),
    ],
    ids=["takes nothing", "is wrong itself, and is not tried in another way"],
)
async def test_the_next_call_gets_the_reason_that_the_callback_could_not_take(
    peer: RpycPeer, text: str, tries: int
) -> None:
    peer.answer = raising(peer, "TypeError", text)
    await peer.enter("eve")
    await closing_reason(peer)
    assert await refusal(peer, "send", "hello") == f"your callback raised TypeError: {text}; {ACCEPT}"
    await peer.end()
    assert [event["kind"] for event in peer.callbacks].count("opened") == tries


async def test_who_makes_no_next_call_is_cut(monkeypatch: pytest.MonkeyPatch, peer: RpycPeer) -> None:
    monkeypatch.setattr(backends.rpyc.server, "CALLBACK_TIMEOUT", 0.05)
    peer.answer = raising(peer, "ValueError", "")
    await peer.enter("eve")
    await peer.end()


async def test_who_is_waited_for_is_hung_up_when_the_server_stops(
    monkeypatch: pytest.MonkeyPatch, server: RpycServer, peer: RpycPeer, bystander: RpycPeer
) -> None:
    monkeypatch.setattr(backends.rpyc.server, "CALLBACK_TIMEOUT", 1e6)
    peer.answer = raising(peer, "ValueError", "")
    await peer.enter("eve")
    eve = connection_of(server, "eve")
    await closing_reason(peer)
    while not eve._stays:
        await bystander.call("members")
    eve.close(Closing("the server is going down"))
    await peer.end()


async def test_a_call_that_comes_while_the_connection_ends_gets_the_reason(
    server: RpycServer, peer: RpycPeer
) -> None:
    await peer.enter("eve")
    await peer.hears(kind="joined", author="eve")
    number = await peer.begin_call("send", "too late")
    connection_of(server, "eve").close(Closing("the server is going down"))
    answer = await peer.answer_to(number)
    assert isinstance(answer, Raised)
    assert (answer.name, answer.text) == ("Closing", "the server is going down")


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
        assert await reason(peer) == "seat_gone"


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
