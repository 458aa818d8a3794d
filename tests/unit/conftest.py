"""The unit tests' own hub, alone on a disk that a test can fill, and a session's own room."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

import chat.client.measure
import chat.domain.rate_limit
from chat.server.hub import Hub
from tests.support.fake_client import FakeRoom
from tests.support.stage import Clock, Disk, running


@pytest.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
async def hub(disk: Disk) -> AsyncIterator[Hub]:
    async with running(disk) as hub:
        yield hub


@pytest.fixture
async def room() -> FakeRoom:
    return FakeRoom()


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session's next try follows at once."""
    monkeypatch.setattr(chat.domain.rate_limit, "FIRST_RETRY", 0.0)
    monkeypatch.setattr(chat.client.measure, "FIRST_PING", 0.0)
