"""A peer that writes HTTP/2 by hand (RFC 9113): what no gRPC library lets a test do, or see.

It has one connection, answers pings and settings, and reads gRPC's messages out of DATA frames. It does not
decode header blocks, because no test needs that.
"""

from __future__ import annotations

import asyncio
import struct
from contextlib import suppress
from typing import NamedTuple, Self

from backends.grpc.codec import SERVICE
from chat.interfaces.address import Address
from protos import chat_pb2 as pb

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
END_STREAM, END_HEADERS, ACK = 1, 4, 1
MAX_CONCURRENT_STREAMS = 3
"""The setting's number (RFC 9113, 6.5.2)."""
ENHANCE_YOUR_CALM = 11
"""An error code (RFC 9113, 7)."""


class Frame(NamedTuple):
    kind: int
    flags: int
    stream: int
    payload: bytes


class Http2Peer:
    """One connection. Its streams are numbered 1, 3, 5, as a client's are."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._streams = 0
        self._data: dict[int, bytearray] = {}  # by stream: what has come, and is no whole message yet
        self.settings: dict[int, int] = {}

    @classmethod
    async def open(cls, address: Address) -> Self:
        """Connect, and read the server's settings."""
        peer = cls(*await asyncio.open_connection(address.host, address.port))
        peer._writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        await peer.send(SETTINGS, 0, 0, b"")
        while not peer.settings:
            await peer.frame()
        return peer

    async def send(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        """Write one frame; its payload may be written in a later one."""
        self._writer.write(
            len(payload).to_bytes(3, "big") + struct.pack(">BBI", kind, flags, stream) + payload
        )
        await self._writer.drain()

    async def frame(self) -> Frame:
        """Return the next frame. Raises `asyncio.IncompleteReadError` at the end of the connection."""
        head = await self._reader.readexactly(9)
        kind, flags, stream = struct.unpack(">BBI", head[3:])
        payload = await self._reader.readexactly(int.from_bytes(head[:3], "big"))
        if kind == SETTINGS and not flags & ACK:
            self.settings |= dict(struct.iter_unpack(">HI", payload))
            await self.send(SETTINGS, ACK, 0, b"")
        elif kind == PING and not flags & ACK:
            await self.send(PING, ACK, 0, payload)
        return Frame(kind, flags, stream, payload)

    # --- calls -------------------------------------------------------------------------------------

    async def call(self, method: str = f"/{SERVICE}/Chat", more: dict[str, str] | None = None) -> int:
        """Begin a call, maybe with more headers; return its stream."""
        stream = 2 * self._streams + 1
        self._streams += 1
        self._data[stream] = bytearray()
        fields = {
            ":method": "POST",
            ":scheme": "http",
            ":path": method,
            ":authority": "localhost",
            "te": "trailers",
            "content-type": "application/grpc",
            **(more or {}),
        }
        block = b"".join(b"\0" + _text(name) + _text(value) for name, value in fields.items())
        await self.send(HEADERS, END_HEADERS, stream, block)
        return stream

    async def say(self, stream: int, *frames: pb.ClientFrame, end: bool = False) -> None:
        """Send frames of the chat; end=True: and half-close the stream with the last one."""
        messages = [frame.SerializeToString() for frame in frames]
        body = b"".join(b"\0" + struct.pack(">I", len(message)) + message for message in messages)
        await self.send(DATA, END_STREAM if end else 0, stream, body)

    async def hear(self, stream: int) -> pb.ServerFrame:
        """Return the next frame of the chat. Raises `EOFError` if the stream has ended."""
        data = self._data[stream]
        while len(data) < 5 or len(data) < 5 + int.from_bytes(data[1:5], "big"):
            frame = await self.frame()
            if frame.kind == DATA:
                self._data[frame.stream] += frame.payload
            if frame.stream == stream and (frame.kind == RST_STREAM or frame.flags & END_STREAM):
                raise EOFError
        end = 5 + int.from_bytes(data[1:5], "big")
        message = pb.ServerFrame.FromString(bytes(data[5:end]))
        del data[:end]
        return message

    async def hears(self, stream: int, text: str) -> None:
        """Read on until an event with this text has come."""
        while not any(event.text == text for event in (await self.hear(stream)).events.events):
            pass

    async def close(self) -> None:
        """End the connection without a word."""
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()


def _text(text: str) -> bytes:
    """Return a string of a header block, shorter than 127 bytes (RFC 7541, 5.2)."""
    return bytes([len(text)]) + text.encode()
