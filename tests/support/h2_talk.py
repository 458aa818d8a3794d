"""A gRPC call between two sides that are not ours: the library h2 is client and server, without a socket."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection

import backends
from backends.grpc.codec import SERVICE
from backends.grpc.decoding_http2 import PREFACE
from chat.interfaces.frames import Direction, Frame
from lab.wire.capture import Transport
from protos import chat_pb2 as pb
from tests.support import captures
from tests.support.captures import Piece

TRANSPORT: Transport = "tcp"
Headers = Sequence[tuple[str, str]]


def request(path: str, *more: tuple[str, str]) -> Headers:
    """Return the header fields of a gRPC call."""
    return [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "localhost"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        *more,
    ]


RESPONSE: Headers = [(":status", "200"), ("content-type", "application/grpc")]


def message(data: bytes, compressed: int = 0) -> bytes:
    """Return a message with its prefix."""
    return bytes([compressed]) + len(data).to_bytes(4, "big") + data


class H2Talk:
    """A connection; what each side says is kept, and read by the other one at once."""

    def __init__(self) -> None:
        self.client = H2Connection(H2Configuration(client_side=True))
        self.server = H2Connection(H2Configuration(client_side=False))
        self.capture: list[Piece] = []
        self.client.initiate_connection()
        self.server.initiate_connection()
        self.pump()

    def pump(self) -> None:
        """Hand on what both sides have to say, until they are silent."""
        sides = [(self.client, self.server, Direction.UP), (self.server, self.client, Direction.DOWN)]
        spoken = True
        while spoken:
            spoken = False
            for side in sides:
                spoken |= self._hand_on(*side)

    def _hand_on(self, sender: H2Connection, receiver: H2Connection, direction: Direction) -> bool:
        data = sender.data_to_send()
        if data:
            self.capture.append(Piece(1, TRANSPORT, direction, data))
            receiver.receive_data(data)
        return bool(data)

    def call(self, headers: Headers, *parts: bytes, end: bool = False) -> int:
        """Begin a call, with the parts as DATA frames; return its stream."""
        stream = self.client.get_next_available_stream_id()
        self.client.send_headers(stream, headers)
        for part in parts:
            self.client.send_data(stream, part)
        if end:
            self.client.end_stream(stream)
        self.pump()
        return stream

    def answer(self, stream: int, *parts: bytes, trailers: Headers = ()) -> None:
        """Answer a call, with the parts as DATA frames."""
        self.server.send_headers(stream, RESPONSE)
        for part in parts:
            self.server.send_data(stream, part)
        if trailers:
            self.server.send_headers(stream, trailers, end_stream=True)
        self.pump()


def of_kind(frames: Sequence[Frame], kind: str, direction: Direction = Direction.UP) -> list[Frame]:
    """Return the frames of a type and a direction."""
    return [frame for frame in frames if (frame.kind, frame.direction) == (kind, direction)]


# --- the chat's messages, and frames by hand -------------------------------------------------------

GRPC = backends.technique("grpc")
CHAT = request(f"/{SERVICE}/Chat", ("authorization", "Bearer TOKEN"))
KEY = "seat-key-of-ann"
HELLO = pb.ClientFrame(hello=pb.Hello(room="lab", nick="ann", seat_key=KEY))
SEND = pb.ClientFrame(send=pb.Send(n=1, text="hällo"))
WELCOME = pb.ServerFrame(welcome=pb.Welcome(room="lab", nick="ann", seat="5ea7", seat_key=KEY))
EVENTS = pb.ServerFrame(
    events=pb.Events(
        events=[
            pb.Event(kind=pb.Event.SENT, seq=7, seat="5ea7", n=1, id=7, text="hällo"),
            pb.Event(kind=pb.Event.JOINED, seq=8, seat="0ther"),
        ]
    )
)


def grpc(one: Any) -> bytes:
    """Return a message of protobuf with its prefix."""
    return message(one.SerializeToString())


def decode(capture: Sequence[Piece]) -> list[Frame]:
    """Return the frames, after the checks of every capture."""
    frames = captures.decode(GRPC, capture)
    captures.check_frames(frames, capture)
    return frames


def raw(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """Return a frame (RFC 9113, 4.1)."""
    return len(payload).to_bytes(3, "big") + struct.pack(">BBI", kind, flags, stream) + payload


def up(*frames: bytes) -> list[Frame]:
    """Return the frames of a client that begins as it should."""
    begin = PREFACE + raw(4, 0, 0, b"")
    return decode([Piece(1, "tcp", Direction.UP, begin + b"".join(frames))])[2:]


def line(name: str, value: str) -> bytes:
    """Return a field line that is not indexed (RFC 7541, 6.2.2)."""
    return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


BLOCK = b"".join(line(name, value) for name, value in CHAT)
