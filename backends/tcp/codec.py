"""The framing: a stream of bytes is cut into lines. No I/O, so that tests can try any slicing."""

from __future__ import annotations

from chat.domain.errors import BadRequest
from chat.domain.model import Limits

MAX_LINE = Limits().frame_bytes


class LineReader:
    """Cuts a stream of bytes into lines."""

    def __init__(self, limit: int = MAX_LINE) -> None:
        self._limit = limit
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that are complete now, without their newline; empty lines are left out.

        Raises:
            BadRequest: a line is longer than the limit. The reader must not be used after that.
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
