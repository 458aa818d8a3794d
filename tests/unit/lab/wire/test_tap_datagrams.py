"""The tap between clients and a server of datagrams: each client is told apart, and forgotten in time."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from typing import Any, cast

import psutil
import pytest

from chat.interfaces.address import Address
from chat.interfaces.frames import Direction
from lab.wire import datagrams
from lab.wire.tap import Tap
from tests.support.behind_tap import PATIENCE, Recorded, eventually, relayed

UP, DOWN = Direction
Loop = asyncio.get_running_loop


class Server(asyncio.DatagramProtocol):
    """Answers each datagram with the port that it came from, and itself."""

    def __init__(self) -> None:
        self.clients: set[Any] = set()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        self.clients.add(address)
        self.transport.sendto(str(address[1]).encode() + b" " + data, address)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    transport, protocol = await Loop().create_datagram_endpoint(Server, local_addr=("127.0.0.1", 0))
    yield protocol
    transport.close()
    await asyncio.sleep(0)


@pytest.fixture
async def front(tap: Tap, server: Server) -> Address:
    """Where clients send to."""
    return await relayed(tap, Address(*server.transport.get_extra_info("sockname")), "udp")


class Client:
    def __init__(self, front: Address) -> None:
        self.socket = socket.socket(type=socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.connect((front.host, front.port))

    async def ask(self, data: bytes) -> tuple[int, bytes]:
        """Send; return the port that the server saw, and what it got."""
        async with asyncio.timeout(PATIENCE):
            await Loop().sock_sendall(self.socket, data)
            port, _, rest = (await Loop().sock_recv(self.socket, 65536)).partition(b" ")
        return int(port), rest

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.socket.close()


def ways(tap: Tap) -> dict[Any, Any]:
    (relay,) = tap._relays.values()
    return cast(datagrams.DatagramRelay, relay)._ways


async def test_each_client_has_a_port_of_its_own_towards_the_server(tap: Tap, front: Address) -> None:
    with Client(front) as ann, Client(front) as bob:
        one, said = await ann.ask(b"hello")
        other, _ = await bob.ask(b"x")
        assert (await ann.ask(bytes(60_000)))[0] == one != other
        assert said == b"hello"
        recorded = Recorded(tap.capture)
        chunks = await recorded.until(lambda chunks: len(chunks) == 8)
        numbers = {chunk.connection.client: chunk.connection for chunk in chunks}
        mine = numbers["{}:{}".format(*ann.socket.getsockname())]
    assert len(numbers) == 2
    assert mine.transport == "udp"
    assert mine.sizes == [5 + 60_000, 60_000 + 5 + 2 * len(f"{one} ")]
    assert [chunk.what for chunk in chunks if chunk.connection is mine] == ["opened", *["data"] * 4]


async def test_a_server_that_is_gone_is_told(tap: Tap) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = Address(*closed.getsockname())
    front = await relayed(tap, nobody, "udp")
    recorded = Recorded(tap.capture)
    with Client(front) as ann:

        def told() -> bool:
            ann.socket.send(b"anybody?")
            return any(chunk.what == "unreachable" for chunk in recorded.look())

        await eventually(told)
    (first, *_) = [chunk for chunk in recorded.chunks if chunk.what == "unreachable"]
    assert first.about == "Connection refused"


async def test_a_silent_client_is_forgotten_and_may_come_back(
    tap: Tap, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datagrams, "IDLE", 0.2)
    front = await relayed(tap, Address(*server.transport.get_extra_info("sockname")), "udp")
    with Client(front) as ann:
        first, _ = await ann.ask(b"x")
        recorded = Recorded(tap.capture)
        await recorded.until(lambda chunks: any(chunk.what == "closed" for chunk in chunks))
        assert not ways(tap)
        again, _ = await ann.ask(b"x")
        notes = await recorded.happenings(3)
    assert again != first
    assert [what for what, _, _ in notes[:3]] == ["opened", "closed", "opened"]
    assert notes[1][2] == "0 s without a datagram"


async def test_of_too_many_clients_the_one_that_was_silent_longest_is_forgotten(
    tap: Tap, front: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datagrams, "MAX_CLIENTS", 3)
    people = [Client(front) for _ in range(4)]
    ports = [(await person.ask(b"x"))[0] for person in people[:3]]
    assert (await people[0].ask(b"x"))[0] == ports[0]  # so the second was silent longest
    await people[3].ask(b"x")
    assert len(ways(tap)) == 3
    assert (await people[0].ask(b"x"))[0] == ports[0]
    assert (await people[1].ask(b"x"))[0] != ports[1]
    notes = await Recorded(tap.capture).happenings(7)
    assert [about for what, _, about in notes if what == "closed"] == ["too many clients"] * 2
    for person in people:
        person.socket.close()


def test_how_many_clients_there_may_be() -> None:
    assert datagrams.MAX_CLIENTS == 256


async def test_what_comes_before_there_is_a_port_is_handed_on(front: Address, server: Server) -> None:
    with Client(front) as ann:
        for number in range(20):
            ann.socket.send(str(number).encode())
        got: set[bytes] = set()
        async with asyncio.timeout(PATIENCE):
            while len(got) < 20:
                got.add((await Loop().sock_recv(ann.socket, 100)).partition(b" ")[2])
    assert len(server.clients) == 1


async def test_cut_forgets_everybody_and_lets_them_in_again(tap: Tap, front: Address) -> None:
    with Client(front) as ann:
        first, _ = await ann.ask(b"x")
        await asyncio.to_thread(tap.cut)
        assert not ways(tap)
        assert (await ann.ask(b"y"))[0] != first
    notes = await Recorded(tap.capture).happenings(3)
    assert notes[1] == ("closed", "UP", "cut")


@pytest.mark.parametrize("shared", [False, True])
async def test_closing_leaves_no_thread_and_no_socket(server: Server, shared: bool) -> None:
    process = psutil.Process()
    target = Address(*server.transport.get_extra_info("sockname"))
    sockets = len(process.net_connections("udp"))
    tap = Tap(loop=asyncio.get_running_loop() if shared else None)
    front = await relayed(tap, target, "udp")
    for _ in range(20):
        with Client(front) as ann:
            ann.socket.send(b"and I am gone")
    await asyncio.to_thread(tap.close)
    assert not [thread for thread in threading.enumerate() if thread.name == "tap"]
    assert len(process.net_connections("udp")) == sockets
