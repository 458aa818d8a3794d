"""Fixtures for malformed SOAP: a peer of each version, and a server that survives it without a log line."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator

import pytest

from chat.domain.model import Limits
from tests.support.kit import Serving
from tests.support.soap_peer import SoapPeer


@pytest.fixture
def limits() -> Limits:
    return Limits(burst=0)


@pytest.fixture(params=["1.1", "1.2"])
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def peer(server: Serving, version: str) -> AsyncIterator[SoapPeer]:
    """A peer. After the test its connection, and the server, must still serve a call."""
    async with await SoapPeer.open(server.address, version) as peer:
        yield peer
        await peer.call("Ping")


@pytest.fixture
async def key(peer: SoapPeer) -> str:
    return await peer.join()


@pytest.fixture(autouse=True)
def nothing_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
