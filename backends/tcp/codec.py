"""The framing: a stream of bytes is cut into lines. No I/O, so that tests can try any slicing."""

from __future__ import annotations

import re

from chat.domain.errors import BadRequest
from chat.domain.model import Limits
from chat.language import N_

MAX_LINE = Limits().frame_bytes

_LF = re.compile(rb"\n\n+")
_CRLF = b"\n\r\n"
_EMPTY = (b"", b"\r")


class LineReader:
    """Cuts a stream of bytes into lines."""

    def __init__(self, limit: int = MAX_LINE) -> None:
        self._limit = limit
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that are complete now, without their newline; empty lines are left out.

        An empty line costs no more than its bytes: none is ever an object of its own.

        Raises:
            BadRequest: a line is longer than the limit. The reader must not be used after that.
        """
        if self._rest:
            data = self._rest + data
        if b"\n\n" in data:
            data = _LF.sub(b"\n", data)
        while _CRLF in data:  # each time half of them are left
            data = data.replace(_CRLF, b"\n")
        lines = data.split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > self._limit or (
            len(data) > self._limit and max(map(len, lines), default=0) > self._limit
        ):
            self._rest = b""
            raise BadRequest(N_(f"a line may have {self._limit} bytes, this one has more"))
        if lines and lines[0] in _EMPTY:
            del lines[0]  # behind a line's end there is none any more
        return lines
