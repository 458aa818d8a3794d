"""The unit tests' own hub: alone, on a disk that a test can fill."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from chat.hub import Hub
from tests.unit.stage import Clock, Disk, running


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
