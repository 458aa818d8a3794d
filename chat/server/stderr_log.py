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

from chat.server.log_format import JsonFormat, TextFormat

MAX_WAITING = 256
"""Records that wait to be written."""
MAX_CHARS = 8192
"""Characters of one record."""
BURST = 100
RATE = 5.0
"""Records that are written at once, and each second."""
INFO_BURST = 1000
INFO_RATE = 50.0
"""The same of those below a warning, which the operator has asked for. They are counted apart, and may fill
half of the queue: so comings and goings never displace a warning."""
OURS = ("chat", "backends")
"""The loggers whose level the operator chooses. A library may log what it reads and sends, so of the others
only warnings are written."""
MAX_FILE = 4 * 1024 * 1024
"""Bytes of the background server's log file; then it begins anew."""
PATIENCE = 0.5
"""Seconds at the end for what is not written yet."""


class Allowance:
    """A token bucket: how many records may still be written."""

    def __init__(self, burst: float, rate: float, now: float) -> None:
        self._burst, self._rate = burst, rate
        self._left, self._refilled = burst, now

    def take(self, now: float) -> bool:
        """Take one, if there is one."""
        self._left = min(self._burst, self._left + (now - self._refilled) * self._rate)
        self._refilled = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class StderrLog(logging.Handler):
    """Writes records to a descriptor, as many as it takes.

    Args:
        descriptor: where to.
        clock: returns seconds.
        max_file: bytes after which a file begins anew, if the descriptor is one; 0: never.
        form: of the lines.
    """

    def __init__(
        self,
        descriptor: int,
        clock: Callable[[], float] = time.monotonic,
        *,
        max_file: int = 0,
        form: TextFormat | None = None,
    ) -> None:
        super().__init__()
        self._form = form or TextFormat()
        self.setFormatter(self._form)
        self._descriptor = descriptor
        self._clock = clock
        self._max_file = max_file
        self._queue: SimpleQueue[str | None] = SimpleQueue()
        self._allowance = Allowance(BURST, RATE, clock())
        self._info_allowance = Allowance(INFO_BURST, INFO_RATE, clock())
        self.left_out = 0
        """Records since the last one that was written."""
        self._thread = threading.Thread(target=self._write, name="stderr log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        info = record.levelno < logging.WARNING
        if info and record.name.partition(".")[0] not in OURS:
            return
        allowance, room = self._allowance, MAX_WAITING
        if info:
            allowance, room = self._info_allowance, MAX_WAITING // 2
        if self._queue.qsize() >= room or not allowance.take(self._clock()):
            self.left_out += 1
            return
        try:
            text = self.format(record)
        except Exception:
            self.handleError(record)
            return
        if len(text) > MAX_CHARS:
            text = self._form.shortened(text, MAX_CHARS)
        if self.left_out:
            text = f"{self._form.own('left_out', count=self.left_out)}\n{text}"
            self.left_out = 0
        self._queue.put(f"{text}\n")

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
            os.write(self._descriptor, f"{self._form.own('begun_anew')}\n".encode())

    def close(self) -> None:
        self._queue.put(None)
        self._thread.join(PATIENCE)
        super().close()


@contextmanager
def stderr_log(max_file: int = 0, *, level: str = "warning", form: str = "text") -> Iterator[None]:
    """Send what the process logs to its standard error, as long as the block lasts.

    Args:
        max_file: see `StderrLog`.
        level: of our own records: debug, info, warning or error.
        form: one of `chat.server.log_format.FORMATS`.
    """
    handler = StderrLog(2, max_file=max_file, form=JsonFormat() if form == "json" else TextFormat())
    root, ours = logging.getLogger(), [logging.getLogger(name) for name in OURS]
    before = [(one, one.level) for one in ours]
    for one in ours:
        one.setLevel(level.upper())
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        for one, was in before:
            one.setLevel(was)
        handler.close()
