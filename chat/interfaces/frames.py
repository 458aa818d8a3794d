"""What a decoder makes of the bytes on the wire: frames, and the fields in them.

A decoder has no I/O and no clock. Nothing it reads is trusted: the bytes may come from anybody.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal

Part = Literal["framing", "envelope", "payload"]
"""What bytes are for. framing: they only delimit (lengths, types, newlines, padding). envelope: they say
whose, what, where and which (headers, names, numbers). payload: a text that a person wrote."""

Role = Literal["message", "poll", "setup", "control", "raw"]
"""What a frame is for. message: it carries drafts or events, or answers one. poll: it asks for events, or
answers that there are none. setup: it opens or closes a connection or a seat. control: acknowledgements,
pings, windows, keepalives. raw: it could not be decoded."""

MASK = "••••••"
"""What is shown instead of a secret."""


class Direction(IntEnum):
    """Where bytes go, as an index."""

    UP = 0
    """From the client to the server."""
    DOWN = 1
    """From the server to the client."""

    @property
    def back(self) -> Direction:
        return Direction(1 - self)


@dataclass(slots=True)
class Field:
    """A named part of a frame.

    The fields below it lie inside it, in order, and none overlaps another. So each byte belongs to one field:
    the innermost that holds it. What is derived (an inflated body, a header of a compressed block) has no
    bytes of its own, and no span.
    """

    name: str
    value: str = ""
    span: tuple[int, int] | None = None
    """First byte and the one after the last, counted from the frame's first."""
    part: Part = "framing"
    secret: bool = False
    """A token, key, password, digest or MAC: whoever shows or writes the frame masks it, and its bytes."""
    fields: list[Field] = field(default_factory=list)
    filler: int = 0x2A
    """What stands for each byte of a secret: ``*``, or a byte that is as good where ``*`` means nothing."""

    def add(
        self,
        name: str,
        value: object = "",
        span: tuple[int, int] | None = None,
        part: Part | None = None,
        *,
        secret: bool = False,
    ) -> Field:
        """Append a field below this one, and return it. Without a ``part`` it has that of this one."""
        below = Field(name, str(value), span, part or self.part, secret)
        self.fields.append(below)
        return below


@dataclass(slots=True)
class Frame:
    """One protocol unit of one direction of a connection.

    A decoder may still add `drafts`, `seqs` and `texts` to a frame that it has returned, and settle its
    `call`, `role` and the fields of its part of a message: what it belongs to is sometimes known only later.
    """

    protocol: str
    """E.g. ``HTTP/2``."""
    kind: str
    """The frame's type in the protocol's own words, e.g. ``HEADERS``."""
    data: bytes
    root: Field
    """Covers all of ``data``."""
    summary: str = ""
    """One line, without a secret."""
    role: Role = "control"
    stream: str = ""
    """What pairs a request with its answer on a connection: a stream id, a channel, an xid."""
    call: Field | None = None
    """What is called or answered, derived: its name, and the arguments below it."""
    answer: bool = False
    """It answers the call of the same ``stream``."""
    texts: list[str] = field(default_factory=list)
    """The texts that people wrote, in the order of the frame."""
    drafts: set[int] = field(default_factory=set)
    """The numbers of the client's own drafts that it carries or answers."""
    seqs: set[int] = field(default_factory=set)
    """The seqs of the events that it carries or acknowledges."""
    fault: str = ""
    """What was done to it on purpose on its way; empty: nothing."""
    problem: str = ""
    """Why it could not be decoded; empty: it could."""
    direction: Direction = Direction.UP
    offset: int = 0
    """Of its first byte in the stream of its direction; 0 for a datagram."""
    place: int = 0
    """Bytes of its direction and connection before it, those of other datagrams too; by who captured it."""
    connection: int = 0
    """Numbered by who captured it."""
    number: int = 0
    """The frame's own, from 1, by who decoded it."""
    began: float = 0.0
    """When its first byte was read: seconds of the capture's clock."""
    ended: float = 0.0
    """When its last byte was read."""


class FrameDecoder(ABC):
    """Decodes both directions of one connection, or of one pair of addresses for datagrams.

    For every split of the same bytes it returns the same frames, each byte in one of them, in order. No
    method raises: what can't be decoded is a frame with the role ``raw`` and a `Frame.problem`. From there on
    nobody knows where frames begin, so that raw frames are the pieces that were read.
    """

    @abstractmethod
    def feed(self, direction: Direction, data: bytes, at: float = 0.0) -> list[Frame]:
        """Return the frames that are complete now.

        Args:
            direction: of the bytes.
            data: what was read at once; a whole datagram.
            at: when, in seconds.
        """

    def end(self, direction: Direction, at: float = 0.0) -> list[Frame]:
        """Return what is left when the direction has ended: nothing more will come."""
        return []

    def skip(self, direction: Direction, size: int, at: float = 0.0) -> list[Frame]:
        """Take note that so many bytes of this direction were not kept; return what is left before them."""
        return []


def raw_frame(data: bytes, problem: str = "") -> Frame:
    """Return the frame of bytes that could not be decoded."""
    root = Field("bytes", f"{len(data)} bytes", (0, len(data)))
    what = f"undecodable: {problem}" if problem else f"{len(data)} bytes"
    return Frame("raw", "bytes", data, root, what, "raw", problem=problem)
