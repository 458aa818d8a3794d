"""The log of a server on its standard error: it never blocks the server, and nobody can fill a disk with it.

A pipe that nobody reads is full after 64 KiB, and then a write to it waits for ever. So a thread of its own
writes. What it can't write, and what is over the rate, is left out and counted.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from stat import S_ISREG

MAX_WAITING = 256
"""Records that wait to be written."""
MAX_CHARS = 8192
"""Characters of one record."""
BURST = 100
RATE = 5.0
"""Records that are written at once, and each second."""
MAX_FILE = 4 * 1024 * 1024
"""Bytes of the background server's log file; then it begins anew."""
PATIENCE = 0.5
"""Seconds at the end for what is not written yet."""


class StderrLog(logging.Handler):
    """Writes records to a descriptor, as many as it takes.

    Args:
        descriptor: where to.
        clock: returns seconds.
        max_file: bytes after which a file begins anew, if the descriptor is one; 0: never.
    """

    def __init__(
        self, descriptor: int, clock: Callable[[], float] = time.monotonic, *, max_file: int = 0
    ) -> None:
        super().__init__(logging.WARNING)
        self._descriptor = descriptor
        self._clock = clock
        self._max_file = max_file
        self._queue: SimpleQueue[str | None] = SimpleQueue()
        self._allowance, self._refilled = float(BURST), clock()
        self.left_out = 0
        """Records since the last one that was written."""
        self._thread = threading.Thread(target=self._write, name="stderr log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        now = self._clock()
        self._allowance = min(BURST, self._allowance + (now - self._refilled) * RATE)
        self._refilled = now
        if self._allowance < 1 or self._queue.qsize() >= MAX_WAITING:
            self.left_out += 1
            return
        self._allowance -= 1
        try:
            text = self.format(record)[:MAX_CHARS] + "\n"
        except Exception:
            self.handleError(record)
            return
        if self.left_out:
            text = f"({self.left_out} log records were left out)\n{text}"
            self.left_out = 0
        self._queue.put(text)

    def _write(self) -> None:
        while (text := self._queue.get()) is not None:
            data = text.encode(errors="backslashreplace")
            try:
                self._keep_short()
                while data:
                    data = data[os.write(self._descriptor, data) :]
            except OSError:
                pass  # nobody reads it any more

    def _keep_short(self) -> None:
        found = os.fstat(self._descriptor)
        if self._max_file and S_ISREG(found.st_mode) and found.st_size > self._max_file:
            os.ftruncate(self._descriptor, 0)
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            os.write(self._descriptor, b"(older lines were dropped)\n")

    def close(self) -> None:
        self._queue.put(None)
        self._thread.join(PATIENCE)
        super().close()


@contextmanager
def stderr_log(max_file: int = 0) -> Iterator[None]:
    """Send what the process logs to its standard error, as long as the block lasts."""
    handler = StderrLog(2, max_file=max_file)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.close()
