"""Ports for servers that start again at the place they had, or whose clients ask again when they are gone."""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Iterator
from contextlib import suppress

from tests.support.once import WORKER

FIRST, LAST = 20_000, 32_000
"""Below the ports that a system hands out by itself (Linux from 32,768, macOS and Windows from 49,152)."""
BLOCK = 1_000
"""Ports of a worker: none of two workers takes what the other's server had a moment ago."""


def _ports() -> Iterator[int]:
    """Return this worker's ports, over and over; another run at the same time mostly begins elsewhere."""
    block = (int(WORKER.removeprefix("gw") or 0) * BLOCK) % (LAST - FIRST)
    begin = (os.getpid() * 37) % BLOCK
    return itertools.cycle(FIRST + block + (begin + number) % BLOCK for number in range(BLOCK))


_of_this_worker = _ports()


def own_port() -> int:
    """Return a port of 127.0.0.1 that is free for TCP and UDP, and that no other test gets for a while."""
    for port in itertools.islice(_of_this_worker, BLOCK):
        with suppress(OSError), socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
            stream.bind(("127.0.0.1", port))
            datagrams.bind(("127.0.0.1", port))
            return port
    raise OSError(f"none of the {BLOCK} ports of this worker is free")
