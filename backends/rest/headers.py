"""What the headers and the query of a request mean. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from backends.rest.conversion import PROBLEM
from chat.domain.access_token import bearer_token
from chat.domain.errors import BadRequest
from chat.domain.model import MAX_NUMBER

JSON = b"application/json"
# --- what headers say --------------------------------------------------------------------------

SINGLE = frozenset(
    (b"authorization", b"seat-key", b"idempotency-key", b"content-type", b"content-encoding", b"origin")
)
"""Headers that may occur once: two values would contradict each other."""


def read_headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Return the headers by their names in lower case. Raises `BadRequest` for a repeated one of `SINGLE`."""
    headers: dict[bytes, bytes] = {}
    for name, value in raw:
        if name in headers:
            if name in SINGLE:
                raise BadRequest(f"the header {name.decode('latin-1')} is repeated: send it once")
            value = headers[name] + b", " + value
        headers[name] = value
    return headers


def access_token(headers: dict[bytes, bytes]) -> str:
    """Return the access token of ``Authorization: Bearer`` (RFC 6750, 2.1); "" for none.

    Beyond the RFC it may be any text, as UTF-8.
    """
    return bearer_token(headers.get(b"authorization", b"").decode(errors="replace"))


def draft_number(headers: dict[bytes, bytes]) -> int:
    """Return the number of ``Idempotency-Key``, with or without quotes; 0 without the header.

    Raises `BadRequest`.
    """
    value = headers.get(b"idempotency-key")
    if value is None:
        return 0
    digits = value[1:-1] if len(value) > 2 and value[:1] == value[-1:] == b'"' else value
    if (n := whole_number(digits)) is None or n == 0:
        raise BadRequest(
            f"an Idempotency-Key is the number of the draft here, counted from 1 to {MAX_NUMBER} by its seat"
        )
    return n


def whole_number(digits: bytes, most: int = MAX_NUMBER) -> int | None:
    """Return the number; None if these are no digits, or it is larger than ``most``."""
    if not digits.isdigit() or len(digits) > 16 or (number := int(digits)) > most:
        return None
    return number


@lru_cache(64)
def wants_json(accept: bytes) -> bool:
    """Whether ``Accept`` allows JSON (RFC 9110, 12.5.1): the most specific range that matches decides."""
    best, wanted = 0, False
    for part in accept.lower().split(b","):
        kind, *parameters = (piece.strip() for piece in part.split(b";"))
        # A client that accepts problems only expects no other body.
        precedence = {b"*/*": 1, b"application/*": 2, PROBLEM: 2, JSON: 3}.get(kind, 0)
        if precedence > best:
            best, wanted = precedence, not any(_is_zero(parameter) for parameter in parameters)
    return wanted


def _is_zero(parameter: bytes) -> bool:
    name, _, value = parameter.partition(b"=")
    return name.strip() == b"q" and value.strip().strip(b"0") in (b"", b".")


@lru_cache(64)
def wants_html(accept: bytes) -> bool:
    """Whether ``Accept`` names HTML, as browsers do; for a client that takes anything a page is of no use."""
    kinds = (part.split(b";") for part in accept.lower().split(b","))
    return any(kind[0].strip() == b"text/html" and not any(map(_is_zero, kind[1:])) for kind in kinds)


@lru_cache(64)
def is_json(content_type: bytes) -> bool:
    """Whether a body of this type is JSON in UTF-8."""
    kind, *parameters = (piece.strip() for piece in content_type.lower().split(b";"))
    named = [
        value.strip(b' "') for name, _, value in (p.partition(b"=") for p in parameters) if name == b"charset"
    ]
    return kind == JSON and all(value in (b"utf-8", b"utf8") for value in named)


# --- entity tags -------------------------------------------------------------------------------


def etag(epoch: str, seq: int) -> bytes:
    """Return the entity tag of a state: its log, and the seq of the event that made it."""
    return b'"%b-%d"' % (epoch.encode(), seq)


def part_tag(epoch: str, head: int, first: int, last: int) -> bytes:
    """Return the entity tag of a page that does not reach the newest event.

    It is none of another page's. So nobody who uses the tag of one page for the next one is told that nothing
    has changed.
    """
    return b'"%b-%d.%d-%d"' % (epoch.encode(), head, first, last)


def tagged(tag: bytes | None) -> list[tuple[bytes, bytes]]:
    """Return the headers of an answer that has this entity tag, or none."""
    return [] if tag is None else [(b"etag", tag)]


# --- queries -----------------------------------------------------------------------------------


def read_query(query: bytes, most: dict[bytes, int]) -> dict[bytes, int]:
    """Return the numbers of a query.

    Args:
        query: the part of the URL behind the question mark.
        most: the names that are read, and the largest number for each; other names are ignored.

    Raises:
        BadRequest: a value is no number, is too large, or its name is repeated.
    """
    found: dict[bytes, int] = {}
    for part in query.split(b"&") if query else ():
        name, _, value = part.partition(b"=")
        if b"%" in part:
            name, value = unquote_to_bytes(name), unquote_to_bytes(value)
        if name not in most:
            continue
        if name in found:
            raise BadRequest(f"{name.decode()} is repeated: send it once")
        if (number := whole_number(value, most[name])) is None:
            raise BadRequest(f"{name.decode()} is a whole number from 0 to {most[name]}")
        found[name] = number
    return found
