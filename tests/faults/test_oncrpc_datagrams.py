"""ONC RPC over UDP: what comes twice happens once, what is lost is sent again, and every reply is short."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator

import pytest

import backends.oncrpc.calls
import backends.oncrpc.server
from backends.oncrpc.client import OncRpcClient
from backends.oncrpc.datagrams import MAX_CALL, MAX_PER_ADDRESS
from backends.oncrpc.server import OncRpcServer
from chat.domain.errors import Closing, ConnectionLost
from chat.domain.model import Cursor, Hello, Limits, Say
from chat.interfaces.address import Address
from chat.interfaces.client import ClientOptions
from chat.interfaces.server import ServerOptions
from chat.server.hub import Hub
from chat.transport.listener import Place, bind_socket
from protos.chat_xdr import (
    CHAT_DELETE,
    CHAT_FETCH,
    CHAT_NULL,
    CHAT_SEND,
    chat_status,
    delete_args,
    draft_ok,
    draft_res,
    fetch_ok,
    fetch_res,
    send_args,
)
from tests.support.oncrpc_peer import SUCCESS, DatagramPeer, StreamPeer, after, header, marked, words
from tests.support.people import Person
from tests.support.stage import Disk, running

pytestmark = pytest.mark.both_loops

UDP = ClientOptions(settings={"transport": "udp"})


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
async def hub(disk: Disk) -> AsyncIterator[Hub]:
    async with running(disk, limits=Limits(burst=0)) as hub:
        yield hub


@pytest.fixture
def cache() -> str:
    return "on"


@pytest.fixture
async def server(hub: Hub, cache: str) -> AsyncIterator[OncRpcServer]:
    options = ServerOptions(settings={"duplicate-cache": cache})
    server = OncRpcServer(hub, Address("127.0.0.1", 0), options)
    server.address = await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def peer(server: OncRpcServer) -> AsyncIterator[DatagramPeer]:
    async with DatagramPeer.open(server.address) as peer:
        yield peer


# --- what comes twice ------------------------------------------------------------------------------


@pytest.mark.parametrize(("cache", "said"), [("on", ["hi"]), ("off", ["hi", "hi"])])
async def test_a_call_that_comes_again_happens_once_if_answers_are_remembered(
    peer: DatagramPeer, said: list[str]
) -> None:
    await peer.join("ann")
    call = header(1, CHAT_SEND) + send_args(peer.seat_key, 0, "hi").encode()
    await peer.send(call)
    first = await peer.reply(1)
    await peer.send(call)
    again = await peer.reply(1)
    assert await peer.texts() == said
    assert (first == again) is (len(said) == 1)


@pytest.mark.parametrize(("cache", "said"), [("on", ["hi"]), ("off", ["hi", "hi", "hi"])])
async def test_so_does_one_that_is_not_answered_yet(peer: DatagramPeer, disk: Disk, said: list[str]) -> None:
    await peer.join("ann")
    disk.slow = True
    for _ in range(3):
        await peer.send(header(1, CHAT_SEND) + send_args(peer.seat_key, 0, "hi").encode())
    await peer.still_there()
    disk.slow = False
    disk.catch_up()
    for _ in said:
        await peer.reply(1)
    assert await peer.texts() == said


async def test_the_same_xid_with_other_arguments_is_another_call(peer: DatagramPeer) -> None:
    await peer.join("ann")
    for text in ("one", "two"):
        await peer.send(header(1, CHAT_SEND) + send_args(peer.seat_key, 0, text).encode())
        await peer.reply(1)
    assert await peer.texts() == ["one", "two"]


async def test_the_same_call_from_another_address_is_another_call(
    peer: DatagramPeer, server: OncRpcServer
) -> None:
    await peer.join("ann")
    call = header(1, CHAT_SEND) + send_args(peer.seat_key, 0, "hi").encode()
    async with DatagramPeer.open(server.address) as other:
        for one in (peer, other):
            await one.send(call)
            await one.reply(1)
    assert await peer.texts() == ["hi", "hi"]


async def test_a_fetch_that_comes_again_is_answered_anew(peer: DatagramPeer) -> None:
    """It changes nothing, so its answer is not remembered."""
    joined = await peer.join("ann")
    counts = []
    for _ in range(2):
        await peer.send(header(1, CHAT_FETCH) + after(peer.seat_key, joined.head).encode())
        fetched = fetch_res.decode((await peer.reply(1))[len(SUCCESS) :]).value
        assert isinstance(fetched, fetch_ok)
        counts.append(len(fetched.events))
        await peer.say("news")
    assert counts == [0, 1]


# --- what is no call -------------------------------------------------------------------------------

DROPPED: dict[str, bytes] = {
    "nothing": b"",
    "garbage": bytes(range(200)),
    "text": b"hello?",
    "a reply": header(1, CHAT_NULL, type=1),
    "half a header": header(1, CHAT_NULL)[:20],
    "a record mark before it": marked(header(1, CHAT_NULL)),
    "a credential over 400 bytes": header(1, CHAT_NULL, flavor=1, credential=bytes(404)),
    "a byte more than a call may have": header(1, CHAT_NULL) + bytes(MAX_CALL - 39),
}


@pytest.mark.parametrize("name", DROPPED)
async def test_what_is_no_call_gets_no_answer(peer: DatagramPeer, name: str) -> None:
    await peer.send(DROPPED[name])
    await peer.still_there()
    assert peer.replies == {}


async def test_what_is_wrong_in_a_call_is_answered(peer: DatagramPeer) -> None:
    assert await peer.reply(await peer.begin(CHAT_NULL, rpc_version=3)) == words(1, 1, 0, 2, 2)
    assert await peer.reply(await peer.begin(CHAT_NULL, program=5)) == words(1, 0, 0, 0, 1)
    assert await peer.reply(await peer.begin(CHAT_NULL, bytes(MAX_CALL - 40))) == words(1, 0, 0, 0, 4)


async def test_what_one_may_have_under_way_is_bounded_and_nobody_else_notices(
    peer: DatagramPeer, server: OncRpcServer
) -> None:
    joined = await peer.join("ann")
    polls = [
        await peer.begin(CHAT_FETCH, after(peer.seat_key, joined.head, wait_ms=20000))
        for _ in range(MAX_PER_ADDRESS + 5)
    ]
    async with DatagramPeer.open(server.address) as other:
        await other.join("bob")
        for xid in polls[:MAX_PER_ADDRESS]:
            await peer.reply(xid)
        await peer.still_there()
    assert peer.replies == {}, "what came beyond them was dropped"


# --- the server's two sockets ----------------------------------------------------------------------


async def test_both_transports_have_one_port_and_one_room(peer: DatagramPeer, server: OncRpcServer) -> None:
    await peer.join("ann")
    await peer.say("by datagram")
    async with await StreamPeer.open(server.address) as other:
        await other.join("bob")
        await other.say("by stream")
    assert await peer.texts() == ["by datagram", "by stream"]


async def test_a_port_that_is_taken_for_udp_is_an_oserror_and_is_left_for_tcp(hub: Hub) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        with socket.create_server(("127.0.0.1", 0)) as free:  # a port that nobody has over TCP
            address = Address(*free.getsockname())
            taken.bind(free.getsockname())
        with pytest.raises(OSError):  # noqa: PT011  # the system's own text, in its own language
            await OncRpcServer(hub, address).start()
    server = OncRpcServer(hub, address)
    assert await server.start() == address
    await server.stop()


async def test_of_free_ports_one_is_taken_that_is_free_for_both(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[object] = []

    def sometimes(family: int, place: Place, kind: socket.SocketKind) -> socket.socket:
        if len(refused) < 3:
            refused.append(place)
            raise OSError("taken")
        return bind_socket(family, place, kind)

    monkeypatch.setattr(backends.oncrpc.server, "bind_socket", sometimes)
    server = OncRpcServer(hub, Address("127.0.0.1", 0))
    address = await server.start()
    async with DatagramPeer.open(address) as peer, await StreamPeer.open(address) as other:
        await peer.still_there()
        await other.still_there()
    await server.stop()
    assert len(refused) == 3


async def test_a_server_that_stops_answers_what_waits(hub: Hub) -> None:
    server = OncRpcServer(hub, Address("127.0.0.1", 0))
    client = OncRpcClient(await server.start(), UDP)
    person = Person(client, await client.connect(Hello("lab", "ann", cursor=Cursor(0))))
    person.listen()
    await person.knows(person.welcome.head)
    await client.ping()
    await server.stop()
    assert isinstance(await person.over, Closing)
    with pytest.raises(ConnectionLost):
        await client.send(Say("too late", 1))
    await client.close()
    await person.stop()


async def test_drafts_of_all_kinds_are_remembered(peer: DatagramPeer) -> None:
    await peer.join("ann")
    said = (await peer.say("oops")).value
    assert isinstance(said, draft_ok)
    call = header(1, CHAT_DELETE) + delete_args(peer.seat_key, 0, said.seq).encode()
    for _ in range(2):
        await peer.send(call)
        result = draft_res.decode((await peer.reply(1))[len(SUCCESS) :])
        assert result.status is chat_status.CHAT_OK, "a message can be deleted once"
