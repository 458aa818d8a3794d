"""Decodes the line protocol for whoever looks at the wire: a frame a line."""

from __future__ import annotations

from chat.interfaces.frames import Direction, Field, Frame, raw_frame
from chat.transport.decoding.json_fields import add_json
from chat.transport.decoding.json_frames import object_frame
from chat.transport.decoding.secrets import TAIL, mark_secrets
from chat.transport.decoding.stream import StreamDecoder, Undecodable


def make_decoder(transport: str) -> TcpDecoder:
    """Return the decoder of one connection; what carries it is always TCP."""
    return TcpDecoder()


class TcpDecoder(StreamDecoder):
    """The lines of `docs/protocol.md`."""

    def __init__(self) -> None:
        super().__init__()
        self._before: list[bytes | None] = [None, None]
        """By direction: the end of what came before in a line that is not decoded; None: a line begins."""

    def parse(self, direction: Direction, data: bytearray, ended: bool) -> Frame | None:
        newline = data.find(b"\n", self.searched(direction))
        if newline < 0:
            self.remember(direction, len(data))
            return None
        line = bytes(data[: newline + 1])
        root = Field("line", f"{len(line)} bytes", (0, len(line)))
        text = line.rstrip(b"\r\n")
        if not text.strip():
            return Frame("JSON line", "empty", line, root, "an empty line")
        body = root.add("object", "", (0, len(text)), "envelope")
        try:
            value = add_json(body, text)
        except Undecodable as error:
            raise Undecodable(str(error), resume=len(line)) from None
        root.add("end of the line", shown_end(line[len(text) :]), (len(text), len(line)))
        return object_frame("JSON line", line, root, value, direction)

    def skip(self, direction: Direction, size: int, at: float = 0.0) -> list[Frame]:
        rest = super().skip(direction, size, at)
        self._before[direction] = b""
        return rest

    def raw(self, direction: Direction, data: bytes, problem: str) -> Frame:
        frame = raw_frame(data, problem)
        mark_secrets(frame.root, data, before=self._before[direction])
        self._before[direction] = None if data.endswith(b"\n") else data[-TAIL:]
        return frame

    def resynchronise(self, direction: Direction, data: bytearray) -> int:
        return data.find(b"\n") + 1


def shown_end(end: bytes) -> str:
    """Return the end of a line as it is shown."""
    return end.decode("latin-1").encode("unicode_escape").decode()
