"""One person goes from technique to technique while everybody talks: one seat, one history."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

import backends
from chat.client.session import Session
from chat.client.session_events import Switched
from chat.domain.model import Hello
from chat.interfaces.address import Address
from chat.interfaces.client import ChatClient
from chat.interfaces.log import Log
from chat.interfaces.server import ChatServer, ServerOptions
from chat.interfaces.technique import Technique
from chat.server.hub import Hub
from chat.server.logs import open_log
from tests.support.broker import Hosts
from tests.support.broker_relay import BrokerRelay
from tests.support.fake_client import Watch
from tests.support.kit import QUICK
from tests.support.ports import own_port

Open = Callable[[Technique], Session]
LOSSLESS = replace(QUICK, settings={**QUICK.settings, "repair": "on"})
"""For udp: a datagram that a busy machine drops is asked for again."""


@pytest.fixture
def log(vhost: str) -> Log:
    """A log in a broker: all techniques have the same rooms there."""
    return open_log(vhost, backends.techniques())


@pytest.fixture
async def way_in(hub: Hub, vhost: str, hosts: Hosts) -> AsyncIterator[Open]:
    """Servers of all techniques on one hub, and what opens a session over one of them."""
    addresses = {}
    async with AsyncExitStack() as stack:
        for label in backends.techniques():
            address = Address("127.0.0.1", own_port())
            server: ChatServer
            if label.server is None:
                server = BrokerRelay(hub, address, hosts.broker, vhost, "")
            else:
                server = (await asyncio.to_thread(label.load_server))(hub, address, ServerOptions())
            addresses[label.name] = await server.start()
            stack.push_async_callback(server.stop)

        def open_session(label: Technique) -> Session:
            async def dial() -> ChatClient:
                kind = await asyncio.to_thread(label.load_client)
                return kind(addresses[label.name], LOSSLESS if label.name == "udp" else QUICK)

            return Session(dial, Hello("lab", "ann"), resend=label.traits.resend)

        yield open_session


async def test_over_all_techniques_in_turn_each_message_is_stored_and_seen_once(
    way_in: Open,
) -> None:
    chain = [*backends.techniques(), *reversed(backends.techniques())]
    session, said = way_in(chain[0]), []
    watch = Watch(session)
    async with asyncio.TaskGroup() as group:
        group.create_task(watch.run())
        async with session:
            await watch.state("up")
            seat = session.seat
            for number, label in enumerate(chain[1:], 1):
                for part in "ab":  # under way while the technique changes
                    said.append(f"{number}{part} before {label.name}")
                    session.say(said[-1])
                await session.switch(way_in(label).way)
                said.append(f"{number}c over {label.name}")
                session.say(said[-1])
                await watch.until(lambda n=number: len(watch.all(Switched)) == n)  # type: ignore[misc]
                await watch.until(lambda: session.connected)
            await session.settled()
            await watch.until(lambda: len(watch.texts) >= len(said))
            assert session.seat == seat
            stored = [
                event.text
                for event in await session.history(before=2**53 - 1, limit=200)
                if event.kind == "sent"
            ]
    assert stored == said
    assert watch.texts == said
    assert "unconfirmed" not in {phase for token in range(1, len(said) + 1) for phase in watch.phases(token)}
