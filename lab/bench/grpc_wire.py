"""A gRPC client for the load generator: one HTTP/2 connection (RFC 9113) with one stream, `ChatService.Chat`.

A client library would take more time than the server, and would distort the figures. This client follows the
rules of HTTP/2 and `protos/chat.proto`. It uses the largest flow-control windows.
"""

from __future__ import annotations

from collections import deque
from struct import Struct

from lab.bench.checker import DeliveryError
from lab.bench.wires import READY, TEXT, Wire, lines
from protos import chat_pb2 as pb

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
ACK = END_STREAM = 0x1
END_HEADERS = 0x4
INITIAL_WINDOW_SIZE = 4  # a setting
FIRST_WINDOW = 65_535
WIDEST_WINDOW = 2**31 - 1
ACKS = 8
"""Acks a window of the chat's own, as `backends.grpc.client` sends them."""

_SETTING, _WORD, _MESSAGE = Struct(">HI"), Struct(">I"), Struct(">BI")
_PROBLEM = (4 << 3 | 2).to_bytes()  # what a ServerFrame with a problem begins with


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4) + payload


def literal(name: bytes, value: bytes) -> bytes:
    """Return a header field as an HPACK literal without indexing (RFC 7541, section 6.2.2)."""
    return b"\0" + bytes((len(name),)) + name + bytes((len(value),)) + value


_CALL = b"".join(
    (
        literal(b":method", b"POST"),
        literal(b":scheme", b"http"),
        literal(b":path", b"/chat.v1.ChatService/Chat"),
        literal(b":authority", b"bench"),
        literal(b"te", b"trailers"),
        literal(b"content-type", b"application/grpc"),
    )
)
OPENING = b"".join(
    (
        PREFACE,
        frame(SETTINGS, 0, 0, _SETTING.pack(INITIAL_WINDOW_SIZE, WIDEST_WINDOW)),
        frame(WINDOW_UPDATE, 0, 0, _WORD.pack(WIDEST_WINDOW - FIRST_WINDOW)),
        frame(HEADERS, END_HEADERS, 1, _CALL),
    )
)


class GrpcWire(Wire):
    def __init__(self, number: int, room: str = "bench") -> None:
        super().__init__()
        self._data = b""  # incomplete frames
        self._message = b""  # an incomplete message: a gRPC message may span HTTP/2 frames
        self._window = 0  # for the acks of chat.proto; 0: the server expects none
        self._unacked = 0
        self._taken = 0  # bytes of our windows that are used
        self._connection = self._stream = self._initial = FIRST_WINDOW  # the server's windows
        self._waiting: deque[bytes] = deque()
        self.out += OPENING
        self._send(pb.ClientFrame(hello=pb.Hello(room=room, nick=f"b{number}")))

    def say(self, text: bytes) -> None:
        self._send(pb.ClientFrame(send=pb.Send(text=text.decode())))

    def feed(self, data: bytes) -> bytes:
        if self._data:
            data = self._data + data
        place, end, found = 0, len(data), []
        while place + 9 <= end:
            begin = place + 9
            after = begin + int.from_bytes(data[place : place + 3])
            if after > end:
                break
            kind, flags = data[place + 3], data[place + 4]
            if kind == DATA:
                self._taken += after - begin
                found += self._read(data[begin:after])
            else:
                self._control(kind, flags, data[place:begin], data[begin:after])
            place = after
        self._data = data[place:]
        if self._taken > WIDEST_WINDOW // 4:
            more = _WORD.pack(self._taken)
            self.out += frame(WINDOW_UPDATE, 0, 0, more) + frame(WINDOW_UPDATE, 0, 1, more)
            self._taken = 0
        return b"".join(found)

    # --- messages ------------------------------------------------------------------------------

    def _read(self, data: bytes) -> list[bytes]:
        """Return a line for each message that is now complete."""
        if self._message:
            data = self._message + data
        place, end, found = 0, len(data), []
        while place + 5 <= end:
            after = place + 5 + int.from_bytes(data[place + 1 : place + 5])
            if after > end:
                break
            found.append(self._take(data[place + 5 : after]))
            place = after
        self._message = data[place:]
        return found

    def _take(self, message: bytes) -> bytes:
        if message.startswith(_PROBLEM):
            problem = pb.ServerFrame.FromString(message).problem
            raise DeliveryError(f"the server has a problem: {problem.text}")
        if self._window:
            self._unacked += len(message)
            if self._unacked >= self._window // ACKS:
                self._ack(message)
        if texts := TEXT.findall(message):
            return lines(texts)
        read = pb.ServerFrame.FromString(message)
        if read.HasField("welcome"):
            self._window = read.welcome.window
            return READY
        return b""  # e.g. somebody joined

    def _ack(self, message: bytes) -> None:
        if events := pb.ServerFrame.FromString(message).events.events:
            self._unacked = 0
            self._send(pb.ClientFrame(ack=pb.EventsAck(seq=events[-1].seq)))

    def _send(self, message: pb.ClientFrame) -> None:
        data = message.SerializeToString()
        self._waiting.append(_MESSAGE.pack(0, len(data)) + data)
        self._flush()

    def _flush(self) -> None:
        """Send what fits in the server's windows."""
        while self._waiting and len(self._waiting[0]) <= min(self._connection, self._stream):
            data = self._waiting.popleft()
            self._connection -= len(data)
            self._stream -= len(data)
            self.out += frame(DATA, 0, 1, data)

    # --- HTTP/2 --------------------------------------------------------------------------------

    def _control(self, kind: int, flags: int, head: bytes, payload: bytes) -> None:
        if kind == WINDOW_UPDATE:
            (more,) = _WORD.unpack(payload)
            if any(head[5:9]):
                self._stream += more
            else:
                self._connection += more
            self._flush()
        elif kind == PING and not flags & ACK:
            self.out += frame(PING, ACK, 0, payload)
        elif kind == SETTINGS and not flags & ACK:
            for name, value in _SETTING.iter_unpack(payload):
                if name == INITIAL_WINDOW_SIZE:
                    self._stream += value - self._initial
                    self._initial = value
            self.out += frame(SETTINGS, ACK, 0, b"")
            self._flush()
        elif kind in (RST_STREAM, GOAWAY) or (kind == HEADERS and flags & END_STREAM):
            raise DeliveryError(f"the server has ended the stream: {payload!r}")
