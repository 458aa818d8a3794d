"""Captures for the decoders' tests: real traffic of a technique, and what must be true of every frame."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

from chat.interfaces.frames import Direction, Field, Frame
from chat.interfaces.technique import Technique
from lab.wire.capture import Chunk


class Piece(NamedTuple):
    connection: int
    transport: str
    direction: Direction
    data: bytes


def pieces(chunks: Sequence[Chunk]) -> list[Piece]:
    """Return the data of a capture, without times."""
    return [
        Piece(one.connection.number, one.connection.transport, one.direction, one.data)
        for one in chunks
        if one.what == "data"
    ]


def decode(technique: Technique, capture: Sequence[Piece]) -> list[Frame]:
    """Return the frames of all connections, each connection ended; sorted by connection and direction."""
    make = technique.load_decoder()
    decoders = {piece.connection: make(piece.transport) for piece in capture}  # type: ignore[arg-type]
    frames = []
    for piece in capture:
        for frame in decoders[piece.connection].feed(piece.direction, piece.data):
            frame.connection = piece.connection
            frames.append(frame)
    for number, decoder in decoders.items():
        for direction in Direction:
            for frame in decoder.end(direction):
                frame.connection = number
                frames.append(frame)
    return sorted(frames, key=lambda frame: (frame.connection, frame.direction))


def split(capture: Sequence[Piece], rng: random.Random | None) -> list[Piece]:
    """Return the same bytes in other pieces: random ones, or without a ``rng`` single bytes."""
    cut = []
    for piece in capture:
        place = 0
        while place < len(piece.data):
            size = len(piece.data) if piece.transport == "udp" else rng.randint(1, 40) if rng else 1
            cut.append(piece._replace(data=piece.data[place : place + size]))
            place += size
    return cut


def mutate(capture: Sequence[Piece], rng: random.Random) -> list[Piece]:
    """Return the capture with one to four bytes changed, left out or added."""
    changed = list(capture)
    for _ in range(rng.randint(1, 4)):
        which = rng.randrange(len(changed))
        data = bytearray(changed[which].data)
        place = rng.randrange(len(data)) if data else 0
        match rng.randrange(3):
            case 0 if data:
                data[place] = rng.randrange(256)
            case 1 if data:
                del data[place : place + rng.randint(1, 8)]
            case _:
                data[place:place] = rng.randbytes(rng.randint(1, 8))
        changed[which] = changed[which]._replace(data=bytes(data))
    return [piece for piece in changed if piece.data]


def check_frames(frames: Sequence[Frame], capture: Sequence[Piece]) -> None:
    """Fail unless each byte is in one frame, and in each frame in one field."""
    sent: dict[tuple[int, Direction], bytes] = {}
    for piece in capture:
        key = piece.connection, piece.direction
        sent[key] = sent.get(key, b"") + piece.data
    for key, data in sent.items():
        mine = [frame for frame in frames if (frame.connection, frame.direction) == key]
        assert b"".join(frame.data for frame in mine) == data
    for frame in frames:
        assert frame.root.span == (0, len(frame.data))
        _check_field(frame.root)


def _check_field(field: Field) -> None:
    """Those below lie inside, in order, and none overlaps another; what is derived has no bytes below."""
    place, end = field.span or (0, 0)
    for below in field.fields:
        if below.span is not None:
            assert field.span is not None, f"{below.name} has bytes, and {field.name} has none"
            assert place <= below.span[0] <= below.span[1] <= end, f"{below.name} in {field.name}"
            place = below.span[1]
        _check_field(below)
        for character in f"{below.name}{below.value}":
            assert character >= " ", f"a control character in {below.name}"
            assert character != "\x7f"


def same(one: Sequence[Frame], other: Sequence[Frame]) -> None:
    """Fail unless the frames are the same, whatever came when."""
    assert [plain(frame) for frame in one] == [plain(frame) for frame in other]


def plain(frame: Frame) -> tuple[object, ...]:
    """Return a frame without times."""
    return (
        frame.connection,
        frame.direction,
        frame.offset,
        frame.data,
        frame.protocol,
        frame.kind,
        frame.summary,
        frame.role,
        frame.stream,
        frame.answer,
        frame.texts,
        frame.drafts,
        frame.seqs,
        frame.problem,
        frame.root,
        frame.call,
    )
