"""Whether the file of a log is still the one that its server writes.

SQLite keeps its file open and does not look at it again. If somebody empties, overwrites or replaces the
file, commits still succeed, and are gone at the next start. So the log looks before and after each commit.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from contextlib import closing, suppress
from io import FileIO
from os.path import samestat
from pathlib import Path

from chat.server.logs.files import SQLITE_ERRORS, connect

_WAL_MAGIC = (bytes.fromhex("377f0682"), bytes.fromhex("377f0683"))
_WAL_HEADER = 32  # bytes; https://www.sqlite.org/fileformat2.html#the_write_ahead_log
_ROOM = 256 * 1024
"""Bytes by which the -wal is made longer than it has to be."""
ROOMS = """
WITH RECURSIVE names(room) AS (
    SELECT min(room) FROM entries
    UNION ALL
    SELECT (SELECT min(room) FROM entries WHERE room > names.room) FROM names WHERE room IS NOT NULL
)
SELECT room, (SELECT max(seq) FROM entries WHERE entries.room = names.room) FROM names
WHERE room IS NOT NULL
"""
"""Every room and its last seq, by one search in the index for each room."""
NAMED = "SELECT number FROM generations WHERE name = ?"


class Overwritten(OSError):
    """The file was emptied or overwritten. What it held is lost, and nothing may be written into it."""


class FileWatch:
    """Knows how the database and its -wal must look. Used by one thread at a time."""

    def __init__(self, path: Path, generation: str) -> None:
        """Begin. The database must be open for writing, in WAL mode and without automatic checkpoints.

        ``generation``: the name of this run, which no copy from before it holds.
        """
        self._generation = generation
        self._named = False
        """The database itself holds that name."""
        self._path = path
        self._main, self._wal_name = str(path), f"{path}-wal"
        self._main_stat = os.stat(self._main)
        self._wal = FileIO(self._wal_name, "r+")  # `check` sees that the file still has the name
        # Where Linux has /proc: the name of the file that is open, and whether it was deleted.
        link = f"/proc/self/fd/{self._wal.fileno()}"
        self._link = link if os.path.islink(link) else ""
        self._wal_place = self._place_of_wal()
        self._wal_size, self._wal_header = self._read_wal()
        self.touched = False
        """Somebody else has written to the database, or changed its time."""
        self._carried: dict[str, int] = {}
        """Per room: the seq that the database itself holds, without its -wal."""

    def check(self, written: Mapping[str, int], *, committed: bool = False) -> None:
        """Compare the files with what was written.

        Args:
            written: every room's last seq.
            committed: a transaction was written since the last look, so the -wal has changed.

        Raises:
            FileNotFoundError: the database or its -wal was deleted, moved or replaced by another file.
            Overwritten: one of them was emptied or overwritten in place.
            OSError: the disk can't be read.
        """
        main = os.stat(self._main)
        if not samestat(main, self._main_stat) or self._place_of_wal() != self._wal_place:
            raise FileNotFoundError(errno.ENOENT, "another file took its place")
        if (main.st_size, main.st_mtime_ns) != (self._main_stat.st_size, self._main_stat.st_mtime_ns):
            # Only a checkpoint writes to the database. A changed time alone may be a harmless `touch`.
            if not self._holds(self._carried):
                raise Overwritten(self._path.name)
            self._main_stat, self.touched = main, True
        size, header = self._read_wal()
        sound = header[:4] in _WAL_MAGIC if committed else header == self._wal_header
        if (size < self._wal_size or not sound) and not self._holds(written):
            # If the database held it, it would have been begun anew.
            raise Overwritten(f"{self._path.name}-wal")
        if committed and size > self._wal_size:
            size = self._make_room(size)
        self._wal_size, self._wal_header = size, header

    def carried(self, last: Mapping[str, int] | None, *, named: bool) -> None:
        """A checkpoint has written to the database.

        Args:
            last: every room's last seq, if all of the -wal was carried over; None: not all.
            named: the generation was stored before.
        """
        self._main_stat = os.stat(self._path)
        if last is not None:
            self._carried, self._named = dict(last), named

    def set_wal_aside(self) -> None:
        """Rename the -wal. Beside another database SQLite would write it into that one."""
        with suppress(OSError):  # on Windows an open file keeps its name
            os.replace(self._wal_name, f"{self._path}-lost-wal")

    def close(self) -> None:
        """Read no more: SQLite deletes the -wal when it closes the database."""
        self._wal.close()

    def _holds(self, last: Mapping[str, int]) -> bool:
        """Return whether the database itself holds every room up to these seqs."""
        try:
            with closing(connect(self._path, "ro&immutable=1")) as db:  # immutable: without the -wal
                found = dict(db.execute(ROOMS).fetchall())
                if self._named and not db.execute(NAMED, (self._generation,)).fetchone():
                    return False
        except SQLITE_ERRORS:
            return False
        return all(found.get(room, 0) >= seq for room, seq in last.items())

    def _place_of_wal(self) -> object:
        """Return what is another value once the -wal that is open here has not its name any more.

        Raises `FileNotFoundError` if nothing has the name.
        """
        if self._link:
            # `stat` tells it, too, but from Linux 6.13 on it makes the next write change the inode, which a
            # commit then writes and waits for: https://docs.kernel.org/filesystems/multigrain-ts.html
            return os.readlink(self._link)
        wal = os.stat(self._wal_name)
        return wal.st_dev, wal.st_ino

    def _make_room(self, size: int) -> int:
        """Lengthen the -wal, which the last commit has made longer than it was; return its new size.

        A commit that changes the size of a file takes up to twice as long, because the size is written too.
        SQLite takes what is behind its last commit for the rest of an earlier use.
        """
        with suppress(OSError):  # no space
            self._wal.seek(size)
            size += self._wal.write(bytes(_ROOM))
        return size

    def _read_wal(self) -> tuple[int, bytes]:
        """Return the size of the -wal, and its header."""
        size = self._wal.seek(0, os.SEEK_END)
        self._wal.seek(0)
        return size, self._wal.read(_WAL_HEADER)
