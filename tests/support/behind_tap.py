"""A server by hand behind a tap, and what the tap has recorded of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from chat.interfaces.address import Address
from lab.wire.capture import Capture, Chunk
from lab.wire.encryption import Encryption
from lab.wire.tap import Tap

Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
PATIENCE = 20.0
"""Seconds after which something that must happen counts as not happening."""


@asynccontextmanager
async def serving(handle: Handle, port: int = 0, **options: Any) -> AsyncIterator[Address]:
    """Run a server of byte streams; at the end wait until all that it does is done."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with suppress(OSError):  # the other side is gone
                await handle(reader, writer)
        finally:
            writer.transport.abort()
            with suppress(OSError):  # by chance asyncio complains of an error that nobody asks for
                await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", port, **options)
    try:
        yield Address(*server.sockets[0].getsockname()[:2])
    finally:
        server.close()
        if tasks:
            await asyncio.wait(tasks, timeout=PATIENCE)


@asynccontextmanager
async def through(
    tap: Tap, handle: Handle, encryption: Encryption | None = None, **options: Any
) -> AsyncIterator[Address]:
    """Run a server behind a tap; yield the tap's address."""
    async with serving(handle, **options) as server:
        yield await relayed(tap, server, encryption=encryption)
        await asyncio.to_thread(tap.cut)


async def relayed(tap: Tap, server: Address, *args: Any, **options: Any) -> Address:
    return await asyncio.to_thread(tap.relay, server, *args, **options)


class Recorded:
    """All that a capture has had so far."""

    def __init__(self, capture: Capture) -> None:
        self._capture = capture
        self.chunks: list[Chunk] = []

    def look(self) -> list[Chunk]:
        self.chunks += self._capture.take()
        return self.chunks

    async def until(self, condition: Callable[[list[Chunk]], object]) -> list[Chunk]:
        """Wait until what was recorded fulfils the condition; the tap's thread is not of this loop."""
        await eventually(lambda: condition(self.look()))
        return self.chunks

    async def happenings(self, count: int) -> list[tuple[str, str, str]]:
        """Wait for so many notes; return what, direction and why."""
        await self.until(lambda chunks: len([one for one in chunks if one.what != "data"]) >= count)
        return [(one.what, one.direction.name, one.about) for one in self.chunks if one.what != "data"]

    def data(self, direction: Any) -> bytes:
        return b"".join(one.data for one in self.look() if one.direction is direction)


async def eventually(condition: Callable[[], object]) -> None:
    """Wait until another thread has brought something about, which tells nobody."""
    for _ in range(int(PATIENCE / 0.005)):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError(f"it has not happened within {PATIENCE:.0f} s")


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():  # TLS has no half-close
        writer.write_eof()
