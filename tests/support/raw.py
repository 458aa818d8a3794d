"""A peer that speaks the line protocol by hand: whatever bytes a test wants, and the lines that come."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from typing import Any, Self, cast

from chat.interfaces.address import Address

Line = dict[str, Any]


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with a RST, also where nothing is unread: its peer sees an end, not a half-close."""
    own = writer.get_extra_info("socket")
    own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class RawPeer:
    """One connection. ``async with await RawPeer.open(address) as peer`` closes it at the end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.lines: list[Line] = []
        """All that came so far."""

    @classmethod
    async def open(cls, address: Address, *, receive_buffer: int = 0) -> Self:
        """Connect; ``receive_buffer`` makes the kernel hold no more than about so many bytes for us."""
        sock = socket.socket(socket.AF_INET6 if ":" in address.host else socket.AF_INET)
        sock.setblocking(False)
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        await asyncio.get_running_loop().sock_connect(sock, (address.host, address.port))
        return cls(*await asyncio.open_connection(sock=sock, limit=1 << 22))

    def stop_reading(self) -> None:
        """From now on take nothing from the connection."""
        cast(asyncio.Transport, self.writer.transport).pause_reading()

    def read_on(self) -> None:
        cast(asyncio.Transport, self.writer.transport).resume_reading()

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def say(self, **fields: Any) -> None:
        """Send one message; the first field is its kind."""
        await self.send(json.dumps(fields, ensure_ascii=False).encode() + b"\n")

    async def line(self) -> Line:
        """Return the next line. Raises EOFError when the server has closed the connection."""
        data = await self.reader.readline()
        if not data.endswith(b"\n"):
            raise EOFError(data)
        self.lines.append(json.loads(data))
        return self.lines[-1]

    async def until(self, kind: str, **fields: Any) -> Line:
        """Return the next line of this kind with these fields; what comes before is only kept."""
        while True:
            line = await self.line()
            if line["kind"] == kind and fields.items() <= line.items():
                return line

    async def enter(self, nick: str, **fields: Any) -> Line:
        """Say hello; return the welcome."""
        await self.say(kind="hello", nick=nick, **fields)
        return await self.until("welcome")

    async def end(self) -> list[Line]:
        """Read until the server closes the connection; return all that ever came."""
        while True:
            try:
                await self.line()
            except EOFError:
                return self.lines

    async def reset(self) -> None:
        """End the connection with a RST, as a crashed machine or an impatient program does."""
        reset(self.writer)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.writer.transport.abort()


async def ended(peer: RawPeer) -> Line:
    """Return the server's last words; fails unless it closes the connection."""
    lines = await peer.end()
    assert lines, "closed without a word"
    return lines[-1]


async def still_there(peer: RawPeer) -> None:
    """Fails unless the connection answers."""
    await peer.say(kind="ping", ref=77)
    await peer.until("pong", ref=77)
