"""The way of a session to its room: over which technique, and to which server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from chat.interfaces.client import ChatClient

Dial = Callable[[], Awaitable[ChatClient]]
"""Finds the server, or starts it, and returns a client that is not connected yet."""


@dataclass(slots=True)
class Way:
    """One technique, and how its server is found. ``dial`` may set what it finds out: access and server."""

    dial: Dial
    resend: bool = True
    """The technique's trait: drafts without an answer are sent again after a reconnect."""
    access: str = ""
    """The access token for the next connection."""
    server: str = ""
    """The server behind the client's address, if that is another one."""
    technique: str = ""
    """Its name, for `Switched`."""
    checked: bool = True
    """What is damaged on the way is found and sent again, as by TCP: a refusal is about what was sent."""
