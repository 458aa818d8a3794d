"""Content codings of HTTP: a bounded inflater (RFC 9110, 8.4.1)."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from chat.transport.decoding.stream import Undecodable

MAX_INFLATED = 4 * 1024 * 1024
"""Bytes that a compressed body may have when it is inflated; of one with more nothing is decoded."""
MAX_CODINGS = 3
"""Content codings that are undone, one after the other."""
_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}


def inflated(data: bytes, applied: Sequence[str]) -> bytes:
    """Return a body without its codings.

    Args:
        data: the body.
        applied: the names of the codings, in the order in which they were applied.

    Raises:
        Undecodable: a coding is unknown or broken, or there are more than `MAX_INFLATED` bytes.
    """
    if len(applied) > MAX_CODINGS:
        raise Undecodable(f"{len(applied)} content codings")
    for coding in reversed(applied):
        if coding not in _WINDOWS:
            raise Undecodable(f"the content coding {coding} is not decoded here")
        try:
            data = _inflate(data, _WINDOWS[coding])
        except zlib.error as error:
            if coding != "deflate":
                raise Undecodable(f"not {coding}: {error}") from None
            data = _raw(data)
    return data


def _raw(data: bytes) -> bytes:
    """Some send ``deflate`` without the zlib format around it (RFC 9110, 8.4.1.2)."""
    try:
        return _inflate(data, -15)
    except zlib.error as error:
        raise Undecodable(f"not deflate: {error}") from None


def _inflate(data: bytes, window: int) -> bytes:
    """Raises `zlib.error`, and `Undecodable` if there is too much or too little."""
    inflater = zlib.decompressobj(window)
    found = inflater.decompress(data, MAX_INFLATED + 1)
    if len(found) > MAX_INFLATED:
        raise Undecodable(f"compressed, and more than {MAX_INFLATED} bytes when inflated")
    if not inflater.eof:
        raise Undecodable("compressed, and cut off")
    return found
