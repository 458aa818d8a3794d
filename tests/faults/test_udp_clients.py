"""The client's own limits: sizes, several addresses, a lost welcome, a log that cannot be read."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections import Counter
from typing import Any

import pytest

import backends
import backends.udp.client_connection
import backends.udp.client_handshake
import backends.udp.receive_buffer
import backends.udp.server_socket
from backends.udp.client import UdpClient
from backends.udp.codec import MTU
from backends.udp.server import UdpServer
from backends.udp.server_connection import SILENCE_TIMEOUT
from chat.domain.errors import BadText, ConnectionLost, NickTaken, NotStored
from chat.domain.model import Cursor, Edit, Hello, Limits, Say
from chat.interfaces.address import Address
from chat.interfaces.client import ClientOptions
from chat.interfaces.server import ServerOptions
from chat.interfaces.technique import Technique
from chat.server.hub import Hub
from chat.server.seat import HubSeat
from tests.support.kit import Connect, Serving
from tests.support.people import Person
from tests.support.relay import DatagramRelay


@pytest.fixture
def technique() -> Technique:
    return backends.technique("udp")


@pytest.fixture
def limits() -> Limits:
    return Limits(burst=0)


async def test_what_fits_in_no_datagram_is_refused_with_its_size(connect: Connect) -> None:
    client, _ = await connect("ann")
    with pytest.raises(BadText, match="a datagram holds"):
        await client.send(Say("x" * 70_000, 1))
    with pytest.raises(BadText, match="a datagram holds"):
        await client.send(Edit(1, '"' * 40_000, 2))


async def test_datagrams_that_travel_in_fragments_are_counted(connect: Connect) -> None:
    ann = Person(*await connect("ann"))
    ann.listen()
    await ann.say("short")
    assert ann.client.activity() == "lost 0, late 0, twice 0"
    await ann.say("x" * MTU)
    assert ann.client.activity() == "lost 0, late 0, twice 0, fragmented 2"
    ann.client.earlier = Counter(lost=4, fragmented=1)  # of the connections before
    assert ann.client.activity() == "lost 4, late 0, twice 0, fragmented 3"
    await ann.stop()


async def test_a_lost_welcome_is_sent_again(server: Serving, hub: Hub) -> None:
    relay = DatagramRelay(server.address)
    lost: list[bytes] = []

    def lose(datagram: bytes) -> bool:
        lose = b'"welcome"' in datagram and not lost
        lost.extend([datagram] * lose)
        return lose

    relay.lose_down = lose
    await relay.start()
    client = UdpClient(relay.address)
    welcome = await client.connect(Hello("lab", "ann"))
    assert len(lost) == 1
    assert [member.seat for member in welcome.members] == [welcome.seat]
    assert hub.seats == 1
    await client.close()
    await relay.stop()


async def test_a_client_that_got_no_welcome_may_try_again(
    server: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The nick belongs to its own seat, of which it does not know: the refusal is not final."""
    relay = DatagramRelay(server.address)
    relay.lose_down = lambda datagram: b'"welcome"' in datagram
    await relay.start()
    with monkeypatch.context() as patch:
        patch.setattr(backends.udp.client_handshake, "WELCOME_TIMEOUT", 0.6)
        client = UdpClient(relay.address)
        with pytest.raises(ConnectionLost):
            await client.connect(Hello("lab", "ann"))
        await client.close()
    relay.lose_down = lambda datagram: False
    again = UdpClient(relay.address)
    with pytest.raises(NickTaken) as refusal:
        await again.connect(Hello("lab", "ann"))
    assert refusal.value.retry_after == SILENCE_TIMEOUT
    await again.close()
    await relay.stop()


