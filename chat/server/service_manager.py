"""Tells a service manager, systemd, how the server is: sd_notify(3), which is one datagram.

Without the environment variable ``NOTIFY_SOCKET`` nothing is told.
"""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress

NOTIFY_SOCKET = "NOTIFY_SOCKET"
"""The environment variable that says where to tell it."""
READY = "READY=1"
STOPPING = "STOPPING=1"


def reloading() -> str:
    """Return the state of a server that reads its files again; `READY` follows."""
    return f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}"


def notify(state: str) -> None:
    """Send a state, if a service manager waits for it."""
    path = os.environ.get(NOTIFY_SOCKET, "")
    if path[:1] not in ("/", "@") or not hasattr(socket, "AF_UNIX"):
        return
    place = f"\0{path[1:]}" if path[0] == "@" else path  # in Linux' abstract namespace
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        sender.sendto(state.encode(), place)
