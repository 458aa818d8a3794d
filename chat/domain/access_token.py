"""The access token, as a client shows it: one rule for all techniques (docs/protocol.md)."""

from __future__ import annotations

import hmac
from urllib.parse import unquote_to_bytes

MAX_TOKEN = 255
"""Bytes of the longest access token, in UTF-8: as many as the machine name of AUTH_SYS holds (RFC 5531)."""


MIN_TOKEN = 8
"""Characters of the shortest access token that a server takes: one that is shorter can be guessed."""


def is_token(shown: str, token: str) -> bool:
    """Whether a client has shown the token: as it is, or percent-encoded (RFC 3986, 2.1).

    Some carriers hold visible ASCII only. The text does not tell which form was meant, so both are tried.
    Takes the same time whatever was shown.
    """
    wanted, text = token.encode(), shown.encode(errors="replace")
    as_it_is = hmac.compare_digest(wanted, text)
    encoded = hmac.compare_digest(wanted, unquote_to_bytes(text))
    return as_it_is or encoded


def bearer_token(authorization: str) -> str:
    """Return what a value of the header ``Authorization`` shows (RFC 6750, 2.1); "" for another scheme.

    The case of the scheme does not matter (RFC 9110, 11.1).
    """
    scheme, _, shown = authorization.partition(" ")
    return shown.strip(" \t") if scheme.lower() == "bearer" else ""
