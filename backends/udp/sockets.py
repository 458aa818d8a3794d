"""What both sides ask of the kernel for their socket."""

from __future__ import annotations

import socket
from contextlib import suppress

BUFFER = 4 * 1024 * 1024
"""Bytes of the kernel's two buffers, if it allows so many: a burst that finds them full is lost."""


def widen(made: socket.socket) -> None:
    """Ask for large buffers; the kernel gives what it allows."""
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        with suppress(OSError):
            made.setsockopt(socket.SOL_SOCKET, option, BUFFER)
