"""Clients of RPC techniques for the load generator.

A `Wire` is one client, without any I/O. It gets what the client has read, and answers what the protocol
requires. It returns lines that are the same for every receiver: `READY` when the client has joined, and then
the number of each message. So the `Checker` need not know the framing of the technique.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod

from lab.bench.dialects import DIGITS, TEXT_BYTES, Dialect

READY = b"ready\n"
LINES = Dialect(hello=b"", ready=READY, say=b"", message=re.compile(rb"(\d{%d})\n" % DIGITS))
"""The lines that a `Wire` returns."""
TEXT = re.compile(rb"(\d{%d})\.{%d}" % (DIGITS, TEXT_BYTES - DIGITS))
"""Matches a message's whole text, and nothing else that a server sends."""


class Wire(ABC):
    """One client.

    It does not decode everything that it reads: that would take more time than the server does.
    """

    def __init__(self) -> None:
        self.out = bytearray()
        """What the client must send; the caller sends and removes it."""

    @abstractmethod
    def feed(self, data: bytes) -> bytes:
        """Add what was read; return complete lines. Raises `DeliveryError`."""

    @abstractmethod
    def say(self, text: bytes) -> None:
        """Append a message to ``out``."""


def lines(texts: list[bytes]) -> bytes:
    """Return a line for each number."""
    return b"\n".join([*texts, b""]) if texts else b""
