"""The base of decoders of byte streams and of datagrams: buffers, limits, and what happens to garbage."""

from __future__ import annotations

from abc import abstractmethod

from chat.domain.validation import printable
from chat.interfaces.frames import Direction, Frame, FrameDecoder, raw_frame

MAX_FRAME = 8 * 1024 * 1024
"""Bytes of a frame; of a longer one nothing is decoded. The longest that a server of ours sends has 4 MiB."""
MAX_PROBLEM = 120
"""Characters of the reason why something is undecodable."""


class Undecodable(Exception):
    """The bytes do not fit the protocol."""

    def __init__(self, reason: str, resume: int = 0) -> None:
        """Begin.

        Args:
            reason: for people; it may hold what the peer sent.
            resume: the bytes after which decoding may go on; 0: nowhere, this direction is lost.
        """
        super().__init__(reason)
        self.resume = resume


class StreamDecoder(FrameDecoder):
    """Cuts a byte stream into frames. A technique adds `parse`."""

    def __init__(self) -> None:
        self._directions = (_Buffer(), _Buffer())

    @abstractmethod
    def parse(self, direction: Direction, data: bytearray, ended: bool) -> Frame | None:
        """Return the frame at the beginning of ``data``; None: it is not complete.

        The frame's ``data`` must be a copy of the bytes that it takes, at least one.

        Args:
            direction: of the bytes.
            data: everything that came and belongs to no frame yet, never empty.
            ended: nothing more will come.

        Raises:
            Undecodable: and any other exception means the same.
        """

    def wait_for(self, direction: Direction, size: int) -> None:
        """Do not call `parse` again before so many bytes are there: for frames that tell their length."""
        self._directions[direction].wanted = size

    def searched(self, direction: Direction) -> int:
        """Return up to where `parse` has looked for a frame's end, as `remember` was told."""
        return self._directions[direction].searched

    def remember(self, direction: Direction, size: int) -> None:
        """Keep in mind that the frame's end is not before ``size``, so that nothing is searched twice."""
        self._directions[direction].searched = size

    def feed(self, direction: Direction, data: bytes, at: float = 0.0) -> list[Frame]:
        buffer = self._directions[direction]
        if not buffer.data:
            buffer.began = at
        buffer.data += data
        if buffer.lost is None and len(buffer.data) < buffer.wanted:
            return []
        return self._frames(direction, at, ended=False)

    def end(self, direction: Direction, at: float = 0.0) -> list[Frame]:
        frames = self._frames(direction, at, ended=True)
        return frames + self._rest(direction, "cut off by the end of the connection", at)

    def skip(self, direction: Direction, size: int, at: float = 0.0) -> list[Frame]:
        rest = self._rest(direction, "what follows was not kept", at)
        buffer = self._directions[direction]
        buffer.lost = f"{size} bytes before it were not kept"
        buffer.offset += size
        return rest

    def _rest(self, direction: Direction, problem: str, at: float) -> list[Frame]:
        buffer = self._directions[direction]
        if not buffer.data:
            return []
        return [buffer.take(self.raw(direction, bytes(buffer.data), problem), direction, at)]

    def resynchronise(self, direction: Direction, data: bytearray) -> int:
        """Return after how many bytes decoding can go on, although bytes before are missing; 0: not yet."""
        return 0

    def starts(self, direction: Direction, data: bytearray) -> bool:
        """Return whether decoding can go on with the first of these bytes, as `resynchronise`."""
        return False

    def lose(self, direction: Direction, problem: str) -> None:
        """Decode nothing any more of what comes in this direction, unless it `starts` anew."""
        self._directions[direction].lost = problem

    def raw(self, direction: Direction, data: bytes, problem: str) -> Frame:
        """Return the frame of bytes that could not be decoded. A technique may mark the secrets in them."""
        return raw_frame(data, problem)

    def _frames(self, direction: Direction, at: float, *, ended: bool) -> list[Frame]:
        frames: list[Frame] = []
        buffer = self._directions[direction]
        while buffer.data:
            if buffer.lost is not None and self.starts(direction, buffer.data):
                buffer.lost = None
            if buffer.lost is not None:
                size = self.resynchronise(direction, buffer.data)
                frame = self.raw(direction, bytes(buffer.data[: size or None]), buffer.lost)
                if size:
                    buffer.lost = None
            else:
                parsed = self._parse(direction, buffer, ended)
                if parsed is None:
                    break
                frame = parsed
            frames.append(buffer.take(frame, direction, at))
        return frames

    def _parse(self, direction: Direction, buffer: _Buffer, ended: bool) -> Frame | None:
        buffer.wanted = 0
        try:
            frame = self.parse(direction, buffer.data, ended)
            if frame is None and max(len(buffer.data), buffer.wanted) > MAX_FRAME:
                raise Undecodable(f"a frame of more than {MAX_FRAME} bytes")
        except Exception as error:  # whatever a decoder makes of strange bytes, the chat goes on
            reason = why(error)
            resume = error.resume if isinstance(error, Undecodable) else 0
            if not resume:
                buffer.lost = reason
            return self.raw(direction, bytes(buffer.data[: resume or None]), reason)
        return frame


class DatagramDecoder(FrameDecoder):
    """Decodes datagrams, each by itself. A technique adds `parse`."""

    @abstractmethod
    def parse(self, direction: Direction, data: bytes) -> Frame:
        """Return the frame of a datagram; any exception means that it is undecodable."""

    def feed(self, direction: Direction, data: bytes, at: float = 0.0) -> list[Frame]:
        try:
            frame = self.parse(direction, data)
        except Exception as error:  # see `StreamDecoder`
            frame = raw_frame(data, why(error))
        frame.direction, frame.began, frame.ended = direction, at, at
        return [frame]


class _Buffer:
    """The bytes of one direction that belong to no frame yet."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.began = 0.0
        self.wanted = 0
        self.searched = 0
        self.lost: str | None = None
        """Why nothing can be decoded any more."""
        self.offset = 0
        """Of the first byte."""

    def take(self, frame: Frame, direction: Direction, at: float) -> Frame:
        """Remove the frame's bytes, and return it with its time and place."""
        size = len(frame.data)
        frame.direction, frame.offset, frame.began, frame.ended = direction, self.offset, self.began, at
        del self.data[:size]
        self.offset += size
        self.wanted = self.searched = 0
        self.began = at
        return frame


def why(error: Exception) -> str:
    """Return the reason why something is undecodable, for people."""
    reason = str(error) if isinstance(error, Undecodable) else f"{type(error).__name__}: {error}"
    return printable(reason)[:MAX_PROBLEM]
