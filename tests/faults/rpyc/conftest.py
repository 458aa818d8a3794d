"""A server for peers that misbehave, and somebody in the room to whom nothing must happen."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator

import pytest

from backends.rpyc.codec import Returned
from backends.rpyc.server import RpycServer
from chat.domain.model import Limits
from chat.interfaces.address import Address
from chat.server.hub import Hub
from tests.support.rpyc_peer import RpycPeer
from tests.support.stage import Disk


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
async def server(disk: Disk) -> AsyncIterator[RpycServer]:
    hub = Hub(disk, limits=Limits(burst=0))
    await hub.start()
    server = RpycServer(hub, Address("127.0.0.1", 0))
    server.address = await server.start()
    yield server
    await server.stop()
    await hub.stop()


@pytest.fixture
def address(server: RpycServer) -> Address:
    return server.address


@pytest.fixture
async def peer(address: Address) -> AsyncIterator[RpycPeer]:
    """Who misbehaves."""
    async with await RpycPeer.open(address) as peer:
        yield peer


@pytest.fixture(autouse=True)
async def bystander(address: Address) -> AsyncIterator[RpycPeer]:
    """Somebody in the room, who checks after the test that nothing has happened to it."""
    async with await RpycPeer.open(address) as bystander:
        await bystander.enter("bystander")
        yield bystander
        assert isinstance(await bystander.call("send", "all quiet"), Returned)
        await bystander.hears(author="bystander", text="all quiet")
        assert [event for event in bystander.callbacks if event["kind"] == "error"] == []
        prevs = [event["prev"] for event in bystander.callbacks]
        assert prevs == [0, *(event["seq"] for event in bystander.callbacks[:-1])]


@pytest.fixture(autouse=True)
def nothing_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.INFO)
    yield
    assert caplog.messages == []
