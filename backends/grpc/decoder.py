"""Decodes gRPC for whoever looks at the wire: a frame for each frame of HTTP/2 (RFC 9113).

The files beside it do the parts: the frames, HPACK, the streams and their messages, protobuf, and what a
message means to the chat.
"""

from __future__ import annotations

from collections import OrderedDict

from backends.grpc.decoding_calls import percent_decoded, status_name
from backends.grpc.decoding_hpack import Hpack, Line
from backends.grpc.decoding_http2 import (
    ACK,
    END_HEADERS,
    HEADER_SIZE,
    PREFACE,
    Http2Frame,
    Kind,
    kind_name,
    read_header,
    read_payload,
)
from backends.grpc.decoding_streams import Held, Stream
from chat.interfaces.frames import MASK, Direction, Field, Frame, raw_frame
from chat.transport.decoding.secrets import TAIL, has_credentials, is_secret, mark_secrets
from chat.transport.decoding.stream import StreamDecoder, Undecodable
from chat.transport.decoding.text import one_line

MAX_STREAMS = 1_000
"""Streams that are remembered; for one more the oldest is forgotten."""
MAX_LINES = 1_000
"""Field lines of a header block that are shown."""
MAX_BLOCK_FRAMES = 64
"""Frames of one header block."""

_FOR_THE_CALL = ("grpc-timeout", "grpc-status", "grpc-message")
"""Field lines of gRPC that belong to the call, like all that an application has added."""
_OF_THE_LIBRARY = frozenset(
    ("te", "content-type", "user-agent", "grpc-encoding", "grpc-accept-encoding", "accept-encoding")
)


def make_decoder(transport: str) -> GrpcDecoder:
    """Return the decoder of one connection; what carries it is always TCP."""
    return GrpcDecoder()


