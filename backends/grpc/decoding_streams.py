"""One stream of HTTP/2 as a gRPC call, for the decoder: its method, and the messages of each direction.

A message is length-prefixed and may be spread over several DATA frames, and one of these may hold several
messages (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).
"""

from __future__ import annotations

import zlib

from backends.grpc.decoding_calls import (
    Meaning,
    Method,
    kind_in,
    meaning_of,
    method_of,
    note,
    role_of,
    seat_in,
)
from backends.grpc.decoding_protobuf import Record, add_records, walk
from chat.interfaces.frames import MASK, Direction, Field, Frame, Role
from chat.transport.decoding.stream import MAX_FRAME, Undecodable

PREFIX = 5
"""Bytes before each message: a flag and its length."""
MAX_MESSAGE = MAX_FRAME
"""Bytes of a message, also after it was inflated."""
MAX_HELD = 16 * 1024 * 1024
"""Bytes of all messages of a connection that are not complete."""
MAX_PARTS = 2_000
"""DATA frames of one message."""
MAX_EARLY = 5_000
"""Records of a message that are looked at before it is complete."""
MAX_ANSWER = 2_000
"""Frames of the answer to a unary call."""

_ORDER: tuple[Role, ...] = ("raw", "message", "setup", "poll", "control")


class Held:
    """The bytes of the messages of a connection that are not complete."""

    def __init__(self) -> None:
        self.size = 0


class Stream:
    """One call, from its first header block on."""

    def __init__(self, held: Held) -> None:
        self.path = ""
        self.method: Method = method_of("")
        self.types = ["", ""]
        """The ``content-type`` of each direction."""
        self.encodings = ["", ""]
        """The ``grpc-encoding`` of each direction."""
        self.seat = ""
        """The client's own, from its welcome."""
        self.answer: list[Frame] = []
        """What came down for a unary call: each of these frames carries the seqs of all."""
        self.messages = (_Messages(self, Direction.UP, held), _Messages(self, Direction.DOWN, held))

    def open(self, path: str) -> None:
        """Take note of what is called."""
        self.path, self.method = path, method_of(path)

    @property
    def is_grpc(self) -> bool:
        """Whether either side says so, in its ``content-type``."""
        return any(one.startswith("application/grpc") for one in self.types)

    def answered(self, frame: Frame) -> None:
        """Take note of a frame that came down."""
        if self.method.unary and len(self.answer) < MAX_ANSWER:
            self.answer.append(frame)
            seqs = set().union(*(one.seqs for one in self.answer))
            for one in self.answer:
                one.seqs |= seqs


