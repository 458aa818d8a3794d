"""Who sends bad input on real sockets is told why, and nobody else notices anything.

Every scenario runs beside a bystander, who must see nothing but whole events in one chain and must be
able to talk afterwards; the server's memory stays bounded and nothing is logged.
"""

import logging
import tracemalloc
from collections.abc import AsyncIterator, Iterator

import pytest

from backends.tcp.server import TcpServer
from chat.domain.model import Limits
from chat.interfaces.address import Address
from chat.server.hub import Hub
from tests.support.raw import RawPeer
from tests.support.stage import Disk

MEMORY = 8 * 1024 * 1024
"""Bytes that a scenario may cost at its peak, both sides together: less than what is thrown at the server."""
BLOCK = 64 * 1024


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
async def server(disk: Disk) -> AsyncIterator[TcpServer]:
    hub = Hub(disk, limits=Limits(burst=0))
    await hub.start()
    server = TcpServer(hub, Address("127.0.0.1", 0))
    server.address = await server.start()
    yield server
    await server.stop()
    await hub.stop()


@pytest.fixture
def address(server: TcpServer) -> Address:
    return server.address


@pytest.fixture
async def peer(address: Address) -> AsyncIterator[RawPeer]:
    """Who misbehaves."""
    async with await RawPeer.open(address) as peer:
        yield peer


@pytest.fixture(autouse=True)
async def bystander(address: Address) -> AsyncIterator[RawPeer]:
    """Somebody in the room, who checks after the test that nothing has happened to it."""
    async with await RawPeer.open(address) as bystander:
        await bystander.enter("bystander")
        yield bystander
        await bystander.say(kind="say", text="all quiet")
        await bystander.until("sent", author="bystander", text="all quiet")
        assert [line for line in bystander.lines if line["kind"] == "error"] == []
        events = [line for line in bystander.lines if "prev" in line]
        assert [event["prev"] for event in events] == [0, *(event["seq"] for event in events[:-1])]


@pytest.fixture(autouse=True)
def nothing_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.INFO)
    yield
    assert caplog.messages == []


@pytest.fixture
def bounded_memory() -> Iterator[None]:
    tracemalloc.start()
    yield
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MEMORY
