"""Decodes HTTP/1.1 (RFC 9110 and 9112): a frame a message, whatever its body is.

Bodies may have a length, come in chunks, or end with the connection; they may be compressed. A technique says
what a message means (`HttpDecoder.describe`).
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field

from chat.interfaces.frames import Direction, Field, Frame, raw_frame
from chat.transport.decoding.http_chunks import Chunks
from chat.transport.decoding.http_content import inflated
from chat.transport.decoding.http_head import (
    MAX_HEAD,
    TCHAR,
    Head,
    Length,
    codings,
    read_head,
    request_length,
    response_length,
    transfer_codings,
)
from chat.transport.decoding.secrets import TAIL, mark_secrets
from chat.transport.decoding.stream import MAX_FRAME, StreamDecoder, Undecodable, why
from chat.transport.decoding.text import one_line

MAX_PENDING = 128
"""Requests that wait for their answers; what comes after more of them is not decoded."""
MAX_EMPTY = 64
"""Bytes of the empty lines before a message; a server may ignore one (RFC 9112, 2.2)."""
MAX_METHOD = 32

_EMPTY = re.compile(rb"[\r\n]*")
_HEAD_END = re.compile(rb"\n\r?\n")
_METHOD = re.compile(rb"%b{1,%d}(?: |\Z)" % (TCHAR, MAX_METHOD))
_VERSION = b"HTTP/1."
_STARTS = (
    re.compile(rb"(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) [!-~]{1,4096} HTTP/1\.[01]\r?\n"),
    re.compile(rb"HTTP/1\.[01] [1-5][0-9]{2}[ \r]"),
)
"""Where messages begin, by direction: there decoding goes on after bytes that were not kept."""
_PROGRAMS = ("text/html", "text/css", "text/javascript", "application/javascript", "image/", "font/")
"""Types of contents in which the names of secrets mean nothing."""


@dataclass(slots=True)
class HttpMessage:
    """One request or response, for who says what it means."""

    frame: Frame
    """It is empty until the message is complete."""
    method: str
    """Of a response the one of its request; "": not known."""
    target: str
    shown_target: str
    """Without secrets."""
    parameters: list[Field]
    """Of the query, by their names."""
    status: int
    """0: a request."""
    reason: str
    headers: dict[str, str]
    """By their names in lower case."""
    request: HttpMessage | None = None
    """What it answers."""
    content: bytes = b""
    """The body without chunks and codings."""
    at: int | None = None
    """Where the content begins in the frame; None: it is derived."""
    body: Field = field(default_factory=lambda: Field("content"))
    """The field of the content."""
    note: str = ""
    """What the technique wants to know of a request when its answer comes."""

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class HttpDecoder(StreamDecoder):
    """One connection. A technique overrides `describe`."""

    def __init__(self) -> None:
        super().__init__()
        self._reading: list[_Reading | None] = [None, None]
        self._pending: deque[HttpMessage] = deque()
        self._count = 0
        self._before: list[bytes | None] = [None, None]
        """The last bytes that could not be decoded, empty if they were not kept; None: what comes next begins
        a message."""
        self._tunnel = False
        """The connection speaks another protocol now."""

    def describe(self, message: HttpMessage) -> None:
        """Say what a message means: add fields below `HttpMessage.body`, complete its frame.

        Raises:
            Undecodable: the content is not what its type says; any other exception means the same.
        """

    # --- the stream ----------------------------------------------------------------------------

    def parse(self, direction: Direction, data: bytearray, ended: bool) -> Frame | None:
        reading = self._reading[direction] or self._begin(direction, data)
        if reading is None or not self._is_complete(direction, reading, data, ended):
            return None
        self._reading[direction] = self._before[direction] = None
        return self._complete(direction, reading, bytes(data[: reading.place]))

    def skip(self, direction: Direction, size: int, at: float = 0.0) -> list[Frame]:
        if direction is Direction.UP and self._reading[direction] is None:
            self._pending.clear()
        rest = super().skip(direction, size, at)
        self._before[direction], self._reading[direction] = b"", None
        return rest

    def starts(self, direction: Direction, data: bytearray) -> bool:
        if self._tunnel or not _STARTS[direction].match(data):
            return False
        self._pair_anew(direction)
        return True

    def resynchronise(self, direction: Direction, data: bytearray) -> int:
        if self._tunnel or not (found := _STARTS[direction].search(data)):
            return 0
        self._pair_anew(direction)
        return found.start()

    def _pair_anew(self, direction: Direction) -> None:
        """What comes down next answers the last request: the answers to those before were lost."""
        if direction is Direction.DOWN:
            self._pending = deque(list(self._pending)[-1:])

    def raw(self, direction: Direction, data: bytes, problem: str) -> Frame:
        """Return what there is of a message if its head is known; otherwise the bytes, secrets marked."""
        reading, before = self._reading[direction], self._before[direction]
        self._reading[direction], self._before[direction] = None, data[-TAIL:]
        if direction is Direction.UP:
            self._pending = deque([reading.message] if reading else [])
        if reading is not None:
            return self._cut(direction, reading, data, problem)
        frame = raw_frame(data, problem)
        mark_secrets(frame.root, data, before=before)
        return frame

    # --- one message ---------------------------------------------------------------------------

    def _begin(self, direction: Direction, data: bytearray) -> _Reading | None:
        """Return the message whose head is complete; None: it is not. Raises `Undecodable`."""
        empty = _EMPTY.match(data)
        start = empty.end() if empty else 0
        if start > MAX_EMPTY:
            raise Undecodable("empty lines")
        _check_start(direction, bytes(data[start : start + MAX_METHOD + 1]))
        found = _HEAD_END.search(data, max(start, self.searched(direction) - 3))
        if (found.end() if found else len(data)) - start > MAX_HEAD:
            raise Undecodable(f"a head of more than {MAX_HEAD} bytes")
        if found is None:
            self.remember(direction, len(data))
            return None
        answer = direction is Direction.DOWN
        head = read_head(bytes(data[start : found.end()]), start, answer=answer)
        message = self._answer(head) if answer else self._request(head)
        length = response_length(head, message.method) if answer else request_length(head)
        reading = _Reading(message, head, start, found.end(), length)
        if length == "chunked":
            reading.chunks = Chunks(found.end())
        self._reading[direction] = reading
        return reading

    def _request(self, head: Head) -> HttpMessage:
        kept = sum(len(message.frame.data) for message in self._pending)
        if len(self._pending) >= MAX_PENDING or kept > MAX_FRAME:
            raise Undecodable(f"{len(self._pending)} requests wait for their answers")
        self._count += 1
        frame = Frame(head.version, head.method, b"", Field("request"), role="message")
        frame.stream = f"request {self._count}"
        message = HttpMessage(
            frame, head.method, head.target, head.shown_target, head.parameters or [], 0, "", head.headers
        )
        self._pending.append(message)
        return message

    def _answer(self, head: Head) -> HttpMessage:
        """Return a response with its request, to which interim ones belong, too (RFC 9110, 15.2)."""
        request = self._pending[0] if self._pending else None
        frame = Frame(head.version, str(head.status), b"", Field("response"), role="message", answer=True)
        if request is None:
            return HttpMessage(frame, "", "", "", [], head.status, head.reason, head.headers)
        frame.stream = request.frame.stream
        return HttpMessage(
            frame,
            request.method,
            request.target,
            request.shown_target,
            request.parameters,
            head.status,
            head.reason,
            head.headers,
            request,
        )

    def _is_complete(self, direction: Direction, reading: _Reading, data: bytearray, ended: bool) -> bool:
        """Return whether all of the message is there. Raises `Undecodable`."""
        if reading.chunks is not None:
            complete = reading.chunks.read(data)
            reading.place = reading.chunks.place
            if not complete:
                self.wait_for(direction, reading.chunks.wanted)
            return complete
        if reading.length == "close":
            reading.place = len(data)
            return ended
        assert isinstance(reading.length, int)
        reading.place = reading.begin + reading.length
        if len(data) < reading.place:
            self.wait_for(direction, reading.place)
            return False
        return True

    def _complete(self, direction: Direction, reading: _Reading, data: bytes) -> Frame:
        message, head = reading.message, reading.head
        frame = _framed(reading, data)
        applied = codings(head.headers.get("content-encoding", ""))
        body: Field | None = None
        if reading.begin < len(data):
            if reading.chunks is None:
                part = data[reading.begin :], reading.begin
                body = frame.root.add("message-body", f"{len(part[0])} bytes", (reading.begin, len(data)))
                body.part = "envelope"
                message.body, message.content, message.at = body, *part
            else:
                body = reading.chunks.field
                frame.root.fields.append(body)
                message.content = bytes(reading.chunks.content)
                message.body, message.at = reading.chunks.only or _derived(body, message.content)
                applied += [one for one in transfer_codings(head) if one != "chunked"]
        self._explain(message, body, applied)
        if 0 < message.status < 200:
            frame.role = "control"
        if message.status:
            self._answered(message)
        return frame

    def _explain(self, message: HttpMessage, body: Field | None, applied: list[str]) -> None:
        """Let the technique say what it means; a body that is not decoded loses only itself."""
        try:
            if message.content and applied:
                assert body is not None
                message.content = inflated(message.content, applied)
                message.body, message.at = _derived(body, message.content)
                message.body.value += f", without {', '.join(applied)}"
            self.describe(message)
        except Exception as error:
            message.frame.problem = why(error)
            message.body.fields.clear()
        inside = message.body
        if not inside.fields and message.content and not message.media_type.startswith(_PROGRAMS):
            mark_secrets(inside, message.content, message.at)
        if message.frame.problem:
            message.frame.summary += f": {message.frame.problem}"

    def _answered(self, message: HttpMessage) -> None:
        switched = message.status == 101 or (message.method == "CONNECT" and 200 <= message.status < 300)
        if (message.status >= 200 or switched) and self._pending:
            self._pending.popleft()
        if switched:
            self._tunnel = True
            for direction in Direction:
                self.lose(direction, f"another protocol, since {message.status} {message.reason}")

    def _cut(self, direction: Direction, reading: _Reading, data: bytes, problem: str) -> Frame:
        """Return what there is of a message that has no end."""
        frame = _framed(reading, data)
        frame.role, frame.problem = "raw", problem
        frame.summary += f": {problem}"
        if reading.begin < len(data):
            body = frame.root.add("message-body", "not complete", (reading.begin, len(data)))
            body.part = "envelope"
            mark_secrets(body, data[reading.begin :], reading.begin)
        return frame


@dataclass(slots=True)
class _Reading:
    """A message whose head is complete."""

    message: HttpMessage
    head: Head
    start: int
    """Of the start-line."""
    begin: int
    """Of the body."""
    length: Length
    chunks: Chunks | None = None
    place: int = 0
    """Where it ends, as far as that is known."""


def _check_start(direction: Direction, data: bytes) -> None:
    """Raise `Undecodable` if this can't become the first line of a message."""
    if direction is Direction.UP:
        if data and not _METHOD.match(data):
            raise Undecodable("no HTTP request")
    elif not _VERSION.startswith(data[: len(_VERSION)]):
        raise Undecodable("no HTTP response")


def _framed(reading: _Reading, data: bytes) -> Frame:
    """Return the frame of a message with its head's fields, but without those of its body."""
    message, frame = reading.message, reading.message.frame
    frame.data = data
    frame.root.span, frame.root.value = (0, len(data)), f"{len(data)} bytes"
    if reading.start:
        frame.root.add("empty line", "", (0, reading.start))
    frame.root.fields += reading.head.fields
    what = (
        f"{message.status} {message.reason}" if message.status else f"{message.method} {message.shown_target}"
    )
    frame.summary = one_line(what.strip())
    return frame


def _derived(body: Field, content: bytes) -> tuple[Field, None]:
    return body.add("content", f"{len(content)} bytes", None, "envelope"), None