class GrpcDecoder(StreamDecoder):
    """HTTP/2 with prior knowledge, as gRPC uses it, and any other HTTP/2."""

    def __init__(self) -> None:
        super().__init__()
        self._sides = (_Side(), _Side())
        self._streams: OrderedDict[int, Stream] = OrderedDict()
        self._held = Held()

    def parse(self, direction: Direction, data: bytearray, ended: bool) -> Frame | None:
        side = self._sides[direction]
        if direction is Direction.UP and not side.preface:
            return self._preface(side, data)
        if len(data) < HEADER_SIZE:
            return None
        size = int.from_bytes(data[:3], "big")
        if not side.begun and (data[3] != Kind.SETTINGS or size % 6 or any(data[5:9])):
            side.foreign = data.startswith(b"HTTP/1") or self._sides[direction.back].foreign
            raise Undecodable("not HTTP/2: the first frame is not SETTINGS")
        if len(data) < HEADER_SIZE + size:
            self.wait_for(direction, HEADER_SIZE + size)
            return None
        side.begun = True
        return self._frame(direction, bytes(data[: HEADER_SIZE + size]))

    def raw(self, direction: Direction, data: bytes, problem: str) -> Frame:
        frame = raw_frame(data, problem)
        if self._sides[direction].foreign:
            before = self._sides[direction].tail
            mark_secrets(frame.root, data, before=before)
            self._sides[direction].tail = ((before or b"") + data)[-TAIL:]
        else:  # nothing in these bytes says where a token or a seat key may be
            frame.root.value, frame.root.secret = MASK, True
        return frame

    def _preface(self, side: _Side, data: bytearray) -> Frame | None:
        begun = bytes(data[: len(PREFACE)])
        if not PREFACE.startswith(begun):
            side.foreign = not _resembles(begun)
            raise Undecodable("not HTTP/2: no connection preface")
        if len(begun) < len(PREFACE):
            return None
        side.preface = True
        root = Field("connection preface", "PRI * HTTP/2.0", (0, len(begun)))
        return Frame("HTTP/2", "preface", begun, root, "the connection preface of a client", "setup")

    def _frame(self, direction: Direction, data: bytes) -> Frame:
        side, http2 = self._sides[direction], read_header(data)
        frame = Frame("HTTP/2", http2.name, data, http2.root)
        frame.answer = direction is Direction.DOWN
        if http2.stream:
            frame.stream = f"stream {http2.stream}"
        try:
            side.check(http2)
            read_payload(http2, data)
        except Undecodable as error:
            self._damaged(direction, http2, frame, str(error))
            return frame
        match http2.kind:
            case Kind.HEADERS | Kind.PUSH_PROMISE | Kind.CONTINUATION:
                self._headers(direction, http2, frame)
            case Kind.DATA:
                self._data(direction, http2, frame)
            case _:
                frame.summary = f"{http2.name} {http2.summary}".rstrip()
                self._connection_frame(http2, frame)
        if http2.ends_stream:
            frame.summary += ", END_STREAM"
        return frame

    def _stream(self, number: int) -> Stream:
        if number not in self._streams:
            if len(self._streams) >= MAX_STREAMS:
                _, old = self._streams.popitem(last=False)
                for messages in old.messages:
                    messages.lose("the stream was forgotten")
            self._streams[number] = Stream(self._held)
        return self._streams[number]

    def _connection_frame(self, http2: Http2Frame, frame: Frame) -> None:
        """Say what a frame is for that carries no part of a call."""
        frame.answer = False
        if http2.kind == Kind.PING:
            frame.stream, frame.answer = f"ping {http2.summary}", http2.has(ACK)
            frame.summary += ", ACK" if http2.has(ACK) else ""
        elif http2.kind == Kind.GOAWAY:
            frame.role = "setup"
        elif http2.kind == Kind.RST_STREAM:
            stream = self._streams.get(http2.stream)
            frame.role = stream.method.role if stream is not None else "control"

    def _damaged(self, direction: Direction, http2: Http2Frame, frame: Frame, reason: str) -> None:
        """Note that a frame's payload makes no sense; those that follow may."""
        side = self._sides[direction]
        if http2.kind in (Kind.HEADERS, Kind.PUSH_PROMISE, Kind.CONTINUATION):
            side.lose(reason)
        elif http2.kind == Kind.DATA:
            self._stream(http2.stream).messages[direction].lose(reason)
        del http2.root.fields[1:]
        if len(frame.data) > HEADER_SIZE:  # whatever it is, a token may be in it
            http2.root.add("undecodable", MASK, (HEADER_SIZE, len(frame.data)), "envelope", secret=True)
        frame.problem, frame.role = reason, "raw"
        frame.summary = f"{http2.name}, undecodable: {reason}"

    # --- header blocks -------------------------------------------------------------------------

    def _headers(self, direction: Direction, http2: Http2Frame, frame: Frame) -> None:
        side, content = self._sides[direction], http2.content
        assert content is not None
        if http2.kind != Kind.CONTINUATION:
            side.block = _Block(http2)
        block = side.block
        assert block is not None
        stream = self._stream(block.stream)
        block.frames.append(frame)
        whole = http2.has(END_HEADERS)
        try:
            side.decode(block, content, frame.data, whole)
        except Undecodable as error:
            side.lose(str(error))
        frame.role = stream.method.role
        if side.lost:
            content.value, content.secret = MASK, True
            content.fields.clear()
            frame.problem, frame.role = side.lost, "raw"
            frame.summary = f"{http2.name}, undecodable: {side.lost}"
            if whole:
                side.block = None
            return
        frame.summary = f"{http2.name}, part of a field block"
        if whole:
            side.block = None
            if not block.promise:
                self._block(direction, stream, block, frame)

    def _block(self, direction: Direction, stream: Stream, block: _Block, frame: Frame) -> None:
        """Take note of a header block that is complete."""
        lines = dict(block.lines)
        if direction is Direction.UP and ":path" in lines:
            stream.open(lines[":path"])
        stream.types[direction] = lines.get("content-type", stream.types[direction])
        stream.encodings[direction] = lines.get("grpc-encoding", stream.encodings[direction])
        method = stream.method
        call = Field(method.name or "?", part="envelope")
        if ":path" in lines:
            call.value = f"{lines.get(':method', '')} {lines[':path']}"
        elif "grpc-status" in lines:
            call.value = status_name(lines["grpc-status"])
        elif ":status" in lines:
            call.value = f":status {lines[':status']}"
        call.value = one_line(call.value)
        for name, value in block.lines:
            if name in _FOR_THE_CALL or not (name[:1] == ":" or name in _OF_THE_LIBRARY):
                if name == "grpc-message":
                    value = percent_decoded(value)
                secret = _is_secret(name, value)
                call.add(one_line(name), MASK if secret else one_line(value), secret=secret)
        summary = f"{call.name}: {call.value}" if ":path" not in lines else call.value
        if message := lines.get("grpc-message"):
            summary += f", {percent_decoded(message)}"
        frame.summary = one_line(summary)
        for one in block.frames:
            one.call = call
            if stream.is_grpc:
                one.protocol = "gRPC"
            if direction is Direction.DOWN:
                stream.answered(one)
        frame.role = method.role

    # --- data ----------------------------------------------------------------------------------

    def _data(self, direction: Direction, http2: Http2Frame, frame: Frame) -> None:
        stream, content = self._stream(http2.stream), http2.content
        assert content is not None
        assert content.span is not None
        size = content.span[1] - content.span[0]
        frame.role = stream.method.role
        frame.summary = f"{stream.method.name or 'DATA'}, {size} bytes"
        if reason := _unreadable(stream):  # it may be a hello, with a seat key
            content.value, content.secret = MASK, True
            frame.problem, frame.role = reason, "raw"
            frame.summary = f"{stream.method.name or 'DATA'}, undecodable: {reason}"
            return
        if stream.is_grpc:
            frame.protocol = "gRPC"
            stream.messages[direction].feed(frame, content)
        if direction is Direction.DOWN:
            stream.answered(frame)


