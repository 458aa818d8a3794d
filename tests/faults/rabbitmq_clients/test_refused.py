"""Connections that are refused, and what the client says why."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from backends.rabbitmq import names
from backends.rabbitmq.client import RabbitClient
from chat.domain.errors import AccessDenied, ChatError, NotYours
from chat.domain.model import Hello
from chat.interfaces.address import Address
from chat.interfaces.technique import Technique
from tests.support.broker import address
from tests.support.rabbit_room import Enter


async def refused(where: Address, access: str = "") -> ChatError:
    client = RabbitClient(where)
    with pytest.raises(ChatError) as refusal:
        await client.connect(Hello("lab", "ann", access=access))
    await client.close()
    return refusal.value


async def test_a_wrong_password_is_said_without_it(technique: Technique, vhost: str) -> None:
    there = address(vhost)
    wrong = Address(there.host, there.port, there.url.replace("chat:", "chat:wrong-"))
    error = await refused(wrong)
    assert isinstance(error, AccessDenied)
    assert "refuses user chat with this password" in str(error)
    assert "wrong-" not in str(error)


async def test_a_virtual_host_that_is_not_there_is_named(technique: Technique, vhost: str) -> None:
    there = address(vhost)
    error = await refused(Address(there.host, there.port, there.url.rpartition("/")[0] + "/nowhere"))
    assert "has no virtual host nowhere for user chat: make it with rabbitmqctl add_vhost" in str(error)
    assert error.final


async def test_a_queue_that_somebody_declared_otherwise_is_named(
    technique: Technique, vhost: str, stranger: Any
) -> None:
    await stranger.call("queue_declare", queue=names.log("lab"), durable=True)
    error = await refused(address(vhost))
    assert "the exchange or the log of room lab exists here with other arguments" in str(error)
    assert names.log("lab") in str(error)


async def test_something_else_that_listens_there_is_no_broker(technique: Technique) -> None:
    async def web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(8)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(web, "127.0.0.1", 0)
    where = Address(*server.sockets[0].getsockname())
    assert f"{where} is no broker: it does not speak AMQP 0-9-1" in str(await refused(where))
    server.close()


@pytest.mark.parametrize("mode", ["stream", "fanout"])
@pytest.mark.parametrize("text", ["/class clear", "/class hand"])
async def test_the_teachers_means_are_refused_because_nobody_could_be_held_to_them(
    enter: Enter, mode: str, text: str
) -> None:
    ann = await enter("ann", mode)
    with pytest.raises(NotYours, match="where several do, nobody can hold others to them") as refusal:
        await ann.say(text)
    assert refusal.value.n == ann.n
    await ann.say("/classroom is open")
