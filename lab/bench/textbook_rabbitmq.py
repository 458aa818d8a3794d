"""Plain pika on asyncio: one stream, no room and no rules. ``chat bench broker`` compares ours with it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

import pika
from pika.adapters.asyncio_connection import AsyncioConnection

EXCHANGE, STREAM = "bench.bare", "bench.bare.log"


class Bare:
    """A publisher with confirms, and two consumers of the stream that its exchange is bound to."""

    def __init__(self, url: str) -> None:
        self._parameters = pika.URLParameters(url)
        self.on_message: Callable[[bytes], None] = lambda body: None
        self._unconfirmed: deque[asyncio.Future[None]] = deque()
        self._count = 0  # confirmed
        self._connections: list[AsyncioConnection] = []

    async def open(self) -> None:
        self._channel = channel = await self._open_channel()
        await _called(channel.exchange_declare, EXCHANGE, "fanout")
        arguments = {"x-queue-type": "stream", "x-max-length-bytes": 50_000_000}
        await _called(channel.queue_declare, STREAM, durable=True, arguments=arguments)
        await _called(channel.queue_bind, STREAM, EXCHANGE)
        await _called(lambda callback: channel.confirm_delivery(self._confirmed, callback))
        # Two readers, as in a chat of two people: the writer reads too.
        for on_delivery in (self._read, self._delivered):
            reading = await self._open_channel()
            await _called(reading.basic_qos, prefetch_count=1000)
            await _called(reading.basic_consume, STREAM, on_delivery, arguments={"x-stream-offset": "next"})

    async def _open_channel(self) -> Any:
        opened = asyncio.get_running_loop().create_future()
        AsyncioConnection(self._parameters, on_open_callback=opened.set_result)
        connection = await opened
        self._connections.append(connection)
        return await _called(lambda callback: connection.channel(on_open_callback=callback))

    def publish(self, body: bytes) -> asyncio.Future[None]:
        """Publish; return a future that is done when the broker has confirmed it."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._unconfirmed.append(done)
        self._channel.basic_publish(EXCHANGE, "", body, pika.BasicProperties(delivery_mode=2))
        return done

    def _confirmed(self, frame: Any) -> None:
        while self._count < frame.method.delivery_tag:
            self._count += 1
            self._unconfirmed.popleft().set_result(None)

    def _read(self, channel: Any, method: Any, _: Any, body: bytes) -> None:
        channel.basic_ack(method.delivery_tag)

    def _delivered(self, channel: Any, method: Any, _: Any, body: bytes) -> None:
        channel.basic_ack(method.delivery_tag)
        self.on_message(body)

    async def close(self) -> None:
        await _called(self._channel.queue_delete, STREAM)
        await _called(self._channel.exchange_delete, EXCHANGE)
        for connection in self._connections:
            closed = asyncio.get_running_loop().create_future()
            connection.add_on_close_callback(lambda *_, closed=closed: closed.set_result(None))
            connection.close()
            await closed


async def _called(method: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Call a method of pika that reports by a callback."""
    done = asyncio.get_running_loop().create_future()
    method(*arguments, callback=done.set_result, **named)
    return await done