@pytest.mark.parametrize("access", ["", "open sesame"], ids=["open", "token"])
@pytest.mark.parametrize("system", ["this system", "another system"])
async def test_a_burst_reaches_everybody(
    hub: Hub, technique: Technique, access: str, system: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By few calls to the kernel, or by one for each datagram."""
    if system == "another system":
        monkeypatch.setattr(backends.udp.server_socket, "send_many", lambda udp: None)
        monkeypatch.setattr(backends.udp.server_socket, "is_supported", lambda udp: False)
    server = UdpServer(hub, Address("127.0.0.1", 0), ServerOptions(access=access))
    address = await server.start()
    people = []
    for nick in ("ann", "ben", "eve"):
        client = UdpClient(address)
        people.append(Person(client, await client.connect(Hello("lab", nick, access=access))))
        people[-1].listen()
    texts = [f"{number} {'x' * (number * 37 % 300)}" for number in range(100)]
    await asyncio.gather(*map(people[0].say, texts))
    for person in people:
        await person.until(lambda seen: sum(event.kind == "sent" for event in seen) == len(texts))
        assert sorted(person.texts) == sorted(texts)
        await person.client.close()
        await person.stop()
    assert not server.counts
    await server.stop()


@pytest.mark.parametrize("access", ["", "open sesame"], ids=["open", "token"])
async def test_cookies_that_come_after_the_welcome_change_nothing(server: Serving, access: str) -> None:
    client = UdpClient(server.address, ClientOptions(settings={"dup": "1"}))
    ann = Person(client, await client.connect(Hello("lab", "ann", access=access)))
    ann.listen()
    assert (await ann.say("doubled")).n == 1
    assert [member.seat for member in await client.members()] == [ann.welcome.seat]
    await client.close()
    await ann.stop()


async def test_a_repair_goes_on_when_the_buffer_is_full_of_later_events(
    server: Serving, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backends.udp.receive_buffer, "BUFFER_EVENTS", 20)
    relay = DatagramRelay(server.address)
    await relay.start()
    client = UdpClient(relay.address, ClientOptions(settings={"repair": "on"}))
    eve = Person(client, await client.connect(Hello("lab", "eve")))
    eve.listen()
    await eve.knows(eve.welcome.head)
    ann = Person(*await connect("ann"))
    ann.listen()
    relay.lose_down = lambda datagram: any(b'"m%d"' % i in datagram for i in (0, 1, 7))
    for i in range(60):
        await ann.say(f"m{i}")
    relay.lose_down = lambda datagram: False
    await eve.hears("m59")
    assert eve.texts == [f"m{i}" for i in range(60)]
    await client.close()
    await eve.stop()
    await ann.stop()
    await relay.stop()


async def test_closing_during_a_request_leaves_no_error_behind(connect: Connect, server: Serving) -> None:
    asked = asyncio.Event()
    said: list[str] = []

    def lose_up(datagram: bytes) -> bool:
        question = b'"names"' in datagram
        if question:
            asked.set()
        return question

    relay = DatagramRelay(server.address)
    relay.lose_up = lose_up
    relay.lose_down = lambda datagram: b"unheard" in datagram or b'"end"' in datagram
    await relay.start()
    client = UdpClient(relay.address)
    eve = Person(client, await client.connect(Hello("lab", "eve")))
    eve.listen()
    await eve.knows(eve.welcome.head)
    ann = Person(*await connect("ann"))
    ann.listen()
    await ann.say("unheard")
    await asked.wait()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context["message"]))
    await client.close()
    await eve.stop()
    await ann.stop()
    await relay.stop()
    del client, eve  # an exception that was not retrieved is logged when it is freed
    gc.collect()
    assert said == []


@pytest.mark.parametrize("access", ["open sesame"], ids=["token"])
async def test_with_a_token_a_client_at_a_new_address_times_out_and_resumes(
    server: Serving, access: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`gone` carries no MAC, so it is not accepted here: only the timeout ends the connection."""
    monkeypatch.setattr(backends.udp.client_connection, "SILENCE_TIMEOUT", 0.5)
    monkeypatch.setattr(backends.udp.client_connection, "CHECK_EVERY", 0.1)
    relay = DatagramRelay(server.address)
    await relay.start()
    client = UdpClient(relay.address)
    ann = Person(client, await client.connect(Hello("lab", "ann", access=access)))
    ann.listen()
    said = await ann.say("before")
    await relay.cut()
    assert isinstance(await ann.over, ConnectionLost)
    again = UdpClient(relay.address)
    cursor = Cursor(said.seq, ann.welcome.epoch)
    back = await again.connect(Hello("lab", "ann", cursor, access, ann.welcome.seat_key))
    assert back.seat == ann.welcome.seat
    await again.close()
    await client.close()
    await ann.stop()
    await relay.stop()


async def test_a_host_with_several_addresses_is_served_on_each(hub: Hub, technique: Technique) -> None:
    found = {entry[0] for entry in socket.getaddrinfo("localhost", 0, type=socket.SOCK_DGRAM)}
    server = UdpServer(hub, Address("localhost", 0))
    address = await server.start()
    assert {endpoint.udp.socket.family for endpoint in server.endpoints} == found
    client = UdpClient(Address("localhost", address.port))
    await client.connect(Hello("lab", "ann"))
    await client.close()
    await server.stop()


async def test_if_one_address_refuses_the_next_is_tried(
    server: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    real = loop.getaddrinfo

    async def two(host: Any, port: Any, **more: Any) -> list[Any]:
        (entry, *_) = await real("127.0.0.1", port, **more)
        nobody = (*entry[:4], ("127.0.0.1", 9))  # the discard port: nothing listens
        return [nobody, entry] if port == server.address.port else [entry]

    monkeypatch.setattr(loop, "getaddrinfo", two)
    client = UdpClient(server.address)
    assert (await client.connect(Hello("lab", "ann"))).nick == "ann"
    await client.close()


async def test_while_the_log_cannot_be_read_missing_events_are_not_reported(
    server: Serving, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay = DatagramRelay(server.address)
    await relay.start()
    client = UdpClient(relay.address)
    eve = Person(client, await client.connect(Hello("lab", "eve")))
    eve.listen()
    ann = Person(*await connect("ann"))
    ann.listen()
    await ann.knows(ann.welcome.head)
    await eve.sees("joined", "ann")
    real, failures = HubSeat.history, 0

    async def history(self: HubSeat, **asked: Any) -> Any:
        nonlocal failures
        failures += 1
        if failures == 1:
            raise NotStored("the disk is gone for a moment")
        return await real(self, **asked)

    monkeypatch.setattr(HubSeat, "history", history)
    relay.lose_down = lambda datagram: b"lost" in datagram
    said = await ann.say("lost")
    await eve.until(lambda _: eve.missing)
    assert eve.missing == [said.seq]
    assert failures == 2
    await client.close()
    await eve.stop()
    await ann.stop()
    await relay.stop()


async def test_a_server_can_simulate_loss_too(hub: Hub) -> None:
    rough = {"loss": "0.3", "dup": "0.2", "reorder": "0.2", "seed": "7"}
    server = UdpServer(hub, Address("127.0.0.1", 0), ServerOptions(settings=rough))
    client = UdpClient(await server.start(), ClientOptions(settings={"repair": "on"}))
    ann = Person(client, await client.connect(Hello("lab", "ann")))
    ann.listen()
    for i in range(10):
        await ann.say(f"m{i}")
    await ann.hears("m9")
    assert ann.texts == [f"m{i}" for i in range(10)]
    await client.close()
    await ann.stop()
    await server.stop()
