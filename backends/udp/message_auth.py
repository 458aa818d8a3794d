"""Message authentication: a counter and a keyed MAC behind each datagram. No I/O.

It is used where the server asks for the access token. A receiver can tell that the sender knows the token and
that the datagram is new. The token itself is never sent. `docs/datagrams.md` says what this protects against.
"""

from __future__ import annotations

from hashlib import blake2s
from hmac import compare_digest

MAC_BYTES = 16
KEY_BYTES = 32
REPLAY_WINDOW = 1024
"""How much lower than the highest counter so far one may be. Each is accepted once: a reordered datagram
passes, a replayed one does not (RFC 4303, section 3.4.3)."""
MAX_DIGITS = 16

HELLO_UP, HELLO_DOWN = "hello up", "hello down"
"""Purposes of the keys for the handshake: the client's hello, and a refusal of it."""
UP, DOWN = "up", "down"
"""Purposes of the keys after the handshake: client to server, server to client."""


def root_key(token: str) -> bytes:
    """Return the key that all other keys are derived from."""
    return blake2s(token.encode(errors="surrogatepass"), digest_size=KEY_BYTES).digest()


def derive(root: bytes, purpose: str, nonce: str, salt: str) -> bytes:
    """Return the key for one direction of one connection.

    Args:
        root: what `root_key` returned.
        purpose: `HELLO_UP`, `HELLO_DOWN`, `UP` or `DOWN`. Each direction has its own key, so that a datagram
            cannot be sent back to its sender.
        nonce: chosen by the client for this connection.
        salt: chosen by the server: the cookie during the handshake, the welcome's salt after it.
    """
    label = "\n".join((purpose, nonce, salt)).encode(errors="surrogatepass")
    return blake2s(label, key=root, digest_size=KEY_BYTES).digest()


class Authenticator:
    """Appends the trailer to the datagrams of one sender."""

    def __init__(self, key: bytes) -> None:
        self._mac = blake2s(key=key, digest_size=MAC_BYTES)
        self._counter = 0

    def protect(self, body: bytes) -> bytes:
        """Return the body, a newline, the counter, a space and the MAC in hexadecimal."""
        self._counter += 1
        signed = b"%b\n%d" % (body, self._counter)
        mac = self._mac.copy()
        mac.update(signed)
        return b"%b %b" % (signed, mac.hexdigest().encode())


class Verifier:
    """Checks the trailers of one sender's datagrams, and rejects replays."""

    def __init__(self, key: bytes) -> None:
        self._mac = blake2s(key=key, digest_size=MAC_BYTES)
        self._highest = 0
        self._seen = 0  # bit i: the counter that is i below the highest has come

    def verify(self, datagram: bytes) -> bytes | None:
        """Return the body; None if the MAC is wrong or missing, or the datagram has come before."""
        signed, _, mac = datagram.rpartition(b" ")
        body, newline, digits = signed.rpartition(b"\n")
        if not (newline and digits.isdigit() and len(digits) <= MAX_DIGITS):
            return None
        expected = self._mac.copy()
        expected.update(signed)
        if not compare_digest(expected.hexdigest().encode(), mac):
            return None
        return body if self._is_new(int(digits)) else None

    def _is_new(self, counter: int) -> bool:
        ahead = counter - self._highest
        if ahead > 0:
            self._seen = (self._seen << min(ahead, REPLAY_WINDOW) | 1) & ((1 << REPLAY_WINDOW) - 1)
            self._highest = counter
            return True
        bit = 1 << -ahead
        if -ahead >= REPLAY_WINDOW or self._seen & bit or counter == 0:
            return False
        self._seen |= bit
        return True


def has_trailer(datagram: bytes) -> bool:
    """Return whether the datagram ends like one with a counter and a MAC; nothing is verified."""
    signed, _, mac = datagram.rpartition(b" ")
    return len(mac) == 2 * MAC_BYTES and b"\n" not in mac and signed.rpartition(b"\n")[2].isdigit()


def unverified_body(datagram: bytes) -> bytes:
    """Return the datagram without its trailer, if it has one: needed to find out which key verifies it."""
    return datagram.rpartition(b"\n")[0] if has_trailer(datagram) else datagram
