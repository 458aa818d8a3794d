"""pika's asyncio connection, made for many small messages.

pika makes some eighty calls for a delivery, copies all that is behind each frame, and writes each frame by
itself. Here what a turn of the loop has for the broker is written in one call. What comes most, a stream's
deliveries and confirms, is read in few steps where it is whole. All else is left to pika, frame by frame,
and so is a delivery that is not whole yet.

This overrides methods of pika that are not documented. ``tests/unit/backends/rabbitmq`` has a test of what it
relies on (``test_pika_connection.py``).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import lru_cache
from struct import Struct
from typing import Any, Protocol

import pika
from pika.adapters.asyncio_connection import AsyncioConnection
from pika.frame import Method, decode_frame

METHOD, HEADER, BODY, END = 1, 2, 3, 0xCE
"""Types of frames, and the last byte of each (AMQP 0-9-1, 4.2.3)."""
_FRAME = Struct(">BHI")  # type, channel, bytes of the payload; behind that one byte more
_CONTENT = Struct(">BHIHHQ")  # the same of a header frame, class, weight, bytes of the body
_ACK = Struct(">QB")  # delivery tag, bits
_LONG, _SHORT = Struct(">Q").unpack_from, Struct(">H").unpack_from
_DELIVER, _CONFIRM = b"\0\x3c\0\x3c", b"\0\x3c\0\x50"  # basic.deliver and basic.ack
_BASIC = 60
_END = bytes((END,))

_CONTENT_TYPE, _CONTENT_ENCODING, _HEADERS, _DELIVERY_MODE, _PRIORITY = 0x8000, 0x4000, 0x2000, 0x1000, 0x0800
_OTHERS, _MESSAGE_ID = 0x0701, 0x0080  # others: they stand before the message id, or there are more flags
_OFFSET = b"\0\0\0\x19\x0fx-stream-offsetl"  # a table with nothing else; the number follows


class Properties(Protocol):
    """Properties of a message, as pika has them or encoded before."""

    def encode(self) -> list[bytes]:
        """Return the pieces of what stands on the wire."""


OnStreamed = Callable[[int, bytes, bytes], None]
"""Called with a delivery's tag, its properties as they stand on the wire, and its body."""
OnConfirmed = Callable[[int, bool], None]
"""Called with a delivery tag that is acknowledged, and whether all before it are, too."""


