"""The access token, as a client shows it: one rule for all techniques (docs/protocol.md)."""

from __future__ import annotations

import hmac
import re
import secrets
from urllib.parse import unquote_to_bytes

from chat.domain.word_list import WORDS

MAX_TOKEN = 255
"""Bytes of the longest access token, in UTF-8: as many as the machine name of AUTH_SYS holds (RFC 5531)."""


MIN_TOKEN = 8
"""Characters of the shortest access token that a server takes: one that is shorter can be guessed."""


TOKEN_WORDS = 4
"""Words of a token that is read aloud: of 1,098 each, so 40 bits."""
_KNOWN = frozenset(WORDS)
_BETWEEN = re.compile(r"[\s,.;_+-]+")


def new_words() -> str:
    """Return a new access token of four words, e.g. ``apple-river-moon-stove``."""
    return "-".join(secrets.choice(WORDS) for _ in range(TOKEN_WORDS))


def same_words(token: str) -> str:
    """Return a token of four words in its one form, however it was typed: ``Apple  RIVER moon-stove``.

    Any other token comes back as it is.
    """
    if len(token) > MAX_TOKEN:
        return token
    words = [word for word in _BETWEEN.split(token.lower()) if word]
    return "-".join(words) if len(words) == TOKEN_WORDS and _KNOWN.issuperset(words) else token


def is_token(shown: str, token: str) -> bool:
    """Whether a client has shown the token: as it is, percent-encoded (RFC 3986, 2.1), or as the same words.

    Some carriers hold visible ASCII only. The text does not tell which form was meant, so both are tried.
    The time of the comparison does not depend on the token.
    """
    wanted, text = same_words(token).encode(), shown.encode(errors="replace")
    as_it_is = hmac.compare_digest(wanted, _same_bytes(text))
    encoded = hmac.compare_digest(wanted, _same_bytes(unquote_to_bytes(text)))
    return as_it_is or encoded


def _same_bytes(text: bytes) -> bytes:
    """Return what `same_words` makes of a text that may be no UTF-8."""
    return same_words(text.decode(errors="surrogateescape")).encode(errors="surrogateescape")


def bearer_token(authorization: str) -> str:
    """Return what a value of the header ``Authorization`` shows (RFC 6750, 2.1); "" for another scheme.

    The case of the scheme does not matter (RFC 9110, 11.1).
    """
    scheme, _, shown = authorization.partition(" ")
    return shown.strip(" \t") if scheme.lower() == "bearer" else ""
