"""A relay between client and server that notes the bytes: what the wire carries, measured on the wire."""

from __future__ import annotations

import asyncio

from chat.ports import Address


class Relay:
    """Forwards TCP connections, and can break them all."""

    def __init__(self, target: Address) -> None:
        self._target = target
        self.up = b""
        """What clients sent, all connections together."""
        self.down = b""
        """What the server sent."""
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = Address(*self._server.sockets[0].getsockname())

    async def stop(self) -> None:
        self._server.close()
        await self.cut()

    async def cut(self) -> None:
        """Break every connection, as a cable that is pulled; what was on its way may be lost."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self._target.host, self._target.port)
        self._writers |= {writer, back}
        for source, sink, down in ((reader, back, False), (there, writer, True)):
            task = asyncio.create_task(self._forward(source, sink, down))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _forward(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, down: bool) -> None:
        try:
            while data := await source.read(65536):
                if down:
                    self.down += data
                else:
                    self.up += data
                sink.write(data)
                await sink.drain()
        except ConnectionError:
            pass  # the other side finds out by itself
        sink.close()