class _Messages:
    """The messages of one direction of a stream."""

    def __init__(self, stream: Stream, direction: Direction, held: Held) -> None:
        self._stream, self._direction, self._held = stream, direction, held
        self._data = bytearray()  # of the message that is not complete, with its prefix
        self._frames: list[Frame] = []  # that carry it
        self._early = 0  # records that were looked at before it was complete
        self._lost = ""

    def lose(self, reason: str) -> None:
        """Give up: where the next message begins is not known."""
        self._lost = reason
        self._forget()

    def _forget(self) -> None:
        self._held.size -= len(self._data)
        self._data.clear()
        self._frames.clear()
        self._early = 0

    def feed(self, frame: Frame, content: Field) -> None:
        """Take the data of a DATA frame apart.

        Args:
            frame: that carries it; its summary, role, call and the rest are set.
            content: the field of its data.
        """
        assert content.span is not None
        at, end = content.span
        summaries: list[str] = []
        roles: list[Role] = []
        calls: list[Field] = []
        while at < end and not self._lost:
            before = len(self._data)
            size = self._take(frame.data, at, end)
            part = content.add("Length-Prefixed-Message", "", (at, at + size), "envelope")
            if not self._frames or self._frames[-1] is not frame:
                self._frames.append(frame)
            window, shift = (before, before + size), at - before
            at += size
            _prefix(part, self._data, window, shift)
            whole = len(self._data) - self._size
            try:
                if whole == 0:
                    meaning = self._complete(part, frame, window, shift)
                    calls.append(meaning.call)
                    summaries.append(meaning.summary)
                    roles.append(meaning.role)
                else:
                    summary, role = self._part(part, window, shift)
                    summaries.append(summary)
                    roles.append(role)
            except Undecodable as error:
                self.lose(str(error))
        if self._lost:
            self._opaque(frame, content, at, end)
        frame.summary = " | ".join(summaries) or frame.summary
        if roles:
            frame.role = min(roles, key=_ORDER.index)
        if frame.problem:
            frame.role = "raw"
        frame.call = frame.call or _together(calls)

    @property
    def _size(self) -> int:
        """Bytes of the message with its prefix, as far as they are known."""
        return PREFIX + (int.from_bytes(self._data[1:PREFIX], "big") if len(self._data) >= PREFIX else 0)

    def _take(self, data: bytes, at: int, end: int) -> int:
        """Add bytes to the message up to its end, if it is there; return how many."""
        begun = at
        for _ in range(2):  # the prefix, then what it announces
            size = min(end - at, self._size - len(self._data))
            self._data += data[at : at + size]
            self._held.size += size
            at += size
        return at - begun

    def _complete(self, part: Field, frame: Frame, window: tuple[int, int], shift: int) -> Meaning:
        method, direction = self._stream.method, self._direction
        data, kind = bytes(self._data[PREFIX:]), method.types[direction]
        name = kind.full_name if kind is not None else "Message"
        compressed = bool(self._data[0])
        frames = list(self._frames)
        self._forget()
        message = _message(part, name, len(data), window, shift)
        try:
            if compressed:
                data = inflate(data, self._stream.encodings[direction])
                message.value += f", inflated to {len(data)}"
            records, problem = walk(data, kind)
        except Undecodable as error:
            records, problem = [], str(error)
        inside = (max(0, window[0] - PREFIX), window[1] - PREFIX)
        add_records(message, records, inside, None if compressed else shift + PREFIX)
        if problem:
            frame.problem = frame.problem or problem
            self._rest(message, records, inside, None if compressed else shift + PREFIX, len(data))
        if seat := seat_in(records) if method.chat and direction is Direction.DOWN else "":
            self._stream.seat = seat
        noted = Frame("", "", b"", Field(""))
        note(noted, method, direction, records, self._stream.seat)
        meaning = meaning_of(method, direction, records)
        for one in frames:
            one.drafts |= noted.drafts
            one.seqs |= noted.seqs
            if one is not frame and one.call is None:
                one.call = meaning.call
        frame.texts += noted.texts
        if problem:
            return meaning._replace(summary=f"{meaning.summary}, then undecodable: {problem}")
        return meaning

    def _rest(
        self, message: Field, records: list[Record], window: tuple[int, int], shift: int | None, end: int
    ) -> None:
        """Add a field for what could not be taken apart. It may hold a seat key."""
        chat = self._stream.method.chat
        start = max(records[-1].end if records else 0, window[0])
        span = None if shift is None or start >= end else (start + shift, end + shift)
        message.add("undecodable", MASK if chat else "", span, "envelope", secret=chat)

    def _part(self, part: Field, window: tuple[int, int], shift: int) -> tuple[str, Role]:
        """Show what is known of a message that is not complete; its rest is in frames that follow."""
        method, size = self._stream.method, self._size - PREFIX
        if len(self._data) < PREFIX:
            return f"{method.name}: part of a message", role_of(method, self._direction, "")
        if size > MAX_MESSAGE:
            raise Undecodable(f"a message of {size} bytes")
        if len(self._frames) > MAX_PARTS:
            raise Undecodable(f"a message in more than {MAX_PARTS} frames")
        if self._held.size > MAX_HELD:
            raise Undecodable("too many messages are not complete")
        kind = method.types[self._direction]
        name = kind.full_name if kind is not None else "Message"
        message = _message(part, name, size, window, shift)
        records: list[Record] = []
        looked = not self._data[0] and self._early < MAX_EARLY
        if looked:
            records, problem = walk(bytes(self._data[PREFIX:]), kind, size)
            self._early += 1 + sum(map(_count, records))
            inside = (max(0, window[0] - PREFIX), window[1] - PREFIX)
            add_records(message, records, inside, shift + PREFIX)
            looked = not problem
        if not looked and method.chat:  # a seat key may be in it
            message.value, message.secret = MASK, True
            message.fields.clear()
        word = kind_in(records, method)
        about = f"{method.name}: {word}" if word else method.name
        return f"{about}, part of {size} bytes", role_of(method, self._direction, word)

    def _opaque(self, frame: Frame, content: Field, at: int, end: int) -> None:
        chat = self._stream.method.chat
        frame.problem = frame.problem or self._lost
        if at < end:
            rest = content.add("undecodable", f"{end - at} bytes", (at, end), "envelope", secret=chat)
            if chat:
                rest.value = MASK
        elif chat and content.fields:  # what was just taken is not shown, either
            last = content.fields[-1]
            last.value, last.secret = MASK, True
            last.fields.clear()
        frame.summary = f"{self._stream.method.name}, undecodable: {self._lost}"


def _count(record: Record) -> int:
    return 1 + sum(map(_count, record.records))


def _prefix(part: Field, data: bytearray, window: tuple[int, int], shift: int) -> None:
    """Add the fields of a message's prefix, as far as they are in the frame."""
    if window[0] == 0:
        part.add("Compressed-Flag", data[0], (shift, shift + 1), "framing")
    start, end = max(1, window[0]), min(PREFIX, window[1])
    if start < end:
        size = int.from_bytes(data[1:PREFIX], "big") if len(data) >= PREFIX else "..."
        part.add("Message-Length", size, (start + shift, end + shift), "framing")


def _message(part: Field, name: str, size: int, window: tuple[int, int], shift: int) -> Field:
    """Add the field of a message without its prefix."""
    start = max(PREFIX, window[0])
    span = (start + shift, max(start, window[1]) + shift)
    return part.add(name, f"{size} bytes", span, "envelope")


def _together(calls: list[Field]) -> Field | None:
    """Return the one call, or one that holds all that the frame has."""
    if len(calls) < 2:
        return calls[0] if calls else None
    return Field(f"{len(calls)} messages", part="envelope", fields=calls)


def inflate(data: bytes, encoding: str) -> bytes:
    """Return a message as it was before it was compressed.

    Args:
        data: the message.
        encoding: the call's ``grpc-encoding``.

    Raises:
        Undecodable: the encoding is not known, the data is damaged, or more than `MAX_MESSAGE` bytes.
    """
    if encoding not in ("gzip", "deflate"):
        raise Undecodable("it is compressed, and nothing says how")
    unpack = zlib.decompressobj(32 + zlib.MAX_WBITS)  # finds out whether it is gzip or zlib
    try:
        plain = unpack.decompress(data, MAX_MESSAGE)
    except zlib.error:
        raise Undecodable(f"it is not {encoding}") from None
    if unpack.unconsumed_tail:
        raise Undecodable(f"more than {MAX_MESSAGE} bytes after it was inflated")
    if not unpack.eof:
        raise Undecodable(f"the {encoding} of it is cut short")
    return plain
