"""Byte streams: what the servers on them share."""

from __future__ import annotations

import socket
from contextlib import suppress


def keep_alive(connection: socket.socket) -> None:
    """Let the kernel find out within a minute or so that a peer has vanished, where nobody sends pings."""
    with suppress(OSError):  # it may be reset already
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
            if (option := getattr(socket, name, None)) is not None:  # not every system has each
                connection.setsockopt(socket.IPPROTO_TCP, option, value)
