"""Fixtures for bad input over ONC RPC: a server, a peer that misbehaves, and a bystander.

The bystander must see nothing but whole events in one chain, and must be able to talk afterwards. Nothing is
logged unless the server itself fails.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator

import pytest

import backends.oncrpc.server
from backends.oncrpc.server import OncRpcServer
from chat.domain.model import Limits
from chat.interfaces.address import Address
from chat.server.hub import Hub
from protos.chat_xdr import draft_ok
from tests.support.oncrpc_peer import StreamPeer, serving
from tests.support.stage import Disk, running


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
async def hub(disk: Disk) -> AsyncIterator[Hub]:
    async with running(disk, limits=Limits(burst=0)) as hub:
        yield hub


@pytest.fixture
async def server(hub: Hub) -> AsyncIterator[OncRpcServer]:
    async with serving(hub) as server:
        yield server


@pytest.fixture
def address(server: OncRpcServer) -> Address:
    return server.address


@pytest.fixture
async def peer(address: Address) -> AsyncIterator[StreamPeer]:
    """The peer that misbehaves."""
    async with await StreamPeer.open(address) as peer:
        yield peer


@pytest.fixture(autouse=True)
async def bystander(address: Address) -> AsyncIterator[StreamPeer]:
    """Another client in the room: after the test it must have every event, and still be able to talk."""
    async with await StreamPeer.open(address) as bystander:
        await bystander.join("bystander")
        yield bystander
        assert isinstance((await bystander.say("all quiet")).value, draft_ok)
        events = await bystander.fetch(0)
        while more := await bystander.fetch(events[-1].seq):
            events += more
        assert [event.prev for event in events] == [0, *(event.seq for event in events[:-1])]
        assert events[-1].text == "all quiet"


@pytest.fixture(autouse=True)
def nothing_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.INFO)
    yield
    assert caplog.messages == []


@pytest.fixture
def no_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing ends because it took too long."""
    monkeypatch.setattr(backends.oncrpc.server, "RECORD_TIMEOUT", 3600.0)
