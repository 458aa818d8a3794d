"""Masks in bytes that nothing could decode the secrets that were read before."""

from __future__ import annotations

from collections.abc import Iterable

from chat.interfaces.frames import MASK, Field

MIN_PART = 4
"""Bytes of a secret that are masked where the bytes begin in the middle of it, or end there."""
MAX_SECRETS = 64
"""Secrets of one connection that are kept. A client has one token, and a seat key."""


class KnownSecrets:
    """The secrets of one connection."""

    def __init__(self) -> None:
        self._secrets: set[bytes] = set()

    def add(self, secrets: Iterable[bytes]) -> None:
        """Keep these in mind."""
        for secret in secrets:
            if len(secret) >= MIN_PART and len(self._secrets) < MAX_SECRETS:
                self._secrets.add(secret)

    def mark(self, field: Field, data: bytes, *, first: bool) -> None:
        """Add a field for each place of a known secret.

        Args:
            field: of all these bytes, without fields below it.
            data: the bytes of the frame.
            first: the first secrets of the connection may be in them: if none is known, all is masked.
        """
        begin, end = field.span or (0, len(data))
        if first and not self._secrets:
            field.add("may be secret", MASK, (begin, end), "envelope", secret=True)
            return
        done = begin
        for place, after in sorted(self._places(data, begin, end)):
            if after > done:
                field.add("secret", MASK, (max(place, done), after), "envelope", secret=True)
                done = after

    def _places(self, data: bytes, begin: int, end: int) -> Iterable[tuple[int, int]]:
        for secret in self._secrets:
            place = data.find(secret, begin, end)
            while place >= 0:
                yield place, place + len(secret)
                place = data.find(secret, place + len(secret), end)
            for size in range(min(len(secret) - 1, end - begin), MIN_PART - 1, -1):
                if data.startswith(secret[-size:], begin, end):
                    yield begin, begin + size
                if data.endswith(secret[:size], begin, end):
                    yield end - size, end
