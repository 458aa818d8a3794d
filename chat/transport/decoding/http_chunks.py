"""A body in chunks (RFC 9112, 7.1)."""

from __future__ import annotations

import re

from chat.interfaces.frames import Field
from chat.transport.decoding.http_head import MAX_HEAD, read_fields
from chat.transport.decoding.stream import Undecodable
from chat.transport.decoding.text import one_line

MAX_LINE = 1024
"""Bytes of a chunk's size and its extensions."""
MAX_CHUNKS = 500
"""Chunks with fields of their own; the others are shown together."""

_SIZE = re.compile(rb"([0-9a-fA-F]{1,16})[ \t]*(;[^\r\n]*)?\r?\n")
_END = re.compile(rb"\n\r?\n")


class Chunks:
    """Reads the chunks of one body, each byte once."""

    def __init__(self, place: int) -> None:
        """Begin.

        Args:
            place: of the first chunk in the frame.
        """
        self.field = Field("message-body", "", (place, place))
        self.content = bytearray()
        """What was in the chunks."""
        self.place = place
        """Up to where chunks were read; when all were, the end of the body."""
        self.wanted = 0
        """Bytes of the frame that must be there before reading on makes sense."""
        self._count = 0
        self._searched = 0
        self._only: tuple[Field, int] | None = None

    @property
    def only(self) -> tuple[Field, int] | None:
        """The field of the content, and its place, if there is one chunk: then its bytes are in one piece."""
        return self._only if self._count == 1 else None

    def read(self, data: bytearray) -> bool:
        """Read on; return whether that was the last chunk. Raises `Undecodable`.

        Args:
            data: the frame so far.
        """
        while True:
            line = bytes(data[self.place : self.place + MAX_LINE])
            found = _SIZE.match(line)
            if found is None:
                if b"\n" in line or len(line) == MAX_LINE:
                    raise Undecodable(f"no size of a chunk: {one_line(line[:20])}")
                self.wanted = 0
                return False
            size, begin = int(found[1], 16), self.place + found.end()
            if not size:
                return self._last(data, found, begin)
            end = begin + size + 2
            if len(data) < end:
                self.wanted = end
                return False
            if data[end - 2 : end] != b"\r\n":
                raise Undecodable("a chunk is longer than it says")
            self.content += data[begin : end - 2]
            self._add(found, begin, end)
            self.place = end

    def _add(self, found: re.Match[bytes], begin: int, end: int) -> None:
        self._count += 1
        if self._count > MAX_CHUNKS:
            last = self.field.fields[-1]
            if self._count == MAX_CHUNKS + 1:
                last = self.field.add("more chunks", "", (self.place, end))
            assert last.span is not None
            last.span, last.value = (last.span[0], end), f"{self._count - MAX_CHUNKS} chunks"
            return
        chunk = self.field.add("chunk", f"{end - 2 - begin} bytes", (self.place, end))
        self._size(chunk, found)
        data = chunk.add("chunk-data", f"{end - 2 - begin} bytes", (begin, end - 2), "envelope")
        self._only = data, begin

    def _size(self, chunk: Field, found: re.Match[bytes]) -> None:
        place = self.place
        chunk.add("chunk-size", one_line(found[1]), (place, place + found.end(1)))
        if found[2] is not None:
            chunk.add("chunk-ext", one_line(found[2]), (place + found.start(2), place + found.end(2)))

    def _last(self, data: bytearray, found: re.Match[bytes], begin: int) -> bool:
        """Read the last chunk and the trailer section."""
        ended = _END.search(data, max(begin - 1, self._searched - 3))
        if (ended.end() if ended else len(data)) - begin > MAX_HEAD:
            raise Undecodable(f"trailers of more than {MAX_HEAD} bytes")
        if ended is None:
            self._searched, self.wanted = len(data), 0
            return False
        fields, _ = read_fields(bytes(data[begin : ended.end()]), begin)
        last = self.field.add("last-chunk", "", (self.place, begin))
        self._size(last, found)
        if fields:
            self.field.add("trailer-section", "", (begin, ended.end()), "envelope").fields = fields
        self.place = ended.end()
        assert self.field.span is not None
        self.field.span = self.field.span[0], self.place
        self.field.value = f"{len(self.content)} bytes in {self._count} chunks"
        return True
