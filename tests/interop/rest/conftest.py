"""Two peers with seats in room lab, over REST."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from chat.domain.model import Limits
from tests.support.http_peer import SeatedPeer
from tests.support.kit import Serving


@pytest.fixture
def limits() -> Limits:
    return Limits(burst=0)


@pytest.fixture
async def ann(server: Serving) -> AsyncIterator[SeatedPeer]:
    async with await SeatedPeer.open(server.address) as peer:
        yield await peer.sit("ann")


@pytest.fixture
async def bob(server: Serving, ann: SeatedPeer) -> AsyncIterator[SeatedPeer]:
    async with await SeatedPeer.open(server.address) as peer:
        yield await peer.sit("bob")
