"""Where secrets are in headers, queries and elements, by their names; and in bytes that nothing decodes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from chat.interfaces.frames import MASK, Field

_SCHEME = r"\b(?:bearer|basic) "
_ENDS = r"authorization|cookie|seat[-_]?key|token|secret|password|passwd|api[-_]?key"
_WHOLE = r"access|nonce|signaturevalue|digestvalue|ciphervalue"
_SCHEMES = re.compile(_SCHEME, re.IGNORECASE)
_SECRET = re.compile(rf".*(?:{_ENDS})|{_WHOLE}", re.IGNORECASE | re.DOTALL)
# In HTTP a header ends its name with a colon, in JSON a quote comes first; in XML the name ends a tag, and
# attributes may follow. What a mutation took away may be missing. Where a value is cut off, it ends there.
_IN_BYTES = re.compile(
    rb"""%b(?P<scheme>[^\r\n]+)|(?:%b|(?<![a-z0-9])(?:%b))(?:
        " [ \t\r\n]* :? [ \t\r\n]* "? (?P<json> (?: [^"\\] | \\. )* )
      | [^<>"\r\n:=&]{0,256} > (?P<xml> [^<]* )
      | [^<>"\r\n:=&]{0,16} [:=] (?P<line> [^\r\n]* )
      | (?P<rest> [^\r\n<">]* )
    )"""
    % (_SCHEME.replace(" ", "[ ]").encode(), _ENDS.encode(), _WHOLE.encode()),
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
_REST = re.compile(rb'[^\r\n"<]*')
# Where nothing is known of what came before, a name in JSON may have begun there: its value is masked, too.
_NAME_AND_REST = re.compile(rb'[^\r\n"<]*(?:"(?:[ \t]*:[ \t]*")?(?:[^"\\\r\n]|\\.)*)?')
TAIL = 32
"""Bytes of what nothing could decode that are looked at again with the next ones: a name may be split."""
MAX_MARKS = 200
"""Secrets that are marked one by one in bytes that nothing could decode; what follows is marked whole."""


@lru_cache(1024)
def is_secret(name: str) -> bool:
    """Return whether what has this name is a secret: a token, a key, a password, a digest, a nonce.

    It is for names of headers, parameters, elements and JSON, without a namespace.
    """
    return _SECRET.fullmatch(name) is not None


def has_credentials(value: str) -> bool:
    """Return whether the value of a header holds credentials, whatever its name is (RFC 6750, RFC 7617)."""
    return _SCHEMES.search(value) is not None


def secret_places(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield where secrets seem to be in bytes that nothing could decode."""
    for found in _IN_BYTES.finditer(data):
        place = found.span(found.lastgroup or 0)
        if place[0] < place[1]:
            yield place


def mark_secrets(field: Field, data: bytes, at: int | None = 0, *, before: bytes | None = None) -> None:
    """Add a field for each secret that seems to be in bytes that nothing could decode.

    Args:
        field: of all these bytes.
        data: the bytes.
        at: where they begin in the frame; None: they are derived, and have no place in it.
        before: the last bytes before them, which nothing could decode, either; empty: they were not kept.
            Then a secret may have begun there. None: a message begins here.
    """
    end = 0
    rest = None if before is None else (_REST if before else _NAME_AND_REST).match(data)
    if rest is not None:
        end = rest.end()
        if end:
            _add(field, "may be the end of a secret", 0, end, at)
    skipped = len(before or b"")
    for start, stop in secret_places((before or b"") + data):
        start, stop = start - skipped, stop - skipped
        if stop > end:
            if len(field.fields) >= MAX_MARKS:
                stop = len(data)
            _add(field, "secret", max(start, end), stop, at)
            end = stop


def _add(field: Field, name: str, start: int, end: int, at: int | None) -> None:
    field.add(name, MASK, None if at is None else (at + start, at + end), secret=True)
