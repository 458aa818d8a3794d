"""Makes the file of a log smaller, while no server uses it."""

from __future__ import annotations

import sqlite3
from bisect import bisect_right
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from chat.domain.errors import ChatError
from chat.domain.room import TAIL
from chat.server.logs.files import SQLITE_ERRORS, alone, connect, explained, no_space, shown
from chat.server.logs.lock import InUse
from chat.server.logs.reading import existing, tables
from chat.server.logs.sums import checksum, sealed, unsealed
from chat.server.logs.verify import Report, verify_database
from chat.server.logs.wal_check import wal_problems
from chat.server.logs.watch import ROOMS


@dataclass(frozen=True, slots=True)
class Compacted:
    """What became of a log."""

    path: Path
    before: int
    """Bytes, with its -wal."""
    after: int
    dropped: int
    """Entries."""


def compact(path: Path) -> Compacted:
    """Give unused space back to the disk.

    No event is dropped, so nothing that was acknowledged. Entries that a room has refused and checkpoints are
    dropped, if the room has `TAIL` newer seqs: no server reads them again.

    Raises:
        ChatError: a server uses the log, it is damaged, or the disk is full; the log is as good as before.
    """
    path = existing(path)
    try:
        with alone(path):
            report = Report(path)
            for text in wal_problems(Path(f"{path}-wal")):
                report.problem(text)
            before = _size(path)
            with closing(connect(path, "rw")) as db:
                verify_database(db, report)
                if report.problems:
                    raise ChatError(
                        f"the log {shown(path)} is damaged, so it was not compacted ({report.problems[0]}): "
                        "chat log verify says all of it"
                    )
                db.execute("PRAGMA synchronous = FULL")
                dropped = _drop(db)
                db.execute("VACUUM")
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return Compacted(path, before, _size(path), dropped)
    except InUse as error:
        raise ChatError(f"{error.fact}: stop it first (chat stop, or Ctrl+C where it runs)") from None
    except (OSError, *SQLITE_ERRORS) as error:
        if no_space(error):
            raise ChatError(
                f"no space on the disk for compacting the log {shown(path)}, which needs twice its size for "
                "a moment: free some. The log is as good as before"
            ) from error
        raise explained(path, error) from error


def _drop(db: sqlite3.Connection) -> int:
    """Delete old refused entries and checkpoints, and return how many."""
    begun: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
    if {"generations", "begun"} <= tables(db):
        for room, seq, name in db.execute(
            "SELECT room, seq, name FROM begun JOIN generations USING (number) ORDER BY room, number"
        ):
            begun[room].append((seq, name))
    dropped: list[tuple[str, int]] = []
    changed: list[tuple[bytes, str, int]] = []
    for room, last in db.execute(ROOMS).fetchall():
        starts = [seq for seq, _ in begun[room]]
        names = ["", *(name for _, name in begun[room])]
        prev, gap = 0, False
        for seq, at, data, refused in db.execute(
            "SELECT seq, at, CAST(body AS BLOB), EXISTS (SELECT 1 FROM refused WHERE refused.room = "
            "entries.room AND refused.seq = entries.seq) FROM entries WHERE room = ? ORDER BY seq",
            (room,),
        ):
            old = seq <= last - TAIL
            if old and (refused or data.startswith(b'{"kind":"checkpoint"')):
                dropped.append((room, seq))
                gap = True
                continue
            bare, value = unsealed(data)
            if gap and value is not None:
                value = checksum(bare, names[bisect_right(starts, seq)], room, prev, seq, at)
                changed.append((sealed(bare, value), room, seq))
            if not old:
                break
            prev, gap = seq, False
    db.execute("BEGIN IMMEDIATE")
    with db:
        db.executemany("DELETE FROM entries WHERE room = ? AND seq = ?", dropped)
        db.executemany("DELETE FROM refused WHERE room = ? AND seq = ?", dropped)
        db.executemany("UPDATE entries SET body = CAST(? AS TEXT) WHERE room = ? AND seq = ?", changed)
    return len(dropped)


def _size(path: Path) -> int:
    files = (path, Path(f"{path}-wal"))
    return sum(file.stat().st_size for file in files if file.exists())
