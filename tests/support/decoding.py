"""What tests of decoders share: a conversation, decoded in one piece and byte by byte."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chat.interfaces.frames import Direction, Field, Frame, FrameDecoder
from lab.wire.masking import shown_bytes, walk
from tests.support.captures import Piece, check_frames, same

UP, DOWN = Direction.UP, Direction.DOWN


def frames_of(make: Callable[[], FrameDecoder], *said: tuple[Direction, bytes]) -> list[Frame]:
    """Return the frames of a connection that ended, in the order in which they were complete.

    Fails unless each byte is in one field, and the frames are the same if each byte comes by itself.
    """
    frames = _decode(make(), said)
    check_frames(frames, [Piece(0, "tcp", direction, data) for direction, data in said])
    single = [(direction, data[i : i + 1]) for direction, data in said for i in range(len(data))]
    same(_by_direction(_decode(make(), single)), _by_direction(frames))
    return frames


def _decode(decoder: FrameDecoder, said: Sequence[tuple[Direction, bytes]]) -> list[Frame]:
    frames = [frame for direction, data in said for frame in decoder.feed(direction, data)]
    return frames + [frame for direction in Direction for frame in decoder.end(direction)]


def _by_direction(frames: list[Frame]) -> list[Frame]:
    return sorted(frames, key=lambda frame: frame.direction)


def field(frame: Frame, *names: str) -> Field:
    """Return the first field with these names, the outermost first."""
    found = frame.root
    for name in names:
        found = next(one for one in walk(found) if one.name == name)
    return found


def data_of(frame: Frame, *names: str) -> bytes:
    """Return the bytes of the first field with these names."""
    span = field(frame, *names).span
    assert span is not None, f"{names[-1]} is derived"
    return frame.data[slice(*span)]


def everything_shown(frame: Frame) -> str:
    """Return all that is shown of a frame without ``--show-secrets``, to look for a secret in it."""
    fields = [*walk(frame.root), *(walk(frame.call) if frame.call else ())]
    texts = [frame.summary, frame.problem, *(f"{one.name} {one.value}" for one in fields)]
    return "\n".join([*texts, shown_bytes(frame).decode("latin-1")])
