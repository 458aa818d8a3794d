"""The kernel's buffers for a UDP socket, the same on both sides."""

from __future__ import annotations

import socket
from contextlib import suppress

BUFFER = 4 * 1024 * 1024
"""Bytes to ask for, in each direction. A burst that finds a full buffer is lost."""


def enlarge_buffers(udp: socket.socket) -> None:
    """Ask for large buffers; the kernel gives as much as its limits allow."""
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        with suppress(OSError):
            udp.setsockopt(socket.SOL_SOCKET, option, BUFFER)
