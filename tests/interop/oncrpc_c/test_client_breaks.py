"""Their client where something breaks: the server, the connection, the seat, a datagram."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backends.oncrpc.client import OncRpcClient
from backends.oncrpc.server import OncRpcServer
from chat.domain.model import Body, Sent
from chat.interfaces.address import Address
from chat.interfaces.client import ClientOptions
from chat.interfaces.log import Pending
from chat.server.hub import Hub
from chat.server.logs.memory import MemoryLog
from tests.support.foreign import SPOKEN, Enter, Launch, end_seat, served
from tests.support.people import Person
from tests.support.ports import own_port
from tests.support.relay import Relay

# --- what breaks -------------------------------------------------------------------------------


async def test_a_server_that_is_killed_loses_and_doubles_nothing(
    launch: Launch, enter: Enter, tmp_path: Path
) -> None:
    """Fifty lines, and two times ``kill -9`` among them."""
    lines = [f"line {number}" for number in range(50)]
    log = ("--log", f"sqlite:{tmp_path / 'log.sqlite3'}")
    with served("oncrpc", "--port", str(own_port()), *log) as (process, listening):
        address = listening["oncrpc"]
        again = ("oncrpc", "--port", str(address.port), *log)
        bob = await launch("chat-client", address.host, address.port, "bob")
        bob.type(*lines[:40])
        await bob.until(": line 10")
        process.kill()
        process.wait()
        assert (await bob.complaint()).startswith("* the connection broke")
    with served(*again) as (process, _):
        assert await bob.complaint() == "* connected again"
        await bob.until(": line 25")
        process.kill()
        process.wait()
        bob.type(*lines[40:])
        assert (await bob.complaint()).startswith("* the connection broke")
    with served(*again):
        code, complaints = await bob.over()
        assert (code, complaints) == (0, ["* connected again"])
        eve = await enter(OncRpcClient(address), "eve")
        events = await eve.client.history(after=0, limit=200)
        await eve.stop()
        await eve.client.close()
    assert [event.text for event in events if event.kind == "sent"] == lines
    assert [line.split(": ")[1] for line in bob.lines if line.startswith("[")] == lines
    assert [event.kind for event in events if event.author == "bob" and event.kind != "sent"] == [
        "joined",
        "left",
    ]


async def test_a_room_that_begins_anew_is_entered_anew(launch: Launch, enter: Enter) -> None:
    with served("oncrpc", "--port", str(own_port()), "--log", "memory") as (process, listening):
        address = listening["oncrpc"]
        bob = await launch("chat-client", address.host, address.port, "bob")
        bob.type("one", "two")
        await bob.until(": two")
        process.kill()
        process.wait()
        assert (await bob.complaint()).startswith("* the connection broke")
    bob.type("three")
    with served("oncrpc", "--port", str(address.port), "--log", "memory"):
        assert await bob.complaint() == "* the room has another log now: beginning anew"
        await bob.until(": three")
        eve = await enter(OncRpcClient(address), "eve")
        assert (await eve.hears("three")).n == 1
        assert await bob.over() == (0, ["* connected again"])
        await eve.stop()
        await eve.client.close()


async def test_a_seat_that_is_gone_is_taken_anew(
    launch: Launch, hub: Hub, oncrpc: Address, ann: Person
) -> None:
    bob = await launch("chat-client", oncrpc.host, oncrpc.port, "bob")
    bob.type("one", "two")
    first = await ann.hears("two")
    await end_seat(hub, "bob")
    await ann.sees("left", "bob")
    bob.type("three")
    last = await ann.hears("three")
    assert (first.n, last.n) == (2, 1)
    assert first.seat != last.seat
    assert await bob.over() == (0, [])


class Muzzle(Relay):
    """Breaks every connection instead of handing on the answer to a call with this word.

    Nobody is let through again until ``open`` is set.
    """

    def __init__(self, target: Address, word: bytes) -> None:
        super().__init__(target)
        self.broken = False
        self.open = asyncio.Event()
        self._word = word

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.broken:
            await self.open.wait()
        await super()._serve(reader, writer)

    async def _forward(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, down: bool) -> None:
        while data := await source.read(65536):
            self.up += b"" if down else data
            if down and self._word in self.up and not self.broken:
                self.broken = True
                for writer in self._writers:
                    writer.transport.abort()
                return
            sink.write(data)
        sink.close()


@pytest.mark.parametrize("ends", [False, True], ids=["seat kept", "seat ended"])
async def test_a_draft_whose_answer_got_lost_is_said_once(
    launch: Launch, hub: Hub, oncrpc: Address, ann: Person, ends: bool
) -> None:
    """Also when the seat has ended meanwhile: then only the events tell that it was said."""
    relay = Muzzle(oncrpc, b"answer me")
    await relay.start()
    try:
        bob = await launch("chat-client", relay.address.host, relay.address.port, "bob")
        bob.type("before", "answer me", "after")
        assert (await bob.complaint()).startswith("* the connection broke")
        await ann.hears("answer me")
        if ends:
            await end_seat(hub, "bob")
            await ann.sees("left", "bob")
        relay.open.set()
        assert await bob.over() == (0, ["* connected again"])
    finally:
        await relay.stop()
    await ann.hears("after")
    assert ann.texts == ["before", "answer me", "after"]
    assert [line.split(": ")[1] for line in bob.lines if line.startswith("[")] == ann.texts


class SlowLog(MemoryLog):
    """Holds back what is said, from ``hold`` until `let_go`."""

    hold = False

    def __init__(self) -> None:
        super().__init__()
        self.held: asyncio.Queue[tuple[str, Body, Any]] = asyncio.Queue()

    def append(self, room: str, body: Body, pending: Pending | None) -> None:
        if self.hold and isinstance(body, Sent):
            self.held.put_nowait((room, body, pending))
        else:
            super().append(room, body, pending)

    def let_go(self, *held: tuple[str, Body, Any]) -> None:
        self.hold = False
        for room, body, pending in held:
            self.append(room, body, pending)


async def test_a_draft_that_is_still_on_its_way_is_sent_again_with_its_number(
    launch: Launch, enter: Enter
) -> None:
    """The room does not show it yet, so it is sent again; that it is the same one, only the number tells."""
    log = SlowLog()
    hub = Hub(log)
    await hub.start()
    server = OncRpcServer(hub, Address("127.0.0.1", 0))
    address = await server.start()
    relay = Relay(address)
    await relay.start()
    try:
        bob = await launch("chat-client", relay.address.host, relay.address.port, "bob")
        await bob.until("bob joined (oncrpc)")
        log.hold = True
        bob.type("once", "after")
        first = await log.held.get()
        await relay.cut()
        second = await log.held.get()
        log.let_go(first, second)
        code, complaints = await bob.over()
        assert (code, complaints[1:]) == (0, ["* connected again"])
        eve = await enter(OncRpcClient(address), "eve")
        events = await eve.client.history(after=0, limit=200)
        await eve.stop()
        await eve.client.close()
    finally:
        await relay.stop()
        await server.stop()
        await hub.stop()
    assert [(event.n, event.text) for event in events if event.kind == "sent"] == [(1, "once"), (2, "after")]


# --- datagrams ---------------------------------------------------------------------------------


class Forgetful(asyncio.DatagramProtocol):
    """Stands before a server on UDP, and loses the first answer to the first call that holds a word."""

    def __init__(self, target: Address, word: bytes) -> None:
        self.calls: list[int] = []
        """The xid of every call with the word."""
        self._target = target
        self._word = word
        self._callers: dict[bytes, Any] = {}
        self._lost = False

    async def start(self) -> Address:
        loop = asyncio.get_running_loop()
        self._front, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        self._back, _ = await loop.create_datagram_endpoint(
            lambda: _Back(self._answered), remote_addr=(self._target.host, self._target.port)
        )
        return Address(*self._front.get_extra_info("sockname"))

    def stop(self) -> None:
        self._front.close()
        self._back.close()

    def datagram_received(self, data: bytes, address: Any) -> None:
        self._callers[data[:4]] = address
        if self._word in data:
            self.calls.append(int.from_bytes(data[:4], "big"))
        self._back.sendto(data)

    def _answered(self, data: bytes) -> None:
        if self.calls and data[:4] == self.calls[0].to_bytes(4, "big") and not self._lost:
            self._lost = True
        else:
            self._front.sendto(data, self._callers[data[:4]])


class _Back(asyncio.DatagramProtocol):
    def __init__(self, answered: Callable[[bytes], None]) -> None:
        self._answered = answered

    def datagram_received(self, data: bytes, address: Any) -> None:
        self._answered(data)


async def test_over_udp_both_hear_what_the_other_says(launch: Launch, oncrpc: Address, ann: Person) -> None:
    bob = await launch("chat-client", "-u", oncrpc.host, oncrpc.port, "bob")
    for text in (*SPOKEN, "z" * 4000):
        bob.type(text)
        await ann.hears(text)
        await ann.say(f"{text}?"[-4000:])
        await bob.until(f"{text}?"[-4000:])
    assert await bob.over() == (0, [])
    await ann.sees("left", "bob")


async def test_over_udp_it_reads_more_than_a_datagram_holds(
    launch: Launch, oncrpc: Address, ann: Person
) -> None:
    for number in range(10):
        await ann.say(f"{number} {'y' * 3900}")
    bob = await launch("chat-client", "-u", oncrpc.host, oncrpc.port, "bob")
    bob.type("last")
    assert await bob.over() == (0, [])
    assert [line.split(": ")[1][0] for line in bob.lines if line.startswith("[")] == [*"0123456789", "l"]


async def test_a_call_that_is_sent_again_over_udp_happens_once(
    launch: Launch, oncrpc: Address, ann: Person
) -> None:
    lossy = Forgetful(oncrpc, b"once")
    address = await lossy.start()
    try:
        bob = await launch("chat-client", "-u", address.host, address.port, "bob")
        bob.type("once", "after")
        assert await bob.over() == (0, [])
    finally:
        lossy.stop()
    await ann.hears("after")
    assert ann.texts == ["once", "after"]
    assert len(lossy.calls) > 1, "libtirpc did not send it again"
    assert len(set(lossy.calls)) == 1


async def test_their_server_remembers_what_it_answered_over_udp(their_server: Address, enter: Enter) -> None:
    """Without that a second JOIN would find the nick taken: by the first."""
    lossy = Forgetful(their_server, b"ann")
    address = await lossy.start()
    try:
        options = ClientOptions(settings={"transport": "udp"})
        ann = await enter(OncRpcClient(address, options), "ann")
        await ann.say("hello")
        await ann.hears("hello")
        await ann.stop()
        await ann.client.close()
    finally:
        lossy.stop()
    assert [event.kind for event in ann.seen] == ["opened", "joined", "sent"]
    assert len(lossy.calls) == 2
    assert len(set(lossy.calls)) == 1
