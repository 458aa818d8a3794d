"""The directory of rooms: a stream that names every room, for the servers on this log."""

from __future__ import annotations

import asyncio
import json
import secrets
from contextlib import suppress
from typing import Any

import pika

from backends.rabbitmq import names
from backends.rabbitmq.stream import Link
from backends.rabbitmq.stream_reader import Message, StreamReader
from chat.domain.json_depth import too_deep

MARK_EVERY = 5.0
"""Seconds until a mark is published again: what the broker can't deliver may be beside the first."""


async def add_room(link: Link, room: str) -> None:
    """Tell all servers on this log, also those that start later, that a room exists. Raises a `ChatError`."""
    await _publish(link, {"room": room})


async def remove_room(link: Link, room: str) -> None:
    """Tell all servers on this log that a room no longer exists. Raises a `ChatError`."""
    await _publish(link, {"room": room, "removed": True})


async def follow(link: Link, rooms: set[str]) -> None:
    """Read the directory into ``rooms``, and keep the set up to date for as long as the link lives.

    Returns when everything was read that the directory held. A mark tells when: it is published now, and is
    delivered last.

    Raises:
        ChatError: the directory can't be read.
    """
    await _declare(link)
    mark = secrets.token_hex(8)
    mark_read: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def on_message(message: Message) -> None:
        with suppress(ValueError, TypeError, KeyError, AttributeError):
            told = {} if too_deep(message.body) else json.loads(message.body)
            if told.get("removed"):
                rooms.discard(told["room"])
            elif isinstance(told["room"], str):
                rooms.add(told["room"])
        if message.id == mark and not mark_read.done():
            mark_read.set_result(None)
        reader.ack(message)

    reader = StreamReader(link.streams, names.DIRECTORY, "first", on_message)
    await reader.begin()
    either: list[asyncio.Future[Any]] = [mark_read, link.closed, reader.closed]
    while not mark_read.done():
        await link.publisher.publish("", names.DIRECTORY, b"{}", pika.BasicProperties(message_id=mark))
        await asyncio.wait(either, timeout=MARK_EVERY, return_when=asyncio.FIRST_COMPLETED)
        for ended in (link.closed, reader.closed):
            if ended.done():
                raise ended.result()


async def _publish(link: Link, message: dict[str, Any]) -> None:
    await _declare(link)
    body = json.dumps(message).encode()
    await link.publisher.publish("", names.DIRECTORY, body, pika.BasicProperties(delivery_mode=2))


async def _declare(link: Link) -> None:
    channel = await link.publishing.channel()
    await channel.call(
        "queue_declare", queue=names.DIRECTORY, durable=True, arguments=dict(names.DIRECTORY_ARGUMENTS)
    )
    await channel.close()
