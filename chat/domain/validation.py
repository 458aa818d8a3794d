"""What texts and names may hold, and how a seat gets its public name.

The ranges are fixed here and not taken from Python's Unicode tables, which differ between versions:
two nodes must refuse the same message. Normalisation (NFC) and casefold happen once, when a text comes
in, and their result is stored.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from unicodedata import category, is_normalized, name, normalize

from chat.domain.errors import BadName, BadText
from chat.domain.model import Limits
from chat.language import N_

LIMITS = Limits()

_CONTROL = "\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but tab and newline, DEL, C1
_LINE_BREAKS = "\u2028\u2029"  # act like a newline in some programs and not in others
_BIDI = "\u202a-\u202e\u2066-\u2069"  # embeddings, overrides, isolates (UAX #9)
_SURROGATES = "\ud800-\udfff"
_NOT_XML = "\ufffe\uffff"  # XML 1.0, production 2
_TEXT = re.compile(f"[{_CONTROL}{_LINE_BREAKS}{_BIDI}{_SURROGATES}{_NOT_XML}]")

# In a name also everything that can't be seen or typed back: spaces, tabs, zero-width and format
# characters, tag characters. ZWJ and ZWNJ would make two names that look alike.
_INVISIBLE = (
    "\t\n \u00a0\u00ad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f"
    "\u202f\u205f-\u2065\u206a-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffd"
    "\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_NAME = re.compile(f"[{_CONTROL}{_LINE_BREAKS}{_BIDI}{_SURROGATES}{_NOT_XML}{_INVISIBLE}]")
# Marks that are drawn on the character before them: at the beginning, on what is not the name.
_MARK = re.compile("[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]")
_ROOM = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")

_CONTROL_NAMES = {0x00: "NULL", 0x07: "BELL", 0x0D: "CARRIAGE RETURN", 0x1B: "ESCAPE", 0x7F: "DELETE"}


def clean_text(text: str, limit: int = LIMITS.text_bytes) -> str:
    """Return the text in NFC, otherwise unchanged.

    Args:
        text: of a message.
        limit: UTF-8 bytes, at most.

    Raises:
        BadText: it is empty, too long, or holds a character that is not allowed. The error names the
            character and its place.
    """
    if text.isascii():
        if text.isprintable():  # the hot path: no control characters, nothing to normalise
            if 0 < len(text) <= limit and not text.isspace():
                return text
        elif bad := _TEXT.search(text):
            raise BadText(_complain(N_("a message"), text, bad.start()))
        size = len(text)
    else:
        if bad := _TEXT.search(text):
            raise BadText(_complain(N_("a message"), text, bad.start()))
        if not is_normalized("NFC", text):
            text = normalize("NFC", text)
        size = len(text.encode())
    if not text.strip():
        raise BadText("a message needs at least one character that is not a space")
    if size > limit:
        raise BadText(f"the message has {size} bytes, {limit} are allowed: send it in parts")
    return text


def clean_nick(nick: str) -> str:
    """Return the nick in NFC. Raises `BadName`."""
    if nick.isascii() and nick.isalnum() and len(nick) <= LIMITS.nick_chars:  # most are
        return nick
    if bad := _NAME.search(nick):
        raise BadName(_complain(N_("a nick"), nick, bad.start()))
    nick = normalize("NFC", nick)
    if not nick:
        raise BadName("a nick needs at least one character")
    if len(nick) > LIMITS.nick_chars or len(nick.encode()) > LIMITS.nick_bytes:
        raise BadName(
            f"the nick has {len(nick)} characters and {len(nick.encode())} bytes: "
            f"{LIMITS.nick_chars} and {LIMITS.nick_bytes} are allowed"
        )
    if nick[0] in "/@#":
        raise BadName(f"a nick may not start with {nick[0]!r}")
    if _MARK.match(nick):
        raise BadName(f"a nick may not start with {_describe(nick[0])}")
    return nick


def nick_key(nick: str) -> str:
    """Return the key by which nicks are compared: the casefold, normalised."""
    return normalize("NFC", nick.casefold())


def clean_room(room: str) -> str:
    """Return the room's name unchanged. Raises `BadName`."""
    if not _ROOM.fullmatch(room):
        raise BadName(
            f"{room[:32]!r} is not a room name: 1 to 32 of a-z, 0-9, - and _, starting with a letter or digit"
        )
    return room


def seat_name(seat_key: str) -> str:
    """Return the public name of the seat that ``seat_key`` opens: 24 hexadecimal digits."""
    return blake2b(seat_key.encode(errors="surrogatepass"), digest_size=12).hexdigest()


def printable(text: str) -> str:
    """Return the text with an escape for every character that is not allowed in a message.

    For texts that did not pass `clean_text`: reasons from a peer, file names, log lines.
    """
    return _TEXT.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def has_no_bytes(error: UnicodeEncodeError) -> BadText:
    """Return the error for a text that can't be encoded in UTF-8, because it holds a lone surrogate."""
    return BadText(f"a text may not hold {_describe(error.object[error.start])}: UTF-8 can't encode it")


def _complain(what: str, text: str, place: int) -> str:
    return N_(f"{what} may not hold {_describe(text[place])} (character {place + 1})")


def _describe(char: str) -> str:
    called = name(char, "") or _CONTROL_NAMES.get(ord(char), "")
    if not called:
        called = {"Cc": "CONTROL CHARACTER", "Cs": "LONE SURROGATE"}.get(category(char), "NOT ASSIGNED")
    return f"U+{ord(char):04X} {called}"
