"""Connections to the workers of one server, so that each worker has as many of them.

The system chooses the worker by chance. Of 200 clients one of two workers then has 106 on average, and how
much the busiest has to do would be luck.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence

import psutil

from lab.bench.checker import DeliveryError

AT_ONCE = 16
"""Connections that are opened before it is looked up who has accepted them."""
TIMEOUT = 10.0
"""Seconds until a connection must have been accepted."""
PAUSE = 0.002
"""Seconds between two looks."""


class Evenly:
    """Opens connections until the worker whose turn it is has one, and keeps the others for later."""

    def __init__(self, host: str, port: int, workers: Sequence[int]) -> None:
        """Prepare.

        Args:
            host: of the server.
            port: at which all workers listen.
            workers: their processes.
        """
        self._place = host, port
        self._workers = [psutil.Process(pid) for pid in workers]
        self._unused: list[list[socket.socket]] = [[] for _ in workers]

    def connect(self, number: int) -> socket.socket:
        """Return a connection to worker ``number``, modulo how many there are.

        Raises:
            DeliveryError: no worker has accepted a connection.
        """
        unused = self._unused[number % len(self._unused)]
        while not unused:
            self._open()
        return unused.pop()

    def _open(self) -> None:
        opened = [socket.create_connection(self._place) for _ in range(AT_ONCE)]
        waiting = {one.getsockname()[1]: one for one in opened}
        deadline = time.monotonic() + TIMEOUT
        while waiting:
            for worker, unused in zip(self._workers, self._unused, strict=True):
                for link in worker.net_connections("tcp"):
                    if link.raddr and (mine := waiting.pop(link.raddr.port, None)) is not None:
                        unused.append(mine)
            if time.monotonic() > deadline:
                for one in opened:
                    one.close()
                raise DeliveryError(f"no worker has accepted a connection within {TIMEOUT:.0f} s")
            time.sleep(PAUSE)

    def close(self) -> None:
        """Close what is not used."""
        for unused in self._unused:
            while unused:
                unused.pop().close()
