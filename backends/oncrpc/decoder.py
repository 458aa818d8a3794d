"""Decodes ONC RPC for whoever looks at the wire: a frame a record, or a datagram."""

from __future__ import annotations

from typing import Literal

from backends.oncrpc.codec import LAST, MAX_FRAGMENTS
from backends.oncrpc.decoding_fragments import MARK_BYTES, Fragments
from backends.oncrpc.decoding_rpc import Messages
from chat.interfaces.frames import MASK, Direction, Field, Frame, FrameDecoder, raw_frame
from chat.transport.decoding.stream import DatagramDecoder, StreamDecoder, Undecodable, why
from protos.chat_xdr import CHAT_PROG

_PROGRAM = CHAT_PROG.to_bytes(4, "big")


def make_decoder(transport: Literal["tcp", "udp"]) -> FrameDecoder:
    """Return the decoder of one connection, or of one client's datagrams."""
    return OncRpcStream() if transport == "tcp" else OncRpcDatagrams()


class OncRpcStream(StreamDecoder):
    """Records on a stream (RFC 5531, section 11): each is one message, in one fragment or several."""

    def __init__(self) -> None:
        super().__init__()
        self._messages = Messages()
        self._fragments = [0, 0]
        """Fragments of the record that has begun, by direction."""

    def parse(self, direction: Direction, data: bytearray, ended: bool) -> Frame | None:
        place = self.searched(direction)  # of a record mark
        while True:
            if len(data) < place + MARK_BYTES:
                self.wait_for(direction, place + MARK_BYTES)
                return None
            word = int.from_bytes(data[place : place + MARK_BYTES], "big")
            end = place + MARK_BYTES + (word & ~LAST)
            if len(data) < end:
                self.wait_for(direction, end)
                return None
            place = end
            if word & LAST:
                self._fragments[direction] = 0
                return self._record(direction, bytes(data[:end]))
            self.remember(direction, place)
            self._fragments[direction] += 1
            if self._fragments[direction] >= MAX_FRAGMENTS:
                raise Undecodable(f"a record of more than {MAX_FRAGMENTS} fragments")

    def _record(self, direction: Direction, record: bytes) -> Frame:
        fragments = Fragments(record)
        root = Field("record", f"{len(record)} bytes", (0, len(record)))
        try:
            frame = self._messages.decode(direction, fragments.message, fragments.begin, root)
        except Undecodable as error:
            raise Undecodable(str(error), resume=len(record)) from None
        fragments.place(root)
        frame.data = record
        return frame

    def raw(self, direction: Direction, data: bytes, problem: str) -> Frame:
        return _raw(self._messages, data, problem)


class OncRpcDatagrams(DatagramDecoder):
    """Each datagram is one message, without a record mark."""

    def __init__(self) -> None:
        self._messages = Messages()

    def parse(self, direction: Direction, data: bytes) -> Frame:
        root = Field("message", f"{len(data)} bytes", (0, len(data)))
        try:
            frame = self._messages.decode(direction, data, 0, root)
        except Undecodable as error:
            return _raw(self._messages, data, why(error))
        frame.data = data
        return frame


def _raw(messages: Messages, data: bytes, problem: str) -> Frame:
    """Return a raw frame with its secrets masked: those that are known, else all that may be a first call."""
    frame = raw_frame(data, problem)
    if messages.secrets:
        messages.secrets.mark(frame.root, data)
    elif _PROGRAM in data:
        frame.root.add("call", MASK, (0, len(data)), "envelope", secret=True)
    return frame
