"""What the sink speaks where a protocol is more than bytes with a text in them.

A `Wire` is one client of an RPC technique, without any I/O. It takes what the client has read, answers what
the protocol wants answered, and returns lines that are the same for every receiver: `READY` when the client
is let in, and then the number of each message. So the `Checker` need not know how frames are cut.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod

from lab.bench.dialects import DIGITS, TEXT_BYTES, Dialect

READY = b"ready\n"
LINES = Dialect(hello=b"", ready=READY, say=b"", message=re.compile(rb"(\d{%d})\n" % DIGITS))
"""What wires return."""
TEXT = re.compile(rb"(\d{%d})\.{%d}" % (DIGITS, TEXT_BYTES - DIGITS))
"""A message's whole text; nothing else that a server sends looks like it."""


class Wire(ABC):
    """One client. It does not decode all that comes: that would cost more than to send it."""

    def __init__(self) -> None:
        self.out = bytearray()
        """What the client has to send; whoever sends it takes it out."""

    @abstractmethod
    def feed(self, data: bytes) -> bytes:
        """Take what was read, in any pieces; return whole lines. Raises `DeliveryError`."""

    @abstractmethod
    def say(self, text: bytes) -> None:
        """Put the call that sends a message into ``out``."""


def lines(texts: list[bytes]) -> bytes:
    """Return a line for each number."""
    return b"\n".join([*texts, b""]) if texts else b""
