"""HPACK for the decoder (RFC 7541): the field lines of a header block, each with its bytes.

It is one direction of a connection, has state, and is never used to send. A library would return the field
lines, but not where each of them stands.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from chat.transport.decoding.stream import Undecodable

DEFAULT_TABLE = 4096
"""Bytes of the dynamic table before its size is changed (RFC 9113, 6.5.2)."""
MAX_TABLE = 256 * 1024
"""Bytes that the dynamic table may have; of what an encoder announces we need not take more."""
MAX_STRING = 64 * 1024
"""Bytes of a name or a value."""
ENTRY_OVERHEAD = 32
"""Bytes that are counted for each entry of the table besides its name and value (RFC 7541, 4.1)."""

_STATIC = [
    (name, value)
    for name, *values in (
        (":authority", ""),
        (":method", "GET", "POST"),
        (":path", "/", "/index.html"),
        (":scheme", "http", "https"),
        (":status", "200", "204", "206", "304", "400", "404", "500"),
        ("accept-charset", ""),
        ("accept-encoding", "gzip, deflate"),
        *((name, "") for name in ("accept-language", "accept-ranges", "accept")),
        *((name, "") for name in ("access-control-allow-origin", "age", "allow", "authorization")),
        *((name, "") for name in ("cache-control", "content-disposition", "content-encoding")),
        *((name, "") for name in ("content-language", "content-length", "content-location")),
        *((name, "") for name in ("content-range", "content-type", "cookie", "date", "etag", "expect")),
        *((name, "") for name in ("expires", "from", "host", "if-match", "if-modified-since")),
        *((name, "") for name in ("if-none-match", "if-range", "if-unmodified-since", "last-modified")),
        *((name, "") for name in ("link", "location", "max-forwards", "proxy-authenticate")),
        *((name, "") for name in ("proxy-authorization", "range", "referer", "refresh", "retry-after")),
        *((name, "") for name in ("server", "set-cookie", "strict-transport-security")),
        *((name, "") for name in ("transfer-encoding", "user-agent", "vary", "via", "www-authenticate")),
    )
    for value in values
]
"""RFC 7541, appendix A."""

_LENGTHS = (
    "ISXXXXXXXTZXXZXXXXXXXXZXXXXXXXXXBFFHIBDGFFDGDBBBAAABBBBBBBCDKBHFIBCCCCCCCCCCCCCCCCCCCCCCDCDIOIJBKABABABBBACCBBBABC"
    "BAABCCCCCKGJIXPRPPRRRSRSSSSSTSTTRSTSSSSQRSRSSTRQPRRSSQSRRTQRSSQQRQSRSSPRRRSRRSVVPORSRUVVVWWVTUOQVWWVWTQQVVXWWWPTPQRQQS"
    "RRUUTTVSVWVVWWWWWXWWWWWVZ"
)
"""The length of each symbol's code in bits, ``A`` is 5; the last symbol is EOS (RFC 7541, appendix B). The
code is canonical: codes of one length are consecutive numbers, in the order of the symbols."""
_EOS = 256
_LONGEST = 30


def _codes() -> dict[tuple[int, int], int]:
    """Return the symbol of each code, by the code's length and number."""
    codes: dict[tuple[int, int], int] = {}
    code = before = 0
    for length, symbol in sorted((ord(letter) - 60, symbol) for symbol, letter in enumerate(_LENGTHS)):
        code <<= length - before
        codes[length, code] = symbol
        code, before = code + 1, length
    return codes


_CODES = _codes()


def unpack_huffman(data: bytes) -> bytes:
    """Return the string that Huffman's code has shortened (RFC 7541, 5.2). Raises `Undecodable`."""
    out = bytearray()
    code = length = 0
    for byte in data:
        for bit in range(7, -1, -1):
            code, length = code << 1 | byte >> bit & 1, length + 1
            symbol = _CODES.get((length, code))
            if symbol is not None:
                if symbol == _EOS:
                    raise Undecodable("HPACK: the end of a string in the middle")
                out.append(symbol)
                code = length = 0
            elif length > _LONGEST:
                raise Undecodable("HPACK: no Huffman code")
    if length > 7 or code != (1 << length) - 1:
        raise Undecodable("HPACK: a string is padded with other bits than ones")
    return bytes(out)


