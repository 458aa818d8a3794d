"""Seat keys on disk: a client that is started again within the grace time gets its seat back.

There is one small file for each server, room and nick, in the state folder. A running client holds the lock
of its file, so that a second client with the same nick does not take the seat away.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from chat.domain.validation import nick_key

if TYPE_CHECKING:
    from filelock import BaseFileLock

KEPT = 30 * 24 * 3600.0
"""Seconds after which a key that nobody holds is deleted: its client ended without a connection, or crashed.
A seat ends within the grace time, but a server that is started again begins it anew."""


class SeatKeys(Protocol):
    """Keeps the seat key of one client. Its methods are called from a thread: they may block."""

    def claim(self, nick: str) -> str:
        """Return the kept key for this nick; "" if there is none or another process uses it."""

    def keep(self, nick: str, key: str) -> None:
        """Write the key, for the nick that was claimed last."""

    def forget(self) -> None:
        """Delete the key: the seat has ended."""

    def release(self) -> None:
        """Let other processes claim the key."""


class SeatKeyFile:
    """The key of one client's seat. Blocks for small file operations."""

    def __init__(self, folder: Path, place: str, room: str) -> None:
        """Prepare.

        Args:
            folder: the state folder.
            place: the server's address: a key is sent only to the server that gave it.
            room: the room's name.
        """
        self._folder = folder / "seats"
        self._place = place
        self._room = room
        self._path: Path | None = None
        self._lock: BaseFileLock | None = None

    def claim(self, nick: str) -> str:
        """Return the kept key for this nick, or "" when there is none or another process has it."""
        from filelock import FileLock, Timeout  # late: a screen is painted before it connects

        name = blake2b(f"{self._place}\0{self._room}\0{nick_key(nick)}".encode(), digest_size=12).hexdigest()
        path = self._folder / name
        if path == self._path:
            return self._read(path)
        self.release()
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._delete_old()
            lock = FileLock(f"{path}.lock", thread_local=False)
            lock.acquire(blocking=False)
            if not os.path.exists(lock.lock_file):  # it has just gone: lock the name, not what had it
                lock.release()
                lock.acquire(blocking=False)
        except (OSError, Timeout):
            return ""
        self._path, self._lock = path, lock
        return self._read(path)

    def keep(self, nick: str, key: str) -> None:
        """Write the key, for the nick that was claimed last."""
        if self._path is None:
            return
        with suppress(OSError):  # without it only a crash within the grace time costs the seat
            new = self._path.with_suffix(".new")
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(key)
            os.replace(new, self._path)

    def forget(self) -> None:
        """Delete the key: the seat has ended."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)
        self.release()

    def release(self) -> None:
        """Let other processes claim the key. Without a key its lock goes, too: each nick has its own."""
        if self._lock is not None:
            if self._path is not None and not self._path.exists():
                with suppress(OSError):  # Windows removes no open file; there the lock removes it
                    os.unlink(self._lock.lock_file)
            self._lock.release()
        self._path = self._lock = None

    def _delete_old(self) -> None:
        """Delete the keys that nobody holds any more, with their locks."""
        from filelock import FileLock, Timeout

        old = time.time() - KEPT
        for path in self._folder.iterdir():
            with suppress(OSError, Timeout):  # somebody holds it, or another one deletes it
                if path.stat().st_mtime < old:
                    with FileLock(path.with_suffix(".lock"), thread_local=False, blocking=False) as lock:
                        path.unlink(missing_ok=True)
                        os.unlink(lock.lock_file)

    @staticmethod
    def _read(path: Path) -> str:
        try:
            return path.read_text()
        except (OSError, UnicodeDecodeError):
            return ""
