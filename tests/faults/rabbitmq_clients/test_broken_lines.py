"""Lines to the broker that break or go dead while a client connects: it may try again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from backends.rabbitmq import amqp
from backends.rabbitmq.amqp import Connection
from backends.rabbitmq.client import RabbitClient
from chat.domain.errors import ConnectionLost
from chat.domain.model import Hello
from tests.support.broker import address
from tests.support.relay import Relay


class Breaking(Relay):
    """Breaks the connection in place of handing on what the client sends as number ``last``."""

    last = 0
    deaf = False
    """Nothing arrives at the broker any more, and nobody is told."""

    async def _forward(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, down: bool) -> None:
        sent = 0
        while data := await source.read(65536):
            sent += not down
            if sent == self.last and not down:
                break
            if not self.deaf:
                sink.write(data)
        for writer in self._writers:
            writer.transport.abort()


@pytest.fixture
async def line(vhost: str) -> AsyncIterator[Breaking]:
    line = Breaking(address(vhost))
    await line.start()
    yield line
    await line.stop()


@pytest.mark.parametrize("last", [1, 2, 3], ids=["the protocol", "the password", "the virtual host"])
async def test_a_line_that_breaks_during_the_login_is_no_refusal(line: Breaking, last: int) -> None:
    line.last = last
    client = RabbitClient(line.address)
    with pytest.raises(ConnectionLost):
        await client.connect(Hello("lab", "ann"))
    await client.close()


async def test_a_channel_has_ended_when_it_was_closed_also_if_nobody_answers(
    line: Breaking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(amqp, "CLOSE_TIMEOUT", 0.01)
    connection = await Connection.open(line.address, "", "test")
    channel = await connection.channel()
    line.deaf = True
    await channel.close()
    assert isinstance(channel.closed.result(), ConnectionLost)
    await connection.close()
