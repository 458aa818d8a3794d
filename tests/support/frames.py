"""Frames by hand, for tests of what is made of frames: the smallest that show something."""

from __future__ import annotations

from typing import Any

from chat.interfaces.frames import Direction, Field, Frame
from lab.wire.capture import Connection

UP, DOWN = Direction.UP, Direction.DOWN


def frame(data: bytes = b"", *fields: Field, **values: Any) -> Frame:
    """Return a frame; ``values`` are further attributes of it."""
    made = Frame(
        values.pop("protocol", "test"),
        values.pop("kind", "data"),
        data,
        Field("frame", "", (0, len(data)), fields=list(fields)),
    )
    made.role = "message"
    for name, value in values.items():
        assert hasattr(made, name)
        setattr(made, name, value)
    return made


def connection(number: int = 1, transport: Any = "tcp", **values: Any) -> Connection:
    made = Connection(number, transport, "127.0.0.1:40000", "127.0.0.1:7010", 0.0)
    for name, value in values.items():
        setattr(made, name, value)
    return made


def stream(*frames: Frame) -> list[Frame]:
    """Number the frames, and give each its place in its direction and a time; those with a place keep it."""
    places = [0, 0]
    for number, one in enumerate(frames, 1):
        one.number = number
        one.connection = one.connection or 1
        one.offset = one.offset or places[one.direction]
        places[one.direction] = one.offset + len(one.data)
        one.began = one.began or number / 1000
        one.ended = one.ended or one.began
    return list(frames)
