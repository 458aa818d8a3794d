"""Decodes ONC RPC for whoever looks at the wire: a frame a record, or a datagram."""

from __future__ import annotations

import re
from typing import Literal

from backends.oncrpc.codec import LAST, MAX_FRAGMENTS
from backends.oncrpc.decoding_fragments import MARK_BYTES, Fragments
from backends.oncrpc.decoding_rpc import Messages
from chat.interfaces.frames import Direction, Field, Frame, FrameDecoder, raw_frame
from chat.transport.decoding.stream import DatagramDecoder, StreamDecoder, Undecodable, why
from protos.chat_xdr import CHAT_PROG

_START_BYTES = 28
_PROGRAM = CHAT_PROG.to_bytes(4, "big")
# How a record looks that is one fragment and shorter than 16 MiB, for the place where decoding can go on.
_STARTS = (
    re.compile(rb"\x80.{3}(.{4})\0{4}\0{3}\x02%b" % re.escape(_PROGRAM), re.DOTALL),  # CALL, version 2 of RPC
    re.compile(rb"\x80.{3}(.{4})\0{3}\x01\0{4}\0{8}\0{3}[\0-\x05]", re.DOTALL),  # REPLY, accepted, AUTH_NONE
)


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
        self._holes = [False, False]
        """By direction: bytes before were not kept."""

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
        self._holes[direction] = False
        frame.data = record
        return frame

    def skip(self, direction: Direction, size: int, at: float = 0.0) -> list[Frame]:
        rest = super().skip(direction, size, at)
        self._fragments[direction], self._holes[direction] = 0, True
        return rest

    def starts(self, direction: Direction, data: bytearray) -> bool:
        return self._start(direction, data[:_START_BYTES]) == 0

    def resynchronise(self, direction: Direction, data: bytearray) -> int:
        return max(0, self._start(direction, data))

    def _start(self, direction: Direction, data: bytearray) -> int:
        """Return where a message begins that is a call of the chat or answers a call; -1: nowhere."""
        for found in _STARTS[direction].finditer(data):
            xid = int.from_bytes(found[1], "big")
            if direction is Direction.UP or self._messages.awaits(direction, xid):
                self._fragments[direction] = 0
                return found.start()
        return -1

    def raw(self, direction: Direction, data: bytes, problem: str) -> Frame:
        return _raw(self._messages, data, problem, after_hole=self._holes[direction])


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


def _raw(messages: Messages, data: bytes, problem: str, *, after_hole: bool = False) -> Frame:
    """Return a raw frame with its secrets masked: those that are known, else all that may be a first call."""
    frame = raw_frame(data, problem)
    messages.secrets.mark(frame.root, data, first=after_hole or _PROGRAM in data)
    return frame
