"""Cookies: proof that somebody is where a datagram says it comes from, and no memory of who has asked.

The sender of a datagram may write any address into it. So the first hello is answered with a keyed hash of
its address and the time, and the seat is given only to who brings that back (RFC 9147, section 5.1).
"""

from __future__ import annotations

from hashlib import blake2s
from hmac import compare_digest
from typing import Any

SLOT = 10.0
"""Seconds; a cookie is good in the slot that it was made in and in the next."""
COOKIE_BYTES = 16


class Cookies:
    """Makes and checks cookies, with a secret that only this server has. Each call brings the time."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def make(self, address: tuple[Any, ...], now: float) -> str:
        return self._of(address, int(now / SLOT))

    def good(self, cookie: str, address: tuple[Any, ...], now: float) -> bool:
        """Whether this server gave this cookie to this address a moment ago."""
        given = cookie.encode(errors="replace")
        slot = int(now / SLOT)
        return any(compare_digest(given, self._of(address, made).encode()) for made in (slot, slot - 1))

    def _of(self, address: tuple[Any, ...], slot: int) -> str:
        label = repr((address, slot)).encode()
        return blake2s(label, key=self._secret, digest_size=COOKIE_BYTES).hexdigest()
