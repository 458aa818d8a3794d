"""The frames of a capture, in bounded memory: decoded in small steps, so that nobody waits for it."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable

from chat.domain.validation import printable
from chat.interfaces.frames import Direction, Field, Frame, FrameDecoder, Role, raw_frame
from lab.wire.capture import Capture, Chunk, Connection, Transport

MAX_FRAMES = 5_000
"""Frames that are kept; of older ones only the totals."""
MAX_BYTES = 24 * 1024 * 1024
"""Bytes of the frames that are kept, with their fields."""
FIELD_BYTES = 250
"""Bytes of memory that a field takes, roughly. A page of 200 events has 35 kB on the wire and takes 900."""
FORGET = 500
"""Frames that go until it is looked which connections have none any more."""
FEW = 3
"""Messages in a frame, at most, that are looked for in others; a page of history would show everything."""
STEP = 0.02
"""Seconds that one `Trace.update` may take."""

MakeDecoder = Callable[[Transport], FrameDecoder]
Size = tuple[Role, Direction]


class Trace:
    """What was decoded of one capture. All methods run in one thread."""

    def __init__(
        self,
        capture: Capture,
        make_decoder: MakeDecoder,
        *,
        max_frames: int = MAX_FRAMES,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        """Begin with what is in the capture.

        Args:
            capture: what a tap records.
            make_decoder: returns the decoder of a connection, see `Technique.decoder`.
            max_frames: frames that are kept.
            max_bytes: bytes of the frames that are kept, with their fields.
        """
        self.capture = capture
        self.frames: deque[Frame] = deque()
        """Those that are kept, oldest first."""
        self.sizes: Counter[Size] = Counter()
        """Bytes of all frames so far."""
        self.counts: Counter[Size] = Counter()
        """All frames so far."""
        self.connections: dict[int, Connection] = {}
        """Those of the frames that are kept, by number."""
        self.gone = 0
        """Frames that are not kept any more."""
        self._make_decoder = make_decoder
        self._max_frames, self._max_bytes = max_frames, max_bytes
        self._connections: dict[int, _Decoding] = {}
        self._waiting: deque[Chunk] = deque()
        self._ending: list[Connection] = []
        self._weights: deque[int] = deque()  # of the frames that are kept, in bytes
        self._held = 0  # their sum
        self._number = 0

    def update(self, seconds: float = STEP) -> list[Frame]:
        """Decode what was recorded since the last call, and return the new frames.

        Args:
            seconds: after so long the rest waits for the next call.
        """
        if not self._waiting:  # else what is too much stays in the capture, which drops it: that is bounded
            self._ending = self._closed()
            self._waiting += self.capture.take()
        until = time.perf_counter() + seconds
        new: list[Frame] = []
        while self._waiting:
            new += self._decode(self._waiting.popleft())
            if time.perf_counter() > until:
                break
        if not self._waiting:
            new += self._end_what_lost_its_end()
        for frame in new:
            self._keep(frame)
        return new

    def since(self, number: int) -> list[Frame]:
        """Return the frames that are kept with a higher number than this one."""
        new: list[Frame] = []
        for frame in reversed(self.frames):
            if frame.number <= number:
                break
            new.append(frame)
        return new[::-1]

    @property
    def behind(self) -> int:
        """Chunks that wait to be decoded."""
        return len(self._waiting)

    def exchange(self, frame: Frame) -> list[Frame]:
        """Return the frames of the same stream of the same connection: a request and its answers."""
        if not frame.stream:
            return [frame]
        return [
            one for one in self.frames if one.connection == frame.connection and one.stream == frame.stream
        ]

    def related(self, frame: Frame) -> list[Frame]:
        """Return the frames that say what this one is about: those of its messages, or of its exchange.

        A stream that lives as long as a connection is one exchange with everything that was said.
        """
        drafts, seqs = frame.drafts, frame.seqs
        if not 0 < len(drafts) + len(seqs) <= FEW:
            return self.exchange(frame)
        return [
            one
            for one in self.frames
            if one is frame
            or (one.drafts and not drafts.isdisjoint(one.drafts) and one.connection == frame.connection)
            or (one.seqs and not seqs.isdisjoint(one.seqs) and len(one.seqs) <= FEW)
        ]

    def of_message(self, seq: int, n: int = 0) -> list[Frame]:
        """Return the frames that carried a message.

        Args:
            seq: of its event.
            n: the number of its draft, if it is the client's own.
        """
        return [frame for frame in self.frames if seq in frame.seqs or (n and n in frame.drafts)]

    # --- decoding ------------------------------------------------------------------------------

    def _closed(self) -> list[Connection]:
        """Return the connections whose end must be in what is taken next, unless it was dropped."""
        if not self.capture.dropped:
            return []
        return [one.connection for one in self._connections.values() if one.connection.closed is not None]

    def _end_what_lost_its_end(self) -> Iterable[Frame]:
        ending, self._ending = self._ending, []
        for one in ending:
            if one.number in self._connections:
                at = one.closed or 0.0
                yield from self._decode(Chunk(one, Direction.UP, at, offset=one.sizes[0], what="closed"))

    def _decode(self, chunk: Chunk) -> Iterable[Frame]:
        connection, direction, at = chunk.connection, chunk.direction, chunk.at
        one = self._connections.get(connection.number)
        if one is None:
            decoder = self._make_decoder(connection.transport)
            one = self._connections[connection.number] = _Decoding(decoder, connection)
        frames: list[Frame] = []
        self.connections[connection.number] = connection
        if hole := chunk.offset - one.places[direction]:
            frames += [*one.skip(direction, hole, at), _note(chunk, "not kept", f"{hole} bytes")]
        one.places[direction] = chunk.offset + len(chunk.data)
        match chunk.what:
            case "data":
                frames += one.feed(direction, chunk.data, at)
            case "ended":
                frames += one.end(direction, at)
            case "closed" | "refused":
                for either in Direction:
                    frames += one.end(either, at)
                del self._connections[connection.number]
        if chunk.what != "data":
            frames.append(_note(chunk, chunk.what, chunk.about))
        for frame in frames:
            self._number += 1
            if chunk.what == "data" and frame.data:
                frame.fault = chunk.about
            frame.place = frame.offset if connection.transport == "tcp" else chunk.offset
            frame.connection, frame.number = connection.number, self._number
        return frames

    def _keep(self, frame: Frame) -> None:
        self.frames.append(frame)
        self._weights.append(_weight(frame))
        self._held += self._weights[-1]
        self.sizes[frame.role, frame.direction] += len(frame.data)
        self.counts[frame.role, frame.direction] += 1
        while len(self.frames) > self._max_frames or self._held > self._max_bytes:
            self.frames.popleft()
            self._held -= self._weights.popleft()
            self.gone += 1
            if self.gone % FORGET == 0:
                self._forget()

    def _forget(self) -> None:
        """Forget the connections that were closed before the oldest frame."""
        oldest = self.frames[0].began if self.frames else 0.0
        for number, connection in list(self.connections.items()):
            if connection.closed is not None and connection.closed < oldest:
                del self.connections[number]


class _Decoding:
    """One connection: its decoder, and the bytes that it has had of each direction."""

    def __init__(self, decoder: FrameDecoder, connection: Connection) -> None:
        self.decoder, self.connection = decoder, connection
        self.places = [0, 0]
        self._failed = ""

    def feed(self, direction: Direction, data: bytes, at: float) -> list[Frame]:
        if not self._failed:
            try:
                return self.decoder.feed(direction, data, at)
            except Exception as error:
                self._fails(error)
        frame = raw_frame(data, self._failed)
        frame.direction, frame.began, frame.ended = direction, at, at
        frame.offset = self.places[direction] - len(data)
        return [frame]

    def end(self, direction: Direction, at: float) -> list[Frame]:
        return self._last(lambda: self.decoder.end(direction, at))

    def skip(self, direction: Direction, size: int, at: float) -> list[Frame]:
        return self._last(lambda: self.decoder.skip(direction, size, at))

    def _last(self, frames: Callable[[], list[Frame]]) -> list[Frame]:
        if not self._failed:
            try:
                return frames()
            except Exception as error:
                self._fails(error)
        return []

    def _fails(self, error: Exception) -> None:
        """None may raise. If one does all the same, its bytes are shown raw, and nobody else suffers."""
        self._failed = printable(f"the decoder failed: {type(error).__name__}: {error}")


def _weight(frame: Frame) -> int:
    """Return about how many bytes a frame takes in memory: inflated, a few bytes may have many fields."""
    count, waiting = 0, [frame.root, frame.call] if frame.call else [frame.root]
    while waiting:
        field = waiting.pop()
        count += 1
        waiting += field.fields
    return len(frame.data) + FIELD_BYTES * count


def _note(chunk: Chunk, what: str, about: str) -> Frame:
    """Return a frame without bytes for what happened to a connection."""
    connection = chunk.connection
    if what == "opened":
        about = f"{connection.client} to {connection.server}"
    frame = Frame(connection.transport.upper(), what, b"", Field("connection", about, (0, 0)), about)
    frame.role, frame.direction, frame.began, frame.ended = "setup", chunk.direction, chunk.at, chunk.at
    if what in ("refused", "unreachable", "not kept"):
        frame.problem = f"{what}: {about}"
    return frame
