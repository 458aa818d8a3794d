"""Client-side checks that a text fits into a technique's contract, where that has fixed bounds.

A server refuses such a text, too, but it could only say that the message is malformed. These checks give the
room's own error instead, before anything is sent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from chat.domain.errors import AccessDenied, StaleCursor
from chat.domain.model import Hello
from chat.domain.validation import clean_nick, clean_room, clean_text


@dataclass(frozen=True, slots=True)
class WireLimits:
    """The bounds of a contract, in the unit that ``fits`` counts in."""

    fits: Callable[[str, int], bool]
    """Whether the wire format can carry a text, and it is within a bound."""
    text: int
    nick: int
    key: int
    """Of seat keys."""
    epoch: int
    token: int | None = None
    """Of access tokens; None: they are not sent."""

    def check_text(self, text: str) -> str:
        """Return the text; one that is too long is normalised (NFC) first. Raises `BadText`."""
        return text if text and self.fits(text, self.text) else clean_text(text)

    def check_hello(self, hello: Hello) -> Hello:
        """Return the hello as the contract allows it. Raises the `ChatError` that the room would give."""
        cursor, nick = hello.cursor, hello.nick
        if cursor and cursor.epoch and not self.fits(cursor.epoch, self.epoch):
            raise StaleCursor("the room has another log than the cursor's: begin without a cursor")
        if self.token is not None and not self.fits(hello.access, self.token):
            raise AccessDenied(
                "the access token is wrong: ask the person who runs the server for the right one"
            )
        return Hello(
            clean_room(hello.room),
            nick if nick and self.fits(nick, self.nick) else clean_nick(nick),
            cursor,
            hello.access,
            hello.seat_key if self.fits(hello.seat_key, self.key) else "",  # no server gave such a key
            hello.replay,
        )
