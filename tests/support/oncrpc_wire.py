"""Calls of ONC RPC as they stand on the wire, and the frames that the decoder makes of them."""

from __future__ import annotations

from struct import pack

from backends.oncrpc.codec import (
    LAST,
    write_call,
)
from backends.oncrpc.decoder import make_decoder
from chat.interfaces.frames import Direction, Frame
from protos.chat_xdr import (
    CHAT_PROG,
    CHAT_V1,
    chat_event,
    chat_kind,
    send_args,
)
from protos.xdr import Message
from tests.support.captures import Piece, check_frames

UP, DOWN = Direction
KEY = "pZ4xq0Jr3cUu8s0m1KXwYQ"
TOKEN = "open sesame"
SEND = send_args(KEY, 3, "täglich")
EVENT = chat_event(chat_kind.CHAT_SENT, 17, 16, 1, "ann", "s", "oncrpc", 3, 17, "täglich")


def called(procedure: int, argument: Message | None, xid: int = 1, access: str = "") -> bytes:
    return write_call(xid, CHAT_PROG, CHAT_V1, procedure, argument, access)


def decode(*messages: tuple[Direction, bytes], transport: str = "udp") -> list[Frame]:
    """Return the frames of whole messages, or of records, after a check of all fields."""
    decoder = make_decoder(transport)  # type: ignore[arg-type]
    frames = [frame for direction, data in messages for frame in decoder.feed(direction, data)]
    frames += [frame for direction in Direction for frame in decoder.end(direction)]
    frames.sort(key=lambda frame: frame.direction)
    check_frames(frames, [Piece(0, transport, direction, data) for direction, data in messages])
    return frames


def fragments(message: bytes, *sizes: int) -> bytes:
    """Return a record in fragments of these sizes, and one with the rest."""
    record = b""
    for size in sizes:
        record += pack(">I", size) + message[:size]
        message = message[size:]
    return record + pack(">I", LAST | len(message)) + message