def _unreadable(stream: Stream) -> str:
    """Return why the data of a stream can't be read, although it may be the chat's; "" if it can."""
    if not stream.path:
        return "the header block of its stream is not known"
    if stream.method.hidden:
        return "the chat has no such method"
    if stream.method.chat and not stream.is_grpc:
        return "its content-type is not that of gRPC"
    return ""


class _Block:
    """A header block that is not complete."""

    def __init__(self, http2: Http2Frame) -> None:
        self.stream = http2.stream
        self.promise = http2.kind == Kind.PUSH_PROMISE
        self.left = b""
        """The beginning of a field line whose end has not come."""
        self.lines: list[tuple[str, str]] = []
        self.count = 0
        self.frames: list[Frame] = []


class _Side:
    """One direction of the connection."""

    def __init__(self) -> None:
        self.preface = self.begun = False
        self.foreign = False
        """It speaks another protocol, in text."""
        self.tail: bytes | None = None
        """The end of what nothing could decode."""
        self.block: _Block | None = None
        self.lost = ""
        """Why header blocks can't be decoded any more: each needs all before it."""
        self._hpack = Hpack()

    def lose(self, reason: str) -> None:
        self.lost = self.lost or reason
        if self.block is not None:
            self.block.left = b""

    def check(self, http2: Http2Frame) -> None:
        """Raise `Undecodable` if this frame may not come now (RFC 9113, 6.10)."""
        block = self.block
        if block is None:
            if http2.kind == Kind.CONTINUATION:
                raise Undecodable("CONTINUATION without a field block")
        elif http2.kind != Kind.CONTINUATION or http2.stream != block.stream:
            self.block = None
            self.lose(f"{kind_name(http2.kind)} within a field block")
            raise Undecodable(self.lost)

    def decode(self, block: _Block, content: Field, data: bytes, whole: bool) -> None:
        """Add a field for each field line in a frame's part of the block.

        Raises:
            Undecodable: from here on nothing of this direction's header blocks can be read.
        """
        if self.lost:
            return
        if len(block.frames) > MAX_BLOCK_FRAMES:
            raise Undecodable(f"a field block in more than {MAX_BLOCK_FRAMES} frames")
        assert content.span is not None
        start, end = content.span
        carried = len(block.left)
        buffer = block.left + data[start:end]
        lines, used = self._hpack.decode(buffer)
        for line in lines:
            block.count += 1
            if block.count <= MAX_LINES:
                block.lines.append((line.name, line.value))
                _add_line(content, line, start, start - carried)
        if block.count > MAX_LINES and lines:
            content.add("more field lines", f"{block.count - MAX_LINES} so far, not shown", None, secret=True)
        block.left = buffer[used:]
        if block.left:
            if whole:
                raise Undecodable("the last field line is cut short")
            # Whose value it is shows in a later frame.
            place = max(start, start - carried + used)
            content.add("part of a field line", MASK, (place, end), "envelope", secret=True)


def _resembles(begun: bytes) -> bool:
    """Return whether these bytes may be a damaged preface, or no text; then nothing says what follows."""
    same = sum(one == other for one, other in zip(begun, PREFACE, strict=False))
    text = all(byte in b"\t\r\n" or 0x20 <= byte < 0x7F for byte in begun)
    return not text or 2 * same > len(begun) or b"HTTP/2" in begun or b"SM\r\n" in begun


def _is_secret(name: str, value: str) -> bool:
    return is_secret(name) or has_credentials(value)


def _add_line(content: Field, line: Line, start: int, shift: int) -> None:
    """Add the field of one representation; its beginning may be in the frame before."""
    span = max(start, line.start + shift), line.end + shift
    if not line.name:
        content.add("dynamic table size update", line.what, span, "framing")
        return
    secret = _is_secret(line.name, line.value)
    shown = MASK if secret else one_line(line.value)
    below = content.add(one_line(line.name), shown, span, "envelope", secret=secret)
    if line.coded + shift > start:
        below.add("representation", line.what, (span[0], line.coded + shift), "framing")
