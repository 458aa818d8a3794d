"""The same bytes to many connections: what is large is given to the kernel once, and not copied for each.

It is put into a file in memory, and each socket sends from that: its packets refer to the pages of the file.
Of less than 24 KB a copy for each connection takes no longer.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Protocol, TypeVar

from chat.interfaces.server import LOW_WATER

LARGE = 24 * 1024
"""Bytes from which on a file takes less time."""


class Writer(Protocol):
    """One connection, as far as it is needed here."""

    transport: asyncio.Transport
    descriptor: int
    """Of the socket; -1: what is written is encrypted for this connection."""


W = TypeVar("W", bound=Writer)


def write_all(data: bytes, writers: Iterable[W]) -> list[W]:
    """Write to every connection. What the kernel does not take waits in the transport, as always.

    Returns:
        The connections with more than `LOW_WATER` bytes in the transport.
    """
    full: list[W] = []
    if sys.platform == "linux" and len(data) >= LARGE and (file := _file(data)) is not None:
        size, send = len(data), os.sendfile
        try:
            for writer in writers:
                transport, sent = writer.transport, 0
                if writer.descriptor >= 0 and not transport.get_write_buffer_size():
                    with suppress(OSError):  # it takes nothing now, or is broken: the transport meets it, too
                        sent = send(writer.descriptor, file, 0, size)
                if sent < size:
                    transport.write(memoryview(data)[sent:])
                    if transport.get_write_buffer_size() > LOW_WATER:
                        full.append(writer)
        finally:
            os.close(file)
    else:
        for writer in writers:
            transport = writer.transport
            transport.write(data)
            if transport.get_write_buffer_size() > LOW_WATER:
                full.append(writer)
    return full


def _file(data: bytes) -> int | None:
    """Return the descriptor of a file in memory that holds this; None: the system gives none."""
    if sys.platform == "linux":
        with suppress(OSError):
            file = os.memfd_create("events")
            with suppress(OSError):
                if os.write(file, data) == len(data):
                    return file
            os.close(file)
    return None
