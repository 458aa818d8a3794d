"""A peer that is frozen, not gone: its kernel still acknowledges, and only HTTP/2 pings tell."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from typing import Any

import pytest

import backends
from chat.domain.errors import ConnectionLost
from chat.domain.model import Hello
from chat.interfaces.address import Address
from chat.server.hub import Hub
from chat.server.logs.memory import MemoryLog
from chat.server.seat import HubSeat
from tests.support.people import Person
from tests.support.processes import running

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="freezes with a POSIX signal; on Windows nobody has tried it"
)
GRPC = backends.technique("grpc")
PROMISED = 15.0  # seconds


async def server_freezes() -> None:
    with running("serve", "grpc", "--port", "0", "--log", "memory", "--json") as process:
        assert process.stdout is not None
        offer = json.loads(await asyncio.to_thread(process.stdout.readline))
        client = GRPC.load_client()(Address(offer["host"], offer["port"]))
        person = Person(client, await client.connect(Hello("lab", "ann")))
        person.listen()
        os.kill(process.pid, signal.SIGSTOP)
        try:
            async with asyncio.timeout(PROMISED):
                assert isinstance(await person.over, ConnectionLost)
        finally:
            os.kill(process.pid, signal.SIGCONT)
        await client.close(leave=False)
        await person.stop()


async def client_freezes(monkeypatch: pytest.MonkeyPatch) -> None:
    away = asyncio.Event()

    original = HubSeat.detach

    def detach(self: HubSeat, *arguments: Any) -> None:
        original(self, *arguments)
        away.set()

    monkeypatch.setattr(HubSeat, "detach", detach)
    hub = Hub(MemoryLog())
    await hub.start()
    server = GRPC.load_server()(hub, Address("127.0.0.1", 0))
    address = await server.start()
    with running("tail", "--backend", "grpc", "--server", str(address), "--as", "bob") as process:
        assert process.stdout is not None
        await asyncio.to_thread(process.stdout.readline)
        assert not away.is_set()
        os.kill(process.pid, signal.SIGSTOP)
        try:
            async with asyncio.timeout(PROMISED):
                await away.wait()
        finally:
            os.kill(process.pid, signal.SIGCONT)
    await server.stop()
    await hub.stop()


async def test_both_sides_notice_a_frozen_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Together, because each takes the dozen seconds that are promised."""
    await asyncio.gather(server_freezes(), client_freezes(monkeypatch))


async def test_an_attempt_to_connect_outlives_the_freeze() -> None:
    """As a connection of TCP does. Attempts that are given up while the server is frozen would come too late
    by the pause that follows."""
    with running("serve", "grpc", "--port", "0", "--log", "memory", "--json") as process:
        assert process.stdout is not None
        offer = json.loads(await asyncio.to_thread(process.stdout.readline))
        client = GRPC.load_client()(Address(offer["host"], offer["port"]))
        os.kill(process.pid, signal.SIGSTOP)
        try:
            connecting = asyncio.create_task(client.connect(Hello("lab", "ann")))
            await asyncio.wait([connecting], timeout=1)
            assert not connecting.done()
        finally:
            os.kill(process.pid, signal.SIGCONT)
        assert (await connecting).nick == "ann"
        await client.close()
