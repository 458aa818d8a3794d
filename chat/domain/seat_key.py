"""Seat keys: the secrets that open seats.

A client makes its first key up, and the key of a new seat is made from the key of the hello. So if the
welcome is lost on the way, the same hello again is answered with the same seat.
"""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64encode
from hashlib import blake2b

from chat.domain.validation import nick_key

BYTES = 16
SHORTEST, LONGEST = 22, 64
"""Characters of a key that a new one is made from. A shorter one may be guessed; a longer one is no key."""


def new_seat_key() -> str:
    """Return a random key: 22 characters of base64url."""
    return secrets.token_urlsafe(BYTES)


def key_of_new_seat(asked: str, room: str, nick: str) -> str:
    """Return the key of the new seat that a hello gets.

    Args:
        asked: the seat key of the hello, which opens no seat: the client has made it up, or its seat has
            ended, or there is none.
        room: the room's name.
        nick: of the new seat.

    Returns:
        The same key for the same arguments; a random one if ``asked`` is not as long as a key is.
    """
    if not SHORTEST <= len(asked) <= LONGEST:
        return new_seat_key()
    text = "\0".join((asked, room, nick_key(nick)))
    digest = blake2b(text.encode(errors="surrogatepass"), digest_size=BYTES, person=b"new seat").digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode()
