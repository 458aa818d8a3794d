"""Fixtures for gRPC calls by hand: a stub of its own connection, and a person on our client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

import backends
from chat.domain.model import Limits
from chat.interfaces.technique import Technique
from protos.chat_pb2_grpc import ChatServiceStub
from tests.support.grpc_peer import NO_PROXY
from tests.support.kit import Connect, Serving
from tests.support.people import Person


@pytest.fixture
def technique() -> Technique:
    return backends.technique("grpc")


@pytest.fixture
def limits() -> Limits:
    return Limits(burst=0)


@pytest.fixture
async def channel(server: Serving) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(str(server.address), NO_PROXY) as channel:
        yield channel
    # The library ends its own task of a cancelled call a moment later.
    inside = [task for task in asyncio.all_tasks() if "_AioCall" in repr(task.get_coro())]
    if inside:
        await asyncio.wait(inside, timeout=5)


@pytest.fixture
def stub(channel: grpc.aio.Channel) -> Any:
    return ChatServiceStub(channel)


@pytest.fixture
async def ann(connect: Connect) -> AsyncIterator[Person]:
    person = Person(*await connect("ann"))
    person.listen()
    yield person
    await person.stop()
