"""Bad datagrams: garbage, forged addresses, replays, floods. No reply is longer than what it answers."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

import backends
import backends.udp.server_connection
from backends.udp.codec import GoneMessage
from backends.udp.message_auth import HELLO_UP, Authenticator, derive, root_key
from backends.udp.server import UdpServer
from backends.udp.server_connection import MAX_REQUESTS
from backends.udp.server_endpoint import ServerEndpoint
from chat.domain.errors import ChatError
from chat.domain.json_codec import encode
from chat.domain.model import Limits
from chat.interfaces.address import Address
from chat.interfaces.technique import Technique
from chat.server.hub import Hub
from tests.support.kit import Connect, Serving
from tests.support.people import Person
from tests.support.udp_peer import NONCE, RawPeer

pytestmark = pytest.mark.both_loops

TOKEN = "open sesame"
GARBAGE = (
    b"x",
    b"{",
    b'{"kind":"hello","nick":"eve"',
    b'{"kind":"hello"}',
    b'{"kind":"nope"}',
    b'{"kind":"say","text":"hi","n":1}',
    b'{"kind":"history","limit":200}',
    b'{"kind":"members"}',
    b"[" * 5000,
    b"\xff\xfe\0",
    b'{"kind":"hello","nick":"eve","nonce":"' + b"n" * 5000 + b'"}',
    b'{"kind":"gone"}',
    b'{"kind":"cookie","cookie":"x"}',
    b"{}\n1 " + b"0" * 32,
    b"GET / HTTP/1.1\r\n\r\n",
    bytes(60_000),
)


@pytest.fixture
def technique() -> Technique:
    return backends.technique("udp")


@pytest.fixture
def limits() -> Limits:
    return Limits(burst=0)


@pytest.fixture
def endpoint(server: Serving) -> ServerEndpoint:
    assert isinstance(server.server, UdpServer)
    return server.server.endpoints[0]


@pytest.fixture
async def peer(server: Serving) -> AsyncIterator[RawPeer]:
    async with RawPeer(server.address) as peer:
        yield peer


@pytest.fixture
async def ann(connect: Connect) -> AsyncIterator[Person]:
    ann = Person(*await connect("ann", access=TOKEN))
    ann.listen()
    yield ann
    await ann.stop()


# --- before the address is proven ----------------------------------------------------------------


@pytest.mark.parametrize("data", GARBAGE, ids=range(len(GARBAGE)))
async def test_what_is_no_hello_gets_no_answer(peer: RawPeer, hub: Hub, data: bytes) -> None:
    peer.send(data)
    peer.say(kind="hello", nick="eve", pad="x" * 256)
    message = json.loads(await peer.datagram())
    assert message["kind"] == "cookie", "the first answer is the hello's"
    assert hub.seats == 0


@pytest.mark.parametrize("access", ["", TOKEN], ids=["open", "token"])
async def test_no_address_gets_more_than_came_from_it(server: Serving, peer: RawPeer, access: str) -> None:
    hello = {"kind": "hello", "nick": "e", "nonce": NONCE}
    async with AsyncExitStack() as stack:
        victims = [await stack.enter_async_context(RawPeer(server.address)) for _ in range(60)]
        for size, victim in enumerate(victims):
            victim.say(**hello, pad="x" * size)
        for _ in range(2):  # by then the earlier replies have come
            await peer.cookie()
    assert [(victim.sent, victim.got) for victim in victims if victim.got > victim.sent] == []
    assert any(victim.got for victim in victims)


async def test_a_hello_that_is_shorter_than_its_answer_gets_none(
    peer: RawPeer, endpoint: ServerEndpoint
) -> None:
    peer.send(b'{"kind":"hello","nick":"e"}')
    await peer.cookie()
    assert peer.came.empty()
    assert endpoint.counts["too short"] == 1


async def test_a_flood_of_hellos_leaves_nothing(
    server: Serving, peer: RawPeer, hub: Hub, endpoint: ServerEndpoint
) -> None:
    for i in range(500):
        peer.say(kind="hello", nick=f"eve{i}", pad="x" * 256, cookie="0" * 32)
        if i % 50 == 0:
            await peer.until("cookie")
    await peer.cookie()
    assert (hub.seats, len(endpoint.connections), len(endpoint.handshakes), len(endpoint.tasks)) == (
        0,
        0,
        0,
        0,
    )


async def test_a_cookie_of_another_address_opens_nothing(server: Serving, peer: RawPeer, hub: Hub) -> None:
    async with RawPeer(server.address) as other:
        stolen = await other.cookie()
        peer.say(kind="hello", nick="eve", cookie=stolen, pad="x" * 256)
        assert json.loads(await peer.datagram())["kind"] == "cookie"
    assert hub.seats == 0


@pytest.mark.parametrize("kind", [b"ping", b"leave"], ids=["ping", "leave"])
async def test_an_address_without_a_seat_is_told_so_in_no_more_bytes(peer: RawPeer, kind: bytes) -> None:
    peer.send(b'{"kind":"%b"}' % kind)
    assert await peer.datagram() == encode(GoneMessage())
    assert peer.got <= peer.sent


# --- with a seat ---------------------------------------------------------------------------------


async def test_garbage_from_a_client_is_answered_and_its_seat_stays(peer: RawPeer) -> None:
    await peer.enter()
    peer.send(b'{"kind":"say","text":7,"n":3}')
    assert (await peer.until("error", n=3))["code"] == "bad_request"
    peer.send(b"garbage")
    assert (await peer.until("error"))["code"] == "bad_request"
    peer.say(kind="say", text="still here", n=3)
    assert (await peer.until("sent"))["text"] == "still here"


async def test_a_draft_without_a_number_is_refused(peer: RawPeer) -> None:
    await peer.enter()
    peer.say(kind="say", text="which?")
    assert "number" in (await peer.until("error"))["text"]


async def test_the_same_hello_again_gets_the_same_seat(peer: RawPeer, hub: Hub) -> None:
    """The welcome may have been lost."""
    cookie = await peer.cookie()
    for _ in range(2):
        peer.say(kind="hello", nick="eve", nonce=NONCE, cookie=cookie)
    first = await peer.until("welcome")
    peer.say(kind="hello", nick="eve", nonce=NONCE, cookie=cookie)
    again = await peer.until("welcome")
    assert (first["seat"], first["seat_key"]) == (again["seat"], again["seat_key"])
    assert hub.seats == 1


async def test_a_hello_that_comes_again_after_the_end_opens_nothing(
    peer: RawPeer, hub: Hub, endpoint: ServerEndpoint
) -> None:
    cookie = await peer.cookie()
    hello = {"kind": "hello", "nick": "eve", "nonce": NONCE, "cookie": cookie}
    peer.say(**hello)
    await peer.until("welcome")
    peer.say(kind="leave")
    await peer.until("end")
    peer.say(**hello)
    await peer.cookie()
    assert hub.seats == 0
    assert endpoint.counts["replayed hellos"] == 1


async def test_another_address_takes_a_seat_with_its_key_alone(server: Serving, peer: RawPeer) -> None:
    welcome = await peer.enter()
    async with RawPeer(server.address) as thief:
        thief.say(kind="hello", nick="eve", cookie=await thief.cookie(), seat_key="guessed")
        assert (await thief.until("end"))["code"] == "nick_taken"
        peer.say(kind="say", text="mine", n=1)
        await peer.until("sent", seat=welcome["seat"])
        again = await thief.enter(seat_key=welcome["seat_key"])
        assert again["seat"] == welcome["seat"]
        assert (await peer.until("end"))["code"] == "seat_taken"


async def test_an_address_without_a_seat_cannot_speak_for_one(
    server: Serving, peer: RawPeer, endpoint: ServerEndpoint
) -> None:
    await peer.enter()
    async with RawPeer(server.address) as other:
        other.say(kind="say", text="I am eve", n=1)
        await other.cookie()
    peer.say(kind="say", text="no, I am", n=1)
    assert (await peer.until("sent"))["text"] == "no, I am"
    assert endpoint.counts["no connection"] == 1


async def test_a_client_that_asks_too_much_is_not_answered_and_others_are(
    server: Serving, peer: RawPeer, endpoint: ServerEndpoint, connect: Connect
) -> None:
    await peer.enter()
    for ref in range(3 * MAX_REQUESTS):
        peer.say(kind="members", ref=ref)
        if ref % 100 == 0:
            await asyncio.sleep(0)
    client, _ = await connect("bob")
    assert await client.ping() > 0
    assert [member.nick for member in await client.members()] == ["eve", "bob"]
    assert endpoint.counts["too many requests"] > 0


@pytest.mark.parametrize("limits", [Limits(grace=0.05)], ids=[""])
async def test_a_silent_client_is_taken_for_gone_and_its_seat_ends(
    peer: RawPeer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backends.udp.server_connection, "SILENCE_TIMEOUT", 1)
    await peer.enter()
    bob = Person(*await connect("bob"))
    bob.listen()
    await bob.sees("left", "eve")
    await bob.stop()


@pytest.mark.parametrize("size", [1000, 4000])
async def test_a_large_text_passes_in_one_datagram(peer: RawPeer, size: int) -> None:
    await peer.enter()
    text = '"' * size
    peer.say(kind="say", text=text, n=1)
    assert (await peer.until("sent"))["text"] == text


async def test_texts_that_fit_no_datagram_are_not_allowed_from_the_start(hub: Hub) -> None:
    hub.limits = Limits(text_bytes=40_000)
    with pytest.raises(ChatError, match="set a lower limit"):
        await UdpServer(hub, Address("127.0.0.1", 0)).start()


async def test_the_log_of_the_program_stays_silent(peer: RawPeer, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        for data in GARBAGE:
            peer.send(data)
        await peer.enter()
        for data in GARBAGE:
            peer.send(data)
        peer.say(kind="ping", ref=9)
        await peer.until("pong", ref=9)
    assert caplog.records == []


# --- with the token ------------------------------------------------------------------------------

with_token = pytest.mark.parametrize("access", [TOKEN], ids=["token"])


@with_token
async def test_with_the_token_a_client_talks(peer: RawPeer, access: str) -> None:
    authenticator = await peer.enter_with_token(TOKEN)
    peer.send(authenticator.protect(b'{"kind":"say","text":"verified","n":1}'))
    assert (await peer.until("sent"))["text"] == "verified"


@with_token
async def test_the_token_is_never_sent(peer: RawPeer, ann: Person, access: str) -> None:
    await peer.enter_with_token(TOKEN)
    await ann.say("hello")
    await peer.until("sent")
    assert TOKEN.encode() not in repr(peer.came).encode()


@with_token
@pytest.mark.parametrize("how", ["no MAC", "another token", "changed"])
async def test_a_client_without_the_token_gets_no_seat_and_is_told(
    peer: RawPeer, hub: Hub, access: str, how: str
) -> None:
    cookie = await peer.cookie(nonce=NONCE)
    hello = json.dumps({"kind": "hello", "nick": "eve", "nonce": NONCE, "cookie": cookie}).encode()
    token = "another" if how == "another token" else TOKEN
    datagram = Authenticator(derive(root_key(token), HELLO_UP, NONCE, cookie)).protect(hello)
    if how == "no MAC":
        datagram = hello
    elif how == "changed":
        datagram = datagram.replace(b"eve", b"ann")
    peer.send(datagram)
    end = await peer.until("end")
    assert (end["code"], end["nonce"]) == ("access_denied", NONCE)
    assert ("wrong" in end["text"]) is (how != "no MAC")
    assert hub.seats == 0


@with_token
async def test_forged_and_replayed_datagrams_do_nothing(
    peer: RawPeer, ann: Person, endpoint: ServerEndpoint, access: str
) -> None:
    authenticator = await peer.enter_with_token(TOKEN)
    draft = authenticator.protect(b'{"kind":"say","text":"once","n":1}')
    leave = authenticator.protect(b'{"kind":"leave"}')
    peer.send(draft.replace(b"once", b"ones"))
    peer.send(b'{"kind":"leave"}')
    peer.send(leave.replace(b"\n2 ", b"\n3 "))
    for _ in range(3):
        peer.send(draft)
    peer.send(authenticator.protect(b'{"kind":"say","text":"last","n":2}'))
    await ann.hears("last")
    assert ann.texts == ["once", "last"]
    assert not [event for event in ann.seen if event.kind == "left"]
    assert endpoint.counts["no connection"] == 5


@with_token
async def test_a_datagram_of_the_server_cannot_be_sent_back_to_it(
    peer: RawPeer, ann: Person, endpoint: ServerEndpoint, access: str
) -> None:
    await peer.enter_with_token(TOKEN)
    await ann.say("hello")
    said = await peer.datagram()
    peer.send(said)
    await peer.cookie()
    assert endpoint.counts["malformed"] + endpoint.counts["no connection"] == 1


@with_token
async def test_a_client_accepts_no_datagram_without_a_mac(
    server: Serving, hub: Hub, ann: Person, access: str, endpoint: ServerEndpoint
) -> None:
    (address,) = endpoint.connections
    for message in (
        {"kind": "end", "code": "closing", "text": "not true"},
        {"kind": "gone"},
        {"kind": "sent", "seq": 3, "prev": 2, "at": 1, "author": "bob", "text": "forged"},
    ):
        endpoint.udp.socket.sendto(json.dumps(message).encode(), address)
    said = await ann.say("not forged")
    await ann.knows(said.seq)
    assert ann.texts == ["not forged"]
