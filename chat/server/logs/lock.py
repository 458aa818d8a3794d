"""The locks of a log: one on its name, one on the file itself.

The lock on the name is a file beside the log; it guards a log that is being created. It does not see the same
file under a second name, and it is gone when somebody removes the ``.lock``. The lock on the file sees both.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from chat.domain.errors import ChatError
from chat.domain.validation import printable
from chat.language import N_

_PLACE = 2**50
"""The byte that is locked: SQLite's largest database has 2**48 bytes, and SQLite locks bytes near 2**30."""
_HELD = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)


class InUse(ChatError):
    """Another process uses the log. ``fact`` says so; the text also says what to do about it."""

    def __init__(self, fact: str) -> None:
        super().__init__(
            N_(f"{fact}: stop that one (chat stop, or Ctrl+C where it runs), or name another log with --log")
        )
        self.fact = fact


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of this log's name. The operating system releases it when the process ends.

    Raises:
        InUse: another process holds it; the text names its pid.
    """
    from filelock import FileLock, Timeout  # imports asyncio: not at a cold start

    lock = FileLock(f"{path}.lock", thread_local=False)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise _in_use(path) from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def file_locked(path: Path) -> Iterator[Callable[[], None]]:
    """Hold the lock of the file, whatever its name. The file must exist.

    Yields:
        What takes the lock again. Outside Linux and Windows the lock belongs to the process, which loses it
        when it closes the file elsewhere: call it after that.

    Raises:
        InUse: another process holds it; the text names its pid, if that is known.
        OSError: the file can't be opened or locked.
    """
    owner = Path(f"{path}.pid")  # a file of its own: on Windows nobody can read the locked one
    file = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))  # not inherited by child processes

    def take() -> None:
        try:
            _take(file)
        except OSError as error:
            if error.errno in _HELD:
                raise _in_use(path) from None
            raise

    try:
        take()
        owner.write_text(str(os.getpid()))
        try:
            yield take
        finally:
            owner.unlink(missing_ok=True)
    finally:
        os.close(file)


def _in_use(path: Path) -> InUse:
    try:
        number = int(Path(f"{path}.pid").read_text())
        pid = N_(f"process {number}")
    except (OSError, ValueError):  # also if it was started under another name of the file
        pid = N_("another process")
    return InUse(N_(f"the log {printable(str(path))} is in use by a chat server ({pid})"))


if sys.platform == "win32":
    import msvcrt

    def _take(file: int) -> None:
        os.lseek(file, _PLACE, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)

elif sys.platform == "linux":
    import fcntl
    import struct

    def _take(file: int) -> None:
        """Take a lock of the open file, not of the process: it stays when SQLite closes the same file."""
        # struct flock: type, whence, start, length, pid (0), padding
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, _PLACE, 1, 0))

else:
    import fcntl

    def _take(file: int) -> None:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _PLACE)
