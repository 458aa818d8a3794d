"""A relay to a broker that fails at some offsets of a stream, as where a message can't be delivered.

It ends the reader's connection with 541, INTERNAL_ERROR. No message that makes a broker fail is needed.
"""

from __future__ import annotations

import asyncio
from typing import Any

from pika import frame, spec

from chat.interfaces.address import Address
from tests.support.relay import Relay


class FaultyBroker(Relay):
    """Relays to a real broker, and ends each connection that reads a stream at one of the bad offsets."""

    def __init__(self, target: Address) -> None:
        super().__init__(target)
        self.bad: set[tuple[str, int]] = set()
        """Streams' names and offsets."""
        self.faults = 0
        """Connections that were ended."""
        self._readers: dict[Any, _Reader] = {}

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self._target.host, self._target.port)
        self._writers |= {writer, back}
        one = _Reader(self, writer)
        for source, sink, look in ((reader, back, one.up), (there, writer, one.down)):
            task = asyncio.create_task(self._frames(source, sink, look))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _frames(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, look: Any) -> None:
        """Forward one frame after the other, until one of them is where the broker fails."""
        try:
            while True:
                head = await source.readexactly(7)
                if head == b"AMQP\x00\x00\x09":  # the protocol header has 8 bytes
                    sink.write(head + await source.readexactly(1))
                    continue
                data = head + await source.readexactly(int.from_bytes(head[3:7], "big") + 1)
                if not look(frame.decode_frame(data)[1]):
                    return
                sink.write(data)
                await sink.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the other side finds out by itself
        sink.close()


class _Reader:
    """What one connection reads."""

    def __init__(self, broker: FaultyBroker, client: asyncio.StreamWriter) -> None:
        self._broker = broker
        self._client = client
        self._prefetch: dict[int, int] = {}  # by channel
        self._stream: dict[int, str] = {}
        self._failed = False

    def up(self, one: Any) -> bool:
        """Note what the client asks for. What is near a bad offset is lost with it, as in a real broker."""
        method = getattr(one, "method", None)
        if isinstance(method, spec.Basic.Qos):
            self._prefetch[one.channel_number] = method.prefetch_count
        if isinstance(method, spec.Basic.Consume) and "x-stream-offset" in (method.arguments or {}):
            self._stream[one.channel_number] = method.queue
            start = method.arguments["x-stream-offset"]
            first = 0 if start == "first" else start
            if isinstance(first, int):
                near = range(first, first + self._prefetch[one.channel_number])
                if any(queue == method.queue and offset in near for queue, offset in self._broker.bad):
                    self._fail()
        return not self._failed

    def down(self, one: Any) -> bool:
        headers = getattr(getattr(one, "properties", None), "headers", None) or {}
        queue = self._stream.get(one.channel_number, "")
        if (queue, int(headers.get("x-stream-offset", -1))) in self._broker.bad:
            self._fail()
        return not self._failed

    def _fail(self) -> None:
        if not self._failed:
            self._failed = True
            self._broker.faults += 1
            self._client.write(frame.Method(0, spec.Connection.Close(541, "INTERNAL_ERROR", 0, 0)).marshal())
            self._client.close()
