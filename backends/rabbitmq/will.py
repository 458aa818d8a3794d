"""Presence and last will: how others see that a client is connected, and what the broker does when it dies.

Presence is an exclusive queue. The broker deletes it with the connection that declared it
(https://www.rabbitmq.com/docs/queues#exclusive-queues). The last will is a ``left`` entry in a quorum queue
of its own. The client consumes it and never acknowledges it. When the client is gone the broker requeues the
message; it expires, because nobody consumes it, and is dead-lettered to the room's exchange
(https://www.rabbitmq.com/docs/dlx).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pika

from backends.rabbitmq import names
from backends.rabbitmq.amqp import Channel
from backends.rabbitmq.amqp_errors import Refused
from backends.rabbitmq.codec import pack, properties
from backends.rabbitmq.stream import Link
from chat.domain.errors import ChatError
from chat.domain.model import Left

RENEWALS = 3
"""Times in the grace time that the will is published anew. A message's time to live is counted from its
publishing, also while a consumer holds it (measured); and the broker takes back a delivery that is not
acknowledged for 30 minutes (https://www.rabbitmq.com/docs/consumers#acknowledgement-timeout)."""


async def presence(link: Link, node: str, on_message: Callable[[bytes], None]) -> Channel:
    """Declare the presence queue of a node or client, and consume it.

    Args:
        link: its consuming connection owns the queue.
        node: the name of the node; of a client: its seat.
        on_message: called on the loop with the body of each message that is sent to the queue.

    Returns:
        The channel that consumes it.

    Raises:
        Refused: with `Refused.locked` if another connection owns the queue.
        ConnectionLost: the connection has ended.
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
    """Return whether this node or client is connected. Raises `ConnectionLost`."""
    channel = await link.consuming.channel()
    try:
        await channel.call("queue_declare", queue=names.presence(node), passive=True)
    except Refused as error:
        return not error.not_found  # locked: its owner is connected
    finally:
        await channel.close()
    return True


class LastWill:
    """The ``left`` entry that the broker publishes when a client has died."""

    def __init__(self, link: Link, room: str, left: Left, grace: float) -> None:
        """Prepare; nothing is published yet.

        Args:
            link: to the broker.
            room: the room's name.
            left: the entry.
            grace: seconds from the client's death until the entry is published; it may be a third less.
        """
        self._link = link
        self._room = room
        self._left = left
        self._grace = grace
        self._queue = names.will(room, left.seat)
        self._channel: Channel | None = None
        self._held = 0  # the delivery tag that is not acknowledged
        self._renewing: asyncio.Task[None] | None = None

    async def write(self) -> None:
        """Publish the will and keep it valid. It replaces that of an earlier connection.

        Raises:
            ChatError: the broker did not take it.
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
        self._renewing = asyncio.create_task(self._renew())

    async def revoke(self) -> None:
        """Delete the will, after the client has published ``left`` itself. Never raises."""
        await self.stop()
        if self._channel is not None:
            with suppress(ChatError):  # then the entry is published a second time, and refused
                await self._channel.call("queue_delete", queue=self._queue)

    async def stop(self) -> None:
        """Stop renewing the will; the broker publishes it after the connection has ended."""
        if self._renewing is not None:
            self._renewing.cancel()
            with suppress(asyncio.CancelledError):
                await self._renewing

    def _hold(self, method: Any, _: pika.BasicProperties, __: bytes) -> None:
        if self._held and self._channel is not None:
            self._channel.ack(self._held)
        self._held = method.delivery_tag

    async def _renew(self) -> None:
        with suppress(ChatError):  # the link has ended
            while True:
                await asyncio.sleep(self._grace / RENEWALS)
                await self._publish()

    async def _publish(self) -> None:
        at = int((time.time() + self._grace) * 1000)  # when the broker would publish it
        confirmed = self._link.publisher.publish(
            "", self._queue, pack(self._left, at), properties(self._left, at, self._link.next_id())
        )
        await asyncio.shield(confirmed)
