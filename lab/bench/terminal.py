"""A program in a pseudo-terminal: presses keys, and measures when a text appears."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Self

import psutil

from chat.domain.errors import ChatError

SIZE = (30, 100)
"""Lines and columns."""
TIMEOUT = 20.0
"""Seconds to wait for a text."""
KEPT = 64 * 1024


class Terminal:
    """Runs a command in a pseudo-terminal, and kills it at the end. Raises `ChatError` on Windows.

    Args:
        command: the program and its arguments.
        environment: its whole environment, but for what names the terminal.
        size: lines and columns.
        watch: is called with all that the program writes, as it is read.
    """

    def __init__(
        self,
        command: list[str],
        environment: Mapping[str, str],
        *,
        size: tuple[int, int] = SIZE,
        watch: Callable[[bytes], object] | None = None,
    ) -> None:
        self._fd, end = _open(size)
        self._watch = watch
        settings = {**environment, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        self.started = time.perf_counter()
        try:
            self.process = psutil.Popen(
                command, stdin=end, stdout=end, stderr=end, env=settings, start_new_session=True
            )
        finally:
            os.close(end)
        self._shown = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(psutil.NoSuchProcess):  # it has ended by itself
            self.process.kill()
        self.process.wait()
        self.hang_up()

    @property
    def fd(self) -> int:
        """Our end of the pseudo-terminal; its modes are those of the program's end."""
        return self._fd

    def hang_up(self) -> None:
        """Close the terminal, as a window that is closed or a connection that ends."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def rest(self) -> bytes:
        """Read until the program has ended; return what it wrote last."""
        with suppress(ChatError):
            while True:
                self.shows(b"\0never\0")
        return self._shown

    def ends(self) -> int:
        """Read until the program has ended; return its exit code.

        Raises:
            psutil.TimeoutExpired: it has not ended after twice `TIMEOUT`.
        """
        self.rest()  # a terminal holds some KB that nobody reads, and then the program waits and can't end
        return self.process.wait(TIMEOUT)

    def press(self, keys: bytes, *, keep: bool = False) -> None:
        """Press keys; `shows` ignores what was shown before, unless it is to be kept."""
        if not keep:
            self._shown = b""
        os.write(self._fd, keys)

    def shows(self, what: bytes) -> float:
        """Wait until the program has written this; return the time. Raises `ChatError` after `TIMEOUT`."""
        deadline = time.perf_counter() + TIMEOUT
        while what not in self._shown:
            left = deadline - time.perf_counter()
            if left < 0:
                raise ChatError(f"the terminal did not show {what!r} within {TIMEOUT:.0f} s")
            self._read(left)
        return time.perf_counter()

    def settle(self, seconds: float) -> None:
        """Read for so many seconds."""
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            self._read(left)

    def _read(self, wait: float) -> None:
        if select.select([self._fd], [], [], wait)[0]:
            try:
                data = os.read(self._fd, KEPT)
            except OSError:  # on Linux: the terminal is closed on the other side
                data = b""
            if not data:
                raise ChatError(f"the program in the terminal has ended: {self._shown[-300:]!r}")
            if self._watch is not None:
                self._watch(data)
            self._shown = (self._shown + data)[-KEPT:]


def _open(size: tuple[int, int]) -> tuple[int, int]:
    """Return the two ends of a pseudo-terminal: ours, and the program's."""
    if sys.platform == "win32":
        raise ChatError("this needs a pseudo-terminal, and Windows has none for it")
    import fcntl
    import struct
    import termios

    ours, its = os.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    return ours, its
