"""Cookies: they prove a client's address, and the server stores nothing for them.

The source address of a datagram can be forged. So the server answers the first hello with a keyed hash of the
address and the time. It gives a seat only to a client that sends this cookie back (RFC 9147, section 5.1).
"""

from __future__ import annotations

from hashlib import blake2s
from hmac import compare_digest
from typing import Any

SLOT = 10.0
"""Seconds; a cookie is valid in the time slot in which it was made and in the next one."""
COOKIE_BYTES = 16


class Cookies:
    """Makes and checks the cookies of one server.

    Args:
        secret: random bytes that only this server has.
    """

    def __init__(self, secret: bytes) -> None:
        self._keyed = blake2s(key=secret, digest_size=COOKIE_BYTES)

    def make(self, address: tuple[Any, ...], now: float) -> str:
        """Return the cookie for an address; ``now``: a monotonic clock's time in seconds."""
        return self._hash(address, int(now / SLOT))

    def is_valid(self, cookie: str, address: tuple[Any, ...], now: float) -> bool:
        """Return whether this server made the cookie for this address in this time slot or the last one."""
        given = cookie.encode(errors="replace")
        if len(given) != 2 * COOKIE_BYTES:  # mostly none: it is the first hello
            return False
        slot = int(now / SLOT)
        if compare_digest(given, self._hash(address, slot).encode()):
            return True
        return compare_digest(given, self._hash(address, slot - 1).encode())

    def _hash(self, address: tuple[Any, ...], slot: int) -> str:
        keyed = self._keyed.copy()
        keyed.update(f"{address} {slot}".encode())
        return keyed.hexdigest()