class Line(NamedTuple):
    """One representation of a header block (RFC 7541, 6)."""

    what: str
    """Its kind and, if it has one, its index."""
    name: str
    """Empty: it changes the size of the dynamic table."""
    value: str
    start: int
    coded: int
    """Where the index ends, and the strings begin."""
    end: int


class _Short(Exception):
    """The bytes end before the representation does."""


class Hpack:
    """The decoding side of one direction."""

    def __init__(self) -> None:
        self._table: deque[tuple[str, str]] = deque()  # the newest is first
        self._size = 0
        self._max_size = DEFAULT_TABLE

    def decode(self, data: bytes, at: int = 0) -> tuple[list[Line], int]:
        """Return the representations that are complete, and where the first begins that is not.

        Args:
            data: of a header block, or of its beginning; what is left has to come again with the rest.
            at: where to begin.

        Raises:
            Undecodable: and all header blocks that follow are lost (RFC 9113, 4.3).
        """
        lines: list[Line] = []
        while at < len(data):
            try:
                line = self._line(data, at)
            except _Short:
                break
            lines.append(line)
            at = line.end
        return lines, at

    def _line(self, data: bytes, at: int) -> Line:
        first = data[at]
        if first & 0x80:
            index, end = _integer(data, at, 7)
            name, value = self._entry(index)
            return Line(f"indexed, {_place(index)}", name, value, at, end, end)
        if first & 0xE0 == 0x20:
            size, end = _integer(data, at, 5)
            if size > MAX_TABLE:
                raise Undecodable(f"HPACK: a dynamic table of {size} bytes")
            self._max_size = size
            self._evict()
            return Line(f"dynamic table size update, {size} bytes", "", "", at, end, end)
        indexing = bool(first & 0x40)
        index, coded = _integer(data, at, 6 if indexing else 4)
        name, end = (self._entry(index)[0], coded) if index else _string(data, coded)
        value, end = _string(data, end)
        if indexing:
            self._add(name, value)
        what = "with incremental indexing" if indexing else "never indexed" if first & 0x10 else "not indexed"
        named = f", name {_place(index)}" if index else ""
        return Line(f"literal {what}{named}", name, value, at, coded, end)

    def _entry(self, index: int) -> tuple[str, str]:
        if 0 < index <= len(_STATIC):
            return _STATIC[index - 1]
        if len(_STATIC) < index <= len(_STATIC) + len(self._table):
            return self._table[index - len(_STATIC) - 1]
        raise Undecodable(f"HPACK: there is no entry {index}")

    def _add(self, name: str, value: str) -> None:
        self._table.appendleft((name, value))
        self._size += _size(name, value)
        self._evict()

    def _evict(self) -> None:
        while self._size > self._max_size:
            self._size -= _size(*self._table.pop())


def _size(name: str, value: str) -> int:
    return len(name) + len(value) + ENTRY_OVERHEAD


def _place(index: int) -> str:
    table = "static" if index <= len(_STATIC) else "dynamic"
    return f"{table} table entry {index}"


def _integer(data: bytes, at: int, bits: int) -> tuple[int, int]:
    """Return an integer whose first byte has so many bits of it, and where it ends (RFC 7541, 5.1)."""
    full = (1 << bits) - 1
    value = data[at] & full
    if value < full:
        return value, at + 1
    for place, byte in enumerate(data[at + 1 : at + 6]):
        value += (byte & 127) << 7 * place
        if byte < 128:
            return value, at + place + 2
    if len(data) - at > 5:
        raise Undecodable("HPACK: an integer of more than 5 bytes")
    raise _Short


def _string(data: bytes, at: int) -> tuple[str, int]:
    """Return a string, a character a byte, and where it ends (RFC 7541, 5.2)."""
    if at >= len(data):
        raise _Short
    size, start = _integer(data, at, 7)
    if size > MAX_STRING:
        raise Undecodable(f"HPACK: a string of {size} bytes")
    if start + size > len(data):
        raise _Short
    text = data[start : start + size]
    return (unpack_huffman(text) if data[at] & 0x80 else bytes(text)).decode("latin-1"), start + size
