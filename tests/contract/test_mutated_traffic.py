"""Real traffic with wrong bytes in it, sent to a live server, and sent to our client by a hostile server.

Afterwards the server serves others as before, the client has told only errors of the model, and neither shows
a traceback to its peer.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from typing import Any

import pytest

import backends
from chat.domain.errors import ChatError
from chat.domain.model import NO_BOUNDS, Bounds, Hello
from chat.interfaces.address import Address
from chat.interfaces.client import ChatClient
from chat.interfaces.frames import Direction
from chat.interfaces.technique import Technique
from lab.wire.tap import Tap
from tests.support.captures import Piece, mutate, pieces
from tests.support.kit import Connect, Serving
from tests.support.people import Person

CASES = int(os.environ.get("MUTATIONS", "300"))
AT_ONCE = 300
IDLE = 0.1
"""Seconds without an answer after which no more is expected."""
PATIENCE = 40.0
"""Seconds within which a client must have noticed, whatever it is sent."""


@pytest.fixture
def bounds() -> Bounds:
    """Those of an address are off: the strangers and those who are served have the same one."""
    return NO_BOUNDS


@pytest.fixture
async def talk(
    technique: Technique, make_client: Callable[[Address], ChatClient], server: Serving
) -> AsyncIterator[list[Piece]]:
    """What a client and the server said to each other."""
    tap = await asyncio.to_thread(Tap)
    address = await asyncio.to_thread(tap.relay, server.address, technique.traits.transport)
    client = make_client(address)
    ann = Person(client, await client.connect(Hello("lab", "ann")))
    ann.listen()
    said = await ann.say("what was said")
    await ann.edit(said.seq, "what was changed")
    await client.members()
    await client.close()
    await ann.stop()
    await asyncio.to_thread(tap.cut)
    yield pieces(tap.capture.take())
    await asyncio.to_thread(tap.close)


# --- strange clients ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "technique", [one.name for one in backends.techniques() if one.server], indirect=True
)
async def test_a_server_serves_others_whatever_it_is_sent(
    technique: Technique, talk: list[Piece], server: Serving, connect: Connect
) -> None:
    bob = Person(*await connect("bob"))
    bob.listen()
    dice = random.Random(technique.name)
    begun = 0
    while begun < CASES:
        answers = await asyncio.gather(
            *(_send(mutate(talk, dice), server.address) for _ in range(min(AT_ONCE // 10, CASES - begun)))
        )
        begun += len(answers)
        assert not any(b"Traceback" in answer for answer in answers)
        said = await bob.say(f"still here after {begun}")
        await bob.knows(said.seq)
    await bob.stop()


async def _send(capture: Sequence[Piece], address: Address) -> bytes:
    """Send what the clients of a capture say, each connection of its own; return all answers."""
    numbers = dict.fromkeys(piece.connection for piece in capture)
    parts = [
        [piece for piece in capture if piece.connection == number and piece.direction is Direction.UP]
        for number in numbers
    ]
    return b"".join(await asyncio.gather(*(_say(part, address) for part in parts if part)))


async def _say(said: Sequence[Piece], address: Address) -> bytes:
    answer = b""
    with suppress(OSError, TimeoutError):
        if said[0].transport == "udp":
            return await _say_datagrams(said, address)
        reader, writer = await asyncio.open_connection(address.host, address.port)
        try:
            writer.writelines(piece.data for piece in said)
            while True:
                async with asyncio.timeout(IDLE):
                    if not (data := await reader.read(65536)):
                        break
                answer += data
        finally:
            writer.transport.abort()
    return answer


async def _say_datagrams(said: Sequence[Piece], address: Address) -> bytes:
    answers: list[bytes] = []

    class Peer(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: Any) -> None:
            answers.append(data)

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Peer, remote_addr=(address.host, address.port))
    for piece in said:
        transport.sendto(piece.data)
    await asyncio.sleep(IDLE)
    transport.abort()
    return b"".join(answers)


# --- hostile servers ---------------------------------------------------------------------------


async def test_a_client_tells_errors_of_the_model_whatever_it_is_sent(
    technique: Technique, talk: list[Piece], make_client: Callable[[Address], ChatClient]
) -> None:
    dice = random.Random(f"{technique.name} server")
    udp = technique.traits.transport == "udp"
    begun = 0
    while begun < CASES:
        count = min(AT_ONCE, CASES - begun)  # together, because most of them wait for an answer
        play = _hostile_datagrams if udp else _hostile
        await asyncio.gather(*(play(mutate(talk, dice), make_client) for _ in range(count)))
        begun += count


async def _hostile(capture: Sequence[Piece], make_client: Callable[[Address], ChatClient]) -> None:
    """Let a client meet a server that says what the capture says, and ends each connection then."""
    numbers = list(dict.fromkeys(piece.connection for piece in capture))
    waiting = iter([[piece for piece in capture if piece.connection == number] for number in numbers])
    serving: dict[asyncio.Task[Any] | None, asyncio.StreamWriter] = {}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving[asyncio.current_task()] = writer
        asked = True
        with suppress(OSError, TimeoutError):
            for piece in next(waiting, []):
                if piece.direction is Direction.UP:
                    asked = False
                    continue
                if not asked:
                    async with asyncio.timeout(1):
                        await reader.read(65536)
                    asked = True
                writer.write(piece.data)
                await writer.drain()
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        await _visit(make_client(Address(*server.sockets[0].getsockname()[:2])))
    finally:
        server.close()
        for writer in serving.values():
            writer.transport.abort()
        await asyncio.gather(*(task for task in serving if task))


async def _hostile_datagrams(capture: Sequence[Piece], make_client: Callable[[Address], ChatClient]) -> None:
    """Do the same over datagrams: each that comes is answered with those that followed it."""
    answers: list[list[bytes]] = []
    for piece in capture:
        if piece.direction is Direction.UP:
            answers.append([])
        elif answers:
            answers[-1].append(piece.data)
    turns = iter(answers)

    class Server(asyncio.DatagramProtocol):
        def connection_made(self, transport: Any) -> None:
            self._transport = transport

        def datagram_received(self, data: bytes, addr: Any) -> None:
            for answer in next(turns, []):
                self._transport.sendto(answer, addr)

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Server, local_addr=("127.0.0.1", 0))
    try:
        await _visit(make_client(Address(*transport.get_extra_info("sockname")[:2])))
    finally:
        transport.abort()


async def _visit(client: ChatClient) -> None:
    """Come in, read and leave. Only an error of the model may be raised, and nothing may hang."""
    try:
        async with asyncio.timeout(PATIENCE):
            with suppress(ChatError):
                welcome = await client.connect(Hello("lab", "ann"))
                person = Person(client, welcome)
                person.listen()
                with suppress(ChatError):
                    await client.members()
                await person.stop()
    finally:
        async with asyncio.timeout(PATIENCE):
            await client.close()
