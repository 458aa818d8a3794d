"""The states of a connection over a byte stream, the same on both sides."""

from __future__ import annotations

from enum import Enum


class State(Enum):
    """A connection only ever moves down this list, and may skip states."""

    OPENING = "connected; the client has no seat yet"
    SEATED = "the client has its seat"
    LEAVING = "the client has asked for the end of its seat"
    CLOSING = "the server has written its last words; nothing but the end comes after them"
    CLOSED = "the connection is gone"

    def __init__(self, _meaning: str) -> None:
        self.ended = self.name in ("CLOSING", "CLOSED")
        """Nothing more may be written. An attribute, because it is looked up for every message."""