class BatchingConnection(AsyncioConnection):  # type: ignore[misc]  # pika has no hints
    """Reads and writes several frames at once."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._frames: list[bytes] = []
        self.streams: dict[tuple[int, bytes], OnStreamed] = {}
        """What takes the deliveries to a consumer, by its channel's number and its tag."""
        self.confirms: dict[int, OnConfirmed] = {}
        """What takes the confirms of a channel, by its number."""
        super().__init__(*args, **options)

        self._frame_buffer: bytes

    def forget(self, number: int) -> None:
        """The channel with this number has ended; pika will use the number again."""
        self.confirms.pop(number, None)
        for key in [key for key in self.streams if key[0] == number]:
            del self.streams[key]

    # --- writing -------------------------------------------------------------------------------

    def publish(
        self,
        number: int,
        exchange: str,
        routing_key: str,
        body: bytes,
        properties: Properties,
        mandatory: bool,
    ) -> bool:
        """Publish a message whose body is one frame, like ``basic_publish``; else return False.

        ``number``: that of the channel.
        """
        length = len(body)
        if not 0 < length <= self._body_max_length:
            return False
        encoded = b"".join(properties.encode())
        size = _CONTENT.size - _FRAME.size + len(encoded)
        content = _CONTENT.pack(HEADER, number, size, _BASIC, 0, length)
        method = _publish(number, exchange, routing_key, mandatory)
        data = b"".join((method, content, encoded, _END, _FRAME.pack(BODY, number, length), body, _END))
        self.bytes_sent += len(data)
        self.frames_sent += 3
        self._adapter_emit_data(data)
        return True

    def _adapter_emit_data(self, data: bytes) -> None:
        if not self._frames:
            self.ioloop.call_soon(self._write_out)
        self._frames.append(data)

    def _write_out(self) -> None:
        frames, self._frames = self._frames, []
        if self._transport is not None:  # else the connection has ended
            super()._adapter_emit_data(b"".join(frames))

    # --- reading -------------------------------------------------------------------------------

    def _on_data_available(self, data_in: bytes) -> None:
        data: bytes = self._frame_buffer + data_in if self._frame_buffer else data_in
        self._frame_buffer = data
        self.bytes_received += len(data_in)  # tells pika that the broker is alive
        place, end = 0, len(data)
        try:
            while end - place >= _FRAME.size and self._frame_buffer:  # it is empty when the connection ended
                kind, number, size = _FRAME.unpack_from(data, place)
                after = place + _FRAME.size + size + 1
                if data.startswith(b"AMQP", place):  # the broker has another version of the protocol
                    after = place + 8
                if after > end:
                    break
                begin, place = place, after
                if kind == METHOD:
                    if data.startswith(_DELIVER, begin + _FRAME.size):
                        if whole := self._deliver(data, begin, after, number):
                            place = whole
                            continue
                    elif data.startswith(_CONFIRM, begin + _FRAME.size) and self._confirm(
                        data, begin, number
                    ):
                        continue
                self._process_frame(decode_frame(data[begin:after])[1])
        finally:
            if self._frame_buffer:
                self._frame_buffer = data[place:]

    def _confirm(self, data: bytes, begin: int, number: int) -> bool:
        """Hand a confirm over; return whether somebody takes it."""
        confirmed = self.confirms.get(number)
        if confirmed is None or data[begin + 20] != END:
            return False
        tag, multiple = _ACK.unpack_from(data, begin + 11)
        self.frames_received += 1
        confirmed(tag, bool(multiple & 1))
        return True

    def _deliver(self, data: bytes, begin: int, header: int, number: int) -> int:
        """Hand a delivery over that is in one piece.

        Args:
            data: what was received.
            begin: where the frame with the method begins.
            header: where it ends, and the next one begins.
            number: of the channel.

        Returns:
            Where the delivery ends; 0: it is not whole, or nobody takes it so.
        """
        tag = begin + 12 + data[begin + 11]
        on_message = self.streams.get((number, data[begin + 12 : tag]))
        if on_message is None or len(data) < header + _CONTENT.size:
            return 0
        kind, channel, size, class_id, _, length = _CONTENT.unpack_from(data, header)
        body = header + _FRAME.size + size + 1
        end: int = body + _FRAME.size + length + 1
        if (kind, channel, class_id) != (HEADER, number, _BASIC) or not length or len(data) < end:
            return 0
        if _FRAME.unpack_from(data, body) != (BODY, number, length):
            return 0
        if not (data[header - 1] == data[body - 1] == data[end - 1] == END):
            return 0
        (delivery_tag,) = _LONG(data, tag)
        self.frames_received += 3
        on_message(delivery_tag, data[header + _CONTENT.size : body - 1], data[body + _FRAME.size : end - 1])
        return end


@lru_cache(256)
def _publish(number: int, exchange: str, routing_key: str, mandatory: bool) -> bytes:
    """Return the frame of a ``basic.publish``, which is the same for each message to a room."""
    method = pika.spec.Basic.Publish(exchange=exchange, routing_key=routing_key, mandatory=mandatory)
    return bytes(Method(number, method).marshal())


def stream_offset(properties: pika.BasicProperties) -> tuple[int, str]:
    """Return the place in the stream, and the ``message_id`` ("" without one), of a message's properties."""
    id = properties.message_id
    return int((properties.headers or {})["x-stream-offset"]), id if isinstance(id, str) else ""


def read_stream_offset(properties: bytes) -> tuple[int, str]:
    """Return what `stream_offset` does, of properties as they stand on the wire."""
    try:
        (flags,) = _SHORT(properties)
        place = 2
        if flags & _CONTENT_TYPE:
            place += 1 + properties[place]
        if flags & _CONTENT_ENCODING:
            place += 1 + properties[place]
        if flags & _HEADERS and not flags & _OTHERS and properties.startswith(_OFFSET, place):
            place += len(_OFFSET)
            (offset,) = _LONG(properties, place)
            place += 8 + bool(flags & _DELIVERY_MODE) + bool(flags & _PRIORITY)
            if not flags & _MESSAGE_ID:
                return offset, ""
            place += 1
            return offset, properties[place : place + properties[place - 1]].decode()
    except (IndexError, struct.error, UnicodeDecodeError):
        pass
    decoded = pika.BasicProperties()
    decoded.decode(properties)
    return stream_offset(decoded)
