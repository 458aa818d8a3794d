"""Room lab in a virtual host of its own: who comes in, and a stranger with the password."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

import backends
from backends.rabbitmq.amqp import Connection
from chat.domain.model import Limits
from chat.interfaces.technique import Technique
from tests.support.broker import address
from tests.support.rabbit_room import Enter


@pytest.fixture
def technique() -> Technique:
    label = backends.technique("rabbitmq")
    label.load_client()  # here and not on the loop: an import reads files
    return label


@pytest.fixture
def limits() -> Limits:
    return Limits(burst=0)


@pytest.fixture
async def enter(technique: Technique, vhost: str, limits: Limits) -> AsyncIterator[Enter]:
    enter = Enter(vhost, limits)
    yield enter
    await enter.close()


@pytest.fixture
async def stranger(vhost: str) -> AsyncIterator[Any]:
    """A channel of somebody who has the password, and may publish what he likes."""
    connection = await Connection.open(address(vhost), "", "a stranger")
    yield await connection.channel(confirm=True)
    await connection.close()
