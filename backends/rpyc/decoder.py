"""Decodes RPyC for whoever looks at the wire: a frame a frame of its channel."""

from __future__ import annotations

import re
import zlib

from backends.rpyc.codec import FLUSHER, HEADER
from backends.rpyc.decoding_messages import PROTOCOL, Messages
from chat.interfaces.frames import MASK, Direction, Field, Frame, raw_frame
from chat.transport.decoding.stream import StreamDecoder, Undecodable, why

MAX_INFLATED = 4 * 1024 * 1024
"""Bytes of a message that was compressed; of a longer one nothing is decoded."""
_LENGTH_BYTES = 4
# How a frame of less than 16 MiB begins, for the place where decoding can go on: the header, then the kind
# and a tuple of two, or the tuple of three of an RPyC before 6, or what zlib begins with.
_START = re.compile(rb"\0.{3}(?:\0(?:[\x01-\x03]\x11|\x12[\x51-\x53])|[\x01-\xff]\x78)", re.DOTALL)


def make_decoder(transport: str) -> RpycDecoder:
    """Return the decoder of one connection; what carries it is always TCP."""
    return RpycDecoder()


class RpycDecoder(StreamDecoder):
    """The frames of `backends.rpyc.codec`: a length, a flag, a message, LF."""

    def __init__(self) -> None:
        super().__init__()
        self._messages = Messages()
        self._holes = [False, False]
        """By direction: bytes before were not kept."""

    def parse(self, direction: Direction, data: bytearray, ended: bool) -> Frame | None:
        if len(data) < HEADER.size:
            return None
        length, compressed = HEADER.unpack_from(data)
        end = HEADER.size + length
        size = end + len(FLUSHER)
        if len(data) < size:
            self.wait_for(direction, size)
            return None
        if data[end:size] != FLUSHER:
            raise Undecodable("not a frame of RPyC: it does not end with LF")
        return self._frame(direction, bytes(data[:size]), end, bool(compressed))

    def skip(self, direction: Direction, size: int, at: float = 0.0) -> list[Frame]:
        rest = super().skip(direction, size, at)
        self._holes[direction] = True
        return rest

    def starts(self, direction: Direction, data: bytearray) -> bool:
        return _START.match(data) is not None

    def resynchronise(self, direction: Direction, data: bytearray) -> int:
        newline = data.find(FLUSHER)
        while newline >= 0 and not _START.match(data, newline + len(FLUSHER)):
            newline = data.find(FLUSHER, newline + len(FLUSHER))
        return newline + len(FLUSHER)

    def raw(self, direction: Direction, data: bytes, problem: str) -> Frame:
        frame = raw_frame(data, problem)
        self._mask(direction, frame.root, data)
        return frame

    def _frame(self, direction: Direction, data: bytes, end: int, compressed: bool) -> Frame:
        begin = HEADER.size
        root = Field("frame", f"{len(data)} bytes", (0, len(data)))
        root.add("length", end - begin, (0, _LENGTH_BYTES))
        root.add("compressed", int(data[_LENGTH_BYTES]), (_LENGTH_BYTES, begin))
        below = root.add("message", f"{end - begin} bytes", (begin, end), "envelope")
        root.add("flush", "\\n", (end, len(data)))
        try:
            message = _inflated(data[begin:end]) if compressed else data[begin:end]
            if compressed:
                below.value += f", {len(message)} inflated"
            frame = self._messages.decode(direction, message, None if compressed else begin, below)
        except Exception as error:  # brine raises whatever strange bytes lead it to; the frame's end is known
            below.fields.clear()
            if compressed:
                below.secret, below.value = True, MASK
            else:
                self._mask(direction, below, data)
            reason = why(error)
            return Frame(PROTOCOL, "no message", data, root, f"undecodable: {reason}", "raw", problem=reason)
        frame.data, frame.root = data, root
        self._holes[direction] = False
        return frame

    def _mask(self, direction: Direction, field: Field, data: bytes) -> None:
        """Mask the secrets that are known; as long as none is, all that may be a first call."""
        self._messages.secrets.mark(field, data, first=self._holes[direction] or b"login" in data)


def _inflated(message: bytes) -> bytes:
    stream = zlib.decompressobj()
    inflated = stream.decompress(message, MAX_INFLATED)
    if not stream.eof:
        raise Undecodable(f"a message that is cut off, or inflates to more than {MAX_INFLATED} bytes")
    return inflated
