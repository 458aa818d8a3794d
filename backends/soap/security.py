"""WS-Security: a UsernameToken proves that its sender has the access token.

Over TLS its password may be the access token itself (PasswordText, which is all that some toolkits have).
Without TLS it must be a digest, ``Base64(SHA-1(nonce + created + password))``, where the password is the
access token (OASIS Web Services Security UsernameToken Profile 1.1, section 3.1). A server must remember the
nonces of five minutes (3.1, lines 242 to 264); here their number is bounded, too.
"""

from __future__ import annotations

import hmac
import time
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha1
from typing import Any

from backends.soap.conversion import WSSE, WSU
from backends.soap.xml_reader import FaultCode, Refused
from chat.domain.access_token import is_token
from chat.domain.errors import AccessDenied
from chat.language import N_

WINDOW = 300.0
"""Seconds that a token is valid after its creation time, and that clocks may differ before it."""
MAX_NONCES = 100_000
"""Nonces that are remembered. For one more the oldest are forgotten, and tokens of that age are refused."""
CLOCK = "the server's time is "
"""What precedes the server's time in the refusal of a token that is too old or too new, so that a client can
follow that clock."""
SPAN = 10.0
"""Seconds of nonces that are forgotten at once."""
MAX_NONCE = 128
"""Characters of a nonce in Base64."""
DIGEST = "#PasswordDigest"
TEXT = "#PasswordText"

FAILED = FaultCode("FailedAuthentication", WSSE)
MISSING = N_(
    "this server requires an access token: use --token-file, or set CHAT_TOKEN; "
    "in an envelope it is the password of a UsernameToken, as a digest or, over TLS, as it is"
)
CLEAR = (
    "the password of a UsernameToken is accepted as it is (PasswordText) over TLS only: "
    "without TLS send its digest (PasswordDigest)"
)
WRONG = "the access token is wrong: ask the person who runs the server for the right one"


class Nonces:
    """The nonces that were used, by the time of their creation."""

    def __init__(self, most: int = MAX_NONCES) -> None:
        self._most = most
        self._spans: dict[int, set[bytes]] = {}
        self._count = 0
        self.floor = float("-inf")
        """Nonces of an earlier creation are forgotten, so they may have been used."""

    def __len__(self) -> int:
        return self._count

    def use(self, nonce: bytes, created: float, now: float) -> bool:
        """Remember a nonce. Return False if it was used before, or that is not known any more."""
        for span in [span for span in self._spans if (span + 1) * SPAN < now - WINDOW]:
            self._forget(span)
        while self._count >= self._most:
            self._forget(min(self._spans))
        used = self._spans.setdefault(int(created // SPAN), set())
        if created < self.floor or nonce in used:
            return False
        used.add(nonce)
        self._count += 1
        return True

    def _forget(self, span: int) -> None:
        self.floor = max(self.floor, (span + 1) * SPAN)
        self._count -= len(self._spans.pop(span))


MAX_ACCESSES = 3
"""Access tokens whose seats go on: the one of now, and those before it."""


class UsernameTokens:
    """Checks the tokens of all calls.

    Args:
        access: the access token.
        encrypted: the calls come over TLS.
        now: seconds since 1970.
    """

    def __init__(self, access: str, *, encrypted: bool, now: Callable[[], float] = time.time) -> None:
        self.nonces = Nonces()
        self._accesses = [access]  # the newest first
        self._encrypted = encrypted
        self._now = now

    def renew(self, access: str) -> None:
        """Take another access token; seats that were taken with an earlier one go on with that."""
        kept = [one for one in self._accesses if one != access]
        self._accesses = [access, *kept][:MAX_ACCESSES]

    def check(self, security: Any) -> str:
        """Return the access token that is proved by this header ``wsse:Security``.

        It may be one from before `renew`, which opens no new seat: the hub must admit it.

        Raises:
            Refused: it holds no token that is valid now.
        """
        tokens = [] if security is None else security.findall(f"{{{WSSE}}}UsernameToken")
        if len(tokens) != 1:
            raise _denied(MISSING)
        (token,) = tokens
        password = token.find(f"{{{WSSE}}}Password")
        if password is None:
            raise _denied(MISSING)
        kind = password.get("Type", TEXT)  # the default (profile 1.1, 3.1)
        if kind.endswith(TEXT):
            return self._check_text(password.text or "")
        if kind.endswith(DIGEST):
            return self._check_digest(token, password.text or "")
        raise _denied("the Type of a password is PasswordDigest or, over TLS, PasswordText")

    def _check_text(self, password: str) -> str:
        if not self._encrypted:
            raise _denied(CLEAR)
        for access in self._accesses:
            if is_token(password, access):
                return access
        raise _denied(WRONG)

    def _check_digest(self, token: Any, password: str) -> str:
        nonce = token.findtext(f"{{{WSSE}}}Nonce") or ""
        created = token.findtext(f"{{{WSU}}}Created") or ""
        raw, at = _read_nonce(nonce), _read_time(created)
        now = max(self._now(), self.nonces.floor)  # a clock that was set back would refuse every token
        if abs(now - at) > WINDOW:
            side = "behind" if at < now else "ahead"
            ours = datetime.fromtimestamp(now, UTC)
            raise _denied(
                f"the UsernameToken is {abs(now - at):.0f} s {side} of this server's clock, "
                f"and {WINDOW:.0f} are allowed: set the clocks; {CLOCK}{ours:%Y-%m-%dT%H:%M:%SZ}"
            )
        shown = _read_digest(password)
        for access in self._accesses:
            digest = sha1(raw + created.encode() + access.encode()).digest()
            if hmac.compare_digest(digest, shown):
                break
        else:
            raise _denied(WRONG)
        if not self.nonces.use(digest, at, now):
            raise _denied("this UsernameToken was used before: each call needs a nonce of its own")
        return access


def _denied(text: str) -> Refused:
    return Refused(AccessDenied(text), FAILED)


def _read_nonce(text: str) -> bytes:
    raw = _read_base64(text) if len(text) <= MAX_NONCE else b""
    if not raw:
        raise _denied(f"a digest needs a Nonce: Base64, at most {MAX_NONCE} characters")
    return raw


def _read_digest(text: str) -> bytes:
    return _read_base64(text) if len(text) <= MAX_NONCE else b""


def _read_base64(text: str) -> bytes:
    try:
        return b64decode(text.strip(), validate=True)
    except (NotBase64, ValueError):  # ValueError: not ASCII
        return b""


def _read_time(text: str) -> float:
    try:
        read = datetime.fromisoformat(text.strip())
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise _denied("a digest needs a wsu:Created: a time like 2026-11-25T12:00:00Z") from None
