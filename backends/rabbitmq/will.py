"""How others see that a client is there, and what happens when it is not there any more.

Presence is an exclusive queue: the broker deletes it with the connection that declared it. The will is a
message in a queue of its own, which the client holds: fetched, and never acknowledged. When the client is
gone the broker takes it back, and as nobody fetches it in time it goes on to the room's exchange: somebody
has left.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pika

from backends.rabbitmq import names
from backends.rabbitmq.amqp import Channel, Refused
from backends.rabbitmq.codec import pack, properties
from backends.rabbitmq.stream import Link
from chat.domain.errors import ChatError
from chat.domain.model import Left

RENEWALS = 3
"""Times in the grace time that a will is written anew. A queue counts a message's time from its publishing,
also while somebody holds it; and takes one back that is held for half an hour."""


async def presence(link: Link, node: str, on_message: Callable[[bytes], None]) -> Channel:
    """Declare the queue that is there exactly while this connection is, and read what is sent to it.

    Raises `Refused` (`Refused.locked`) while another connection has it.
    """
    channel = await link.consuming.channel()
    try:
        await channel.call("queue_declare", queue=names.presence(node), exclusive=True, auto_delete=True)
        await channel.consume(
            names.presence(node), lambda _, __, body: on_message(body), auto_ack=True, exclusive=True
        )
    except BaseException:
        await channel.close()
        raise
    return channel


async def is_present(link: Link, node: str) -> bool:
    """Return whether this node, or client, is connected."""
    channel = await link.consuming.channel()
    try:
        await channel.call("queue_declare", queue=names.presence(node), passive=True)
    except Refused as error:
        return not error.absent  # locked: by the connection that has it
    finally:
        await channel.close()
    return True


class Will:
    """What is said in the room when we are gone without a word."""

    def __init__(self, link: Link, room: str, left: Left, grace: float) -> None:
        """``grace``: seconds after our end until it is said; up to a third less."""
        self._link = link
        self._room = room
        self._left = left
        self._grace = grace
        self._queue = names.will(room, left.seat)
        self._channel: Channel | None = None
        self._held = 0  # the delivery that we hold
        self._task: asyncio.Task[None] | None = None

    async def write(self) -> None:
        """Put it down, and keep it valid from now on; one that an earlier connection left is replaced.

        Raises a `ChatError`.
        """
        self._channel = channel = await self._link.consuming.channel(prefetch=2)
        await channel.call(
            "queue_declare",
            queue=self._queue,
            durable=True,
            arguments=names.will_arguments(self._room, self._grace),
        )
        await channel.consume(self._queue, self._hold)
        await self._publish()
        self._task = asyncio.create_task(self._renew())

    async def revoke(self) -> None:
        """It is not needed any more: the good-bye was said."""
        await self.stop()
        if self._channel is not None:
            with suppress(ChatError):  # else it is said a second time, and refused
                await self._channel.call("queue_delete", queue=self._queue)

    async def stop(self) -> None:
        """Renew it no more."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def _hold(self, method: Any, _: pika.BasicProperties, __: bytes) -> None:
        if self._held and self._channel is not None:
            self._channel.ack(self._held)
        self._held = method.delivery_tag

    async def _renew(self) -> None:
        with suppress(ChatError):  # the link has ended, or will
            while True:
                await asyncio.sleep(self._grace / RENEWALS)
                await self._publish()

    async def _publish(self) -> None:
        at = int((time.time() + self._grace) * 1000)  # when it would be said
        done = self._link.publisher.publish(
            "", self._queue, pack(self._left, at), properties(self._left, at, self._link.next_id())
        )
        await asyncio.shield(done)
