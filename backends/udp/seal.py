"""Seals: a counter and a MAC around each datagram, where the server asks for the access token. No I/O.

Who has the token can tell what another one who has it has sent, and that it comes for the first time. The
token itself never crosses the wire; `docs/datagrams.md` says what this does and what it does not.
"""

from __future__ import annotations

from hashlib import blake2s
from hmac import compare_digest

MAC_BYTES = 16
KEY_BYTES = 32
WIDTH = 1024
"""Counters below the highest that may still come, each once: reordering is no replay (RFC 4303, 3.4.3)."""
MAX_DIGITS = 16

HELLO_UP, HELLO_DOWN = "hello up", "hello down"
UP, DOWN = "up", "down"


def root_key(token: str) -> bytes:
    """Return what every key is made of."""
    return blake2s(token.encode(errors="surrogatepass"), digest_size=KEY_BYTES).digest()


def derive(root: bytes, purpose: str, nonce: str, salt: str) -> bytes:
    """Return the key of one direction of one connection; the salt is the server's word: cookie or salt."""
    label = "\n".join((purpose, nonce, salt)).encode(errors="surrogatepass")
    return blake2s(label, key=root, digest_size=KEY_BYTES).digest()


class Sealer:
    """Seals what one side sends: the JSON, a newline, the counter, a blank, the MAC in hexadecimal."""

    def __init__(self, key: bytes) -> None:
        self._mac = blake2s(key=key, digest_size=MAC_BYTES)
        self._counter = 0

    def seal(self, body: bytes) -> bytes:
        self._counter += 1
        signed = b"%b\n%d" % (body, self._counter)
        mac = self._mac.copy()
        mac.update(signed)
        return b"%b %b" % (signed, mac.hexdigest().encode())


class Opener:
    """Opens what the other side has sealed, each counter once."""

    def __init__(self, key: bytes) -> None:
        self._mac = blake2s(key=key, digest_size=MAC_BYTES)
        self._highest = 0
        self._seen = 0  # bit i: the counter that is i below the highest has come

    def open(self, datagram: bytes) -> bytes | None:
        """Return the JSON; None for a datagram that is not sealed with this key, or has come before."""
        signed, _, mac = datagram.rpartition(b" ")
        body, newline, digits = signed.rpartition(b"\n")
        if not (newline and digits.isdigit() and len(digits) <= MAX_DIGITS):
            return None
        right = self._mac.copy()
        right.update(signed)
        if not compare_digest(right.hexdigest().encode(), mac):
            return None
        return body if self._first_time(int(digits)) else None

    def _first_time(self, counter: int) -> bool:
        ahead = counter - self._highest
        if ahead > 0:
            self._seen = (self._seen << min(ahead, WIDTH) | 1) & ((1 << WIDTH) - 1)
            self._highest = counter
            return True
        bit = 1 << -ahead
        if -ahead >= WIDTH or self._seen & bit or counter == 0:
            return False
        self._seen |= bit
        return True


def is_sealed(datagram: bytes) -> bool:
    """Whether something stands behind the JSON that looks like a seal."""
    signed, _, mac = datagram.rpartition(b" ")
    return len(mac) == 2 * MAC_BYTES and signed.rpartition(b"\n")[2].isdigit()


def body_of(datagram: bytes) -> bytes:
    """Return what stands before the seal, unproven: to find out whose key is to be tried."""
    return datagram.rpartition(b"\n")[0] if is_sealed(datagram) else datagram
