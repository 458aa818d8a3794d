"""The framing: a stream of bytes cut into lines. No I/O, so that any slicing can be tried."""

from __future__ import annotations

from chat.domain.errors import BadRequest
from chat.domain.model import Limits

MAX_LINE = Limits().frame_bytes


class LineReader:
    """Feed it bytes as they come, get whole lines."""

    def __init__(self, limit: int = MAX_LINE) -> None:
        self._limit = limit
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that are whole now, without their newline; empty ones are left out.

        Raises `BadRequest` when a line is longer than the limit; the reader is of no use after that.
        """
        if self._rest:
            data = self._rest + data
        lines = data.split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > self._limit or (
            len(data) > self._limit and max(map(len, lines), default=0) > self._limit
        ):
            self._rest = b""
            raise BadRequest(f"a line may have {self._limit} bytes, this one has more")
        return [line for line in lines if line] if b"" in lines else lines
