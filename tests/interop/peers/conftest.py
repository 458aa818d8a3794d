"""Lets a peer play: built once for all workers, with ann in the same room over another technique."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import backends
from chat.domain.model import Hello
from chat.interfaces.address import Address
from chat.interfaces.client import ChatClient, ClientOptions
from tests.interop.peers import round
from tests.interop.peers.catalog import Peer
from tests.support.broker import address
from tests.support.node import serving
from tests.support.once import made_once
from tests.support.people import Person

Build = Callable[[Peer], Path]
Play = Callable[[Peer], Awaitable[None]]


@pytest.fixture(scope="session")
def build() -> Build:
    """Builds a peer; returns the folder. Skips the test, or fails it, where that is not possible."""
    environment = dict(os.environ)  # before a test makes the proxies dead: pip and npm may need them

    def build(peer: Peer) -> Path:
        round.need(peer)
        return made_once(
            f"peer-{peer.technique}-{peer.name}",
            lambda folder: round.build(peer, folder, environment),
            peer.folder,
            *round.CONTRACTS,
        )

    return build


@asynccontextmanager
async def entered(client: ChatClient) -> AsyncIterator[Person]:
    """Let ann come in and say what the peer will read."""
    ann = Person(client, await client.connect(Hello("lab", "ann", access=round.TOKEN)))
    ann.listen()
    try:
        for text in (*round.OLDER, round.LAST):
            await ann.say(text)
            await ann.hears(text)
        yield ann
    finally:
        await ann.stop()
        await client.close()


@pytest.fixture
def play(build: Build, request: pytest.FixtureRequest) -> Play:
    """Builds a peer, lets it play a round, and compares."""

    async def play(peer: Peer) -> None:
        folder = await asyncio.to_thread(build, peer)
        if peer.technique == "rabbitmq":
            url: str = request.getfixturevalue("vhost")
            await meet(peer, folder, "rabbitmq", address(url), url)
            return
        ports = {"tcp": 0, peer.technique: 0}
        with serving(ports, "--log", "memory", "--rate", "off", CHAT_TOKEN=round.TOKEN) as (_, places):
            await meet(peer, folder, "tcp", places["tcp"], places[peer.technique])

    return play


async def meet(peer: Peer, folder: Path, with_ann: str, ann_at: Address, peer_at: Address | str) -> None:
    """Let ann come in over a technique, and then the peer over its own."""
    client = backends.technique(with_ann).load_client()(ann_at, ClientOptions())
    async with entered(client) as ann:
        command = round.command_of(peer, peer_at, "peer")
        program = await round.start(command, folder, round.environment_of(peer, folder))
        await round.play(peer, ann, program)
