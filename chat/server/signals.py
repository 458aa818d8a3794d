"""The signals of a server: SIGINT and SIGTERM end it, and SIGHUP lets it read its files again, or ends it."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress


class Signals:
    """What signals ask for. To be made on the event loop, which then handles them.

    SIGHUP says one of two things. The terminal is gone: then the server ends, as every program does. Or
    somebody has sent it on purpose, as a service manager does: then the files are read again. A server in a
    terminal that has no such files ends in any case. Under nohup SIGHUP is ignored, and stays so.
    """

    def __init__(self, *, has_files: bool, had_terminal: bool) -> None:
        """Begin to handle them.

        Args:
            has_files: there is something to read again.
            had_terminal: `has_terminal`, at the start.
        """
        self.stop = asyncio.Event()
        self.ended_by = 0
        """The number of the signal that ends the server; 0: none did."""
        self.reload = asyncio.Event()
        """The files are to be read again; whoever does it clears this."""
        self._had_terminal = had_terminal
        self._reloads = has_files or not had_terminal
        self._loop = asyncio.get_running_loop()
        self._handle(signal.SIGINT)
        self._handle(signal.SIGTERM)
        if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            self._handle(signal.SIGHUP)

    def _handle(self, number: int) -> None:
        try:
            self._loop.add_signal_handler(number, self._received, number)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda got, _: self._loop.call_soon_threadsafe(self._received, got))

    def _received(self, number: int) -> None:
        hung_up = number not in (signal.SIGINT, signal.SIGTERM)
        if hung_up and self._reloads and has_terminal() == self._had_terminal:
            self.reload.set()
            return
        self.ended_by = self.ended_by or number
        self.stop.set()


def has_terminal() -> bool:
    """Whether this process has a controlling terminal."""
    with suppress(OSError):
        os.close(os.open("/dev/tty", os.O_RDWR))
        return True
    return False
