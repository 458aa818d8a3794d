"""The durable log: one SQLite file, one thread that writes, one that reads.

Entries that are appended while a transaction runs are committed together by the next one (group commit):
the busier the room, the cheaper an entry. The database runs in WAL mode with synchronous=FULL.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from chat.domain.errors import BadRequest, ChatError, Closing, NotStored
from chat.domain.histogram import SECONDS, Histogram
from chat.domain.json_codec import decode_body, encode
from chat.domain.model import MAX_NUMBER, Body, Entry
from chat.interfaces.log import Clock, Committed, Log, OnCommitted, OnFailed, Pending
from chat.server.logs.failures import harm_text, not_stored
from chat.server.logs.files import (
    GENERATIONS,
    SQLITE_ERRORS,
    alone,
    connect,
    empty_wal,
    explained,
    log_path,
    resolved,
    shown,
)
from chat.server.logs.soundness import note_sound
from chat.server.logs.sums import checksum, sealed
from chat.server.logs.watch import NAMED, ROOMS, FileWatch, Overwritten

log = logging.getLogger(__name__)

T = TypeVar("T")
Refusal = tuple[str, int]
"""A room and the seq it refused."""


class _Told:
    """In the queue: what is appended from here on was appended by those who know of the last failure."""


_MOST = 1000
"""Entries of one transaction, at most: they come back in one call, which must not block the loop for long."""
_CHECKPOINT_PAGES = 1000
"""Pages of the -wal, roughly, after which they are carried into the database. SQLite's own number; but SQLite
would do it within a commit, where the log can't tell its own writes to the database from those of others."""
_COMMIT_PAGES = 3
"""Pages that the smallest commit takes."""
_PAGE_BYTES = 2000
"""Bytes of bodies that fill a page, roughly: pages are half full, and an entry has other columns."""
_FEW, _MANY = 64, 249
"""Rows of one INSERT: 1 to 64, or 249 (SQLite before 3.32 takes 999 parameters, 4 a row). This takes a third
less CPU than executemany, and the GIL is released and acquired once a statement, not once a row: a busy
loop may keep it for a switch interval every time."""
_INSERT = {
    rows: "INSERT INTO entries VALUES " + ", ".join(["(?, ?, ?, CAST(? AS TEXT))"] * rows)
    for rows in (*range(1, _FEW + 1), _MANY)
}
_BEGIN = "INSERT INTO begun SELECT ?, max(number), ? FROM generations"
_SELECT = "SELECT seq, at, CAST(body AS BLOB) FROM entries"
_ACCEPTED = f"""{_SELECT}
WHERE room = ? AND seq > ? AND seq < ? AND body NOT GLOB '{{"kind":"checkpoint"*'
AND NOT EXISTS (SELECT 1 FROM refused WHERE refused.room = entries.room AND refused.seq = entries.seq)
"""


class SqliteLog(Log):
    """Keeps the rooms in the database at ``place``: a path, or what follows ``sqlite:``.

    File and folder are created if they do not exist.
    The loop and the writer exchange values only through the queue and ``call_soon_threadsafe``. Everything
    else is used by the loop only, or by the thread of one database connection only.
    """

    def __init__(self, place: str | Path, *, clock: Clock = time.time) -> None:
        self.path = log_path(place) if isinstance(place, str) else place
        self._clock = clock
        self._open = False
        self._held = ExitStack()
        self._queue: SimpleQueue[Committed | Refusal | _Told | None] = SimpleQueue()
        self._last: dict[str, int] = {}
        self._handed_back: dict[str, int] = {}
        """Per room: the seq up to which entries were handed back, and so up to which reads return entries."""
        self._unwritten: defaultdict[str, set[int]] = defaultdict(set)
        """Per room: refused seqs that are not in the database yet."""
        self._found: dict[str, int] = {}  # every room's last seq when the file was opened
        self._begun: set[str] = set()  # rooms in which this generation has begun to write
        self._pages = 0  # in the -wal since the last checkpoint, roughly
        self._named = False  # whether the name of the generation is stored
        self._harm: Exception | None = None
        """What happened to the file, so that nothing more is stored in it."""
        self._harm_told = False
        self._sound = False  # it was closed well, and nobody else has written the file
        self.commit_times: Histogram = Histogram(SECONDS)

    async def start(self, committed: OnCommitted, failed: OnFailed) -> None:
        self._loop = asyncio.get_running_loop()
        self._committed = committed
        self._failed = failed
        self._reader = ThreadPoolExecutor(1, "log-reader")
        try:
            self._last = await self._loop.run_in_executor(self._reader, self._open_file)
        except BaseException:
            # In the same thread, so after the opening, also when it was not waited for to the end.
            self._reader.submit(self._held.close)
            self._reader.shutdown(wait=False)
            raise
        self._handed_back = dict(self._last)
        self._writer = Thread(target=self._write, name="log-writer", daemon=True)
        self._open = True
        self._writer.start()

    def append(self, room: str, body: Body, pending: Pending | None) -> None:
        if not self._open:
            raise Closing("the log is closed")
        seq = self._last.get(room, 0) + 1
        self._last[room] = seq
        self._queue.put(Committed(room, Entry(seq, int(self._clock() * 1000), body), pending))

    def refuse(self, room: str, seq: int) -> None:
        self._unwritten[room].add(seq)
        self._queue.put((room, seq))

    async def stop(self) -> None:
        if not self._open:
            return
        self._open = False
        self._queue.put(None)  # only to wake it
        try:
            await self._loop.run_in_executor(self._reader, self._writer.join)
            # Refusals of the last batches have come after the writer's end.
            refused = [(room, seq) for room, seqs in self._unwritten.items() for seq in seqs]
            await self._loop.run_in_executor(self._reader, self._close_file, refused)
        finally:
            self._reader.submit(self._held.close)
            self._reader.shutdown(wait=False)

    # --- reading: in the reader's thread --------------------------------------------------------

    async def rooms(self) -> list[str]:
        return sorted(self._handed_back)

    async def tail(self, room: str, count: int) -> list[Entry]:
        end = self._handed_back.get(room, 0)
        return await self._read(self._tail, room, end, count)

    async def read(
        self, room: str, *, after: int | None = None, before: int | None = None, limit: int
    ) -> tuple[int, list[Entry]]:
        end = self._handed_back.get(room, 0) + 1
        if before is not None:
            end = min(before, end)
        return await self._read(self._page, room, after, end, limit, frozenset(self._unwritten.get(room, ())))

    async def end_of(self, room: str, generation: str) -> int | None:
        return await self._read(self._end_of, room, generation)

    async def _read(self, work: Callable[..., T], room: str, *args: Any) -> T:
        if not self._open:
            raise Closing("the log is closed")
        if isinstance(self._harm, Overwritten):
            raise ChatError(f"the log {shown(self.path)} was emptied or overwritten: history can't be read")
        try:
            return await self._loop.run_in_executor(self._reader, work, room, *args)
        except SQLITE_ERRORS as error:
            raise explained(self.path, error) from error
        except BadRequest as error:
            raise ChatError(
                f"the log {shown(self.path)} holds an entry of {room} that is damaged: {error}"
            ) from error

    def _tail(self, room: str, end: int, count: int) -> list[Entry]:
        rows = self._reading.execute(
            f"{_SELECT} WHERE room = ? AND seq <= ? ORDER BY seq DESC LIMIT ?", (room, end, count)
        ).fetchall()
        return [Entry(seq, at, decode_body(body)) for seq, at, body in reversed(rows)]

    def _page(
        self, room: str, after: int | None, end: int, limit: int, unwritten: frozenset[int]
    ) -> tuple[int, list[Entry]]:
        def accepted(above: int, below: int, order: str, limit: int) -> list[tuple[int, int, bytes]]:
            rows = self._reading.execute(
                f"{_ACCEPTED} ORDER BY seq {order} LIMIT ?", (room, above, below, limit + len(unwritten))
            )
            return [row for row in rows.fetchall() if row[0] not in unwritten][:limit]

        if after is None:
            rows = accepted(0, end, "DESC", limit + 1)
            earlier = rows[limit:]
            rows = rows[:limit][::-1]
        else:
            rows = accepted(after, end, "ASC", limit)
            earlier = accepted(0, after + 1, "DESC", 1)
        page = [Entry(seq, at, decode_body(body)) for seq, at, body in rows]
        return (earlier[0][0] if earlier else 0), page

    def _end_of(self, room: str, generation: str) -> int | None:
        number = 0  # what an older chat has written comes before every generation
        if generation:
            found = self._reading.execute(NAMED, (generation,)).fetchone()
            if found is None:
                return None
            (number,) = found
        (next_one,) = self._reading.execute(
            "SELECT min(seq) FROM begun WHERE room = ? AND number > ?", (room, number)
        ).fetchone()
        return MAX_NUMBER if next_one is None else int(next_one) - 1

    # --- opening and closing: in the reader's thread --------------------------------------------

    def _open_file(self) -> dict[str, int]:
        """Lock, check and open the file; return every room's last seq."""
        path = self.path
        with ExitStack() as stack:
            try:
                path = self.path = resolved(path)
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                stack.enter_context(alone(path))
                stack.callback(note_sound, path, lambda: self._sound)  # closed, and still locked
                self._writing = stack.enter_context(closing(connect(path, "rw")))
                self._writing.execute("PRAGMA synchronous = FULL")
                self._writing.execute("PRAGMA wal_autocheckpoint = 0")
                (mode,) = self._writing.execute("PRAGMA journal_mode = WAL").fetchone()
                if mode != "wal":
                    raise ChatError(f"the log {shown(path)} can't be used: SQLite has no WAL on this disk")
                empty_wal(self._writing)
                self._reading = stack.enter_context(closing(connect(path, "ro")))
                last = dict(self._reading.execute(ROOMS).fetchall())
                self._found, self._written = dict(last), dict(last)
                self.generation = secrets.token_hex(6)
                self._watch = stack.enter_context(closing(FileWatch(path, self.generation)))
                with suppress(sqlite3.OperationalError):  # no space: with the first commit
                    self._commit([], [])
                self._checkpoint()
            except (OSError, *SQLITE_ERRORS) as error:
                raise explained(path, error) from error
            self._held.enter_context(stack.pop_all())
        return last

    def _close_file(self, refused: list[Refusal]) -> None:
        with suppress(sqlite3.Error, OSError):  # the room will refuse them again
            self._store([], refused)
            self._sound = not self._watch.touched
        if isinstance(self._harm, Overwritten):
            self._writing.close()  # whoever closes last writes the -wal into the file; a reader can't
        self._held.close()

    # --- writing: in the writer's thread --------------------------------------------------------

    def _write(self) -> None:
        refused: list[Refusal] = []
        failure: NotStored | None = None
        """Why a batch failed, until those who have appended to it know."""
        while self._open or not self._queue.empty():
            items = [self._queue.get()]
            items += [self._queue.get_nowait() for _ in range(min(self._queue.qsize(), _MOST - 1))]
            batch = [item for item in items if isinstance(item, Committed)]
            refused += [item for item in items if isinstance(item, tuple)]
            if failure is not None:  # what was appended behind an entry that failed must not pass it
                told = next(
                    (place for place, item in enumerate(items) if isinstance(item, _Told)), len(items)
                )
                behind = sum(isinstance(item, Committed) for item in items[:told])
                self._tell(self._not_stored, batch[:behind], failure)
                if told == len(items):
                    continue
                batch, failure = batch[behind:], None
            if not batch and not refused:
                continue
            try:
                began = time.perf_counter()
                self._store(batch, refused)
                self.commit_times.observe(time.perf_counter() - began)
            except Exception as error:  # whatever it is: the writer continues
                failure = not_stored(error)
                self._tell(self._told, batch, failure)
            else:
                self._tell(self._stored, batch, refused)
                refused = []
                if self._pages >= _CHECKPOINT_PAGES:
                    with suppress(Exception):  # the next commit meets it, too
                        self._watch.check(self._written)
                        self._checkpoint()

    def _store(self, batch: list[Committed], refused: list[Refusal]) -> None:
        """Commit everything, or raise an exception and hand nothing back."""
        if self._harm is not None:
            raise self._harm
        try:
            self._watch.check(self._written)
            self._commit(batch, refused)
            self._written.update((item.room, item.entry.seq) for item in batch)
            self._watch.check(self._written, committed=bool(batch or refused))
        except (FileNotFoundError, Overwritten) as harm:
            self._harm = harm
            self._save()
            raise
        self._pages += _COMMIT_PAGES

    def _save(self) -> None:
        """Do what can be done for a file that was harmed."""
        if isinstance(self._harm, Overwritten):
            self._watch.set_wal_aside()
            return
        # It was moved, or its -wal was: make it whole, and leave no -wal beside the file in its place.
        with suppress(sqlite3.Error):
            self._writing.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _checkpoint(self) -> None:
        """Carry the -wal into the database."""
        self._pages = 0
        done = False
        try:
            _, pages, carried = self._writing.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            done = pages == carried
        finally:
            self._watch.carried(self._written if done else None, named=self._named)

    def _commit(self, batch: list[Committed], refused: list[Refusal]) -> None:
        db = self._writing
        statements: list[tuple[str, Sequence[str | int | bytes]]] = []
        if not self._named:
            statements += [(table, ()) for table in GENERATIONS]
            statements.append(("INSERT INTO generations (name) VALUES (?)", (self.generation,)))
        new = {item.room for item in batch} - self._begun
        statements += [(_BEGIN, (room, self._found.get(room, 0) + 1)) for room in new]
        start = size = 0
        last: dict[str, int] = {}
        while start < len(batch):
            left = len(batch) - start
            rows = batch[start : start + (_MANY if left >= _MANY else min(left, _FEW))]
            start += len(rows)
            values: list[str | int | bytes] = []
            for item in rows:
                room, entry = item.room, item.entry
                body = encode(entry.body)
                prev = last.get(room) or self._written.get(room, 0)
                value = checksum(body, self.generation, room, prev, entry.seq, entry.at)
                last[room] = entry.seq
                body = sealed(body, value)
                values += (room, entry.seq, entry.at, body)
                size += len(body)
            statements.append((_INSERT[len(rows)], values))
        self._pages += size // _PAGE_BYTES
        statements += [("INSERT OR IGNORE INTO refused VALUES (?, ?)", refusal) for refusal in refused]
        if len(statements) == 1:  # SQLite makes a transaction of it, and the GIL is acquired twice less
            db.execute(*statements[0])
        else:
            db.execute("BEGIN IMMEDIATE")
            try:
                for statement in statements:
                    db.execute(*statement)
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    with suppress(sqlite3.Error):
                        db.execute("ROLLBACK")
                raise
        self._named = True
        self._begun |= new

    def _tell(self, what: Callable[..., None], *args: Any) -> None:
        with suppress(RuntimeError):  # the loop was closed without stop()
            self._loop.call_soon_threadsafe(what, *args)

    # --- back on the loop -----------------------------------------------------------------------

    def _stored(self, batch: list[Committed], refused: list[Refusal]) -> None:
        for room, seq in refused:
            self._unwritten[room].discard(seq)
        for item in batch:
            self._handed_back[item.room] = item.entry.seq
        if batch:
            self._committed(batch)

    def _told(self, batch: list[Committed], error: ChatError) -> None:
        self._queue.put(_Told())  # first: who is told now may append again
        self._not_stored(batch, error)

    def _not_stored(self, batch: list[Committed], error: ChatError) -> None:
        if self._harm is not None and not self._harm_told:
            self._harm_told = True
            log.error("%s", harm_text(self.path, self._harm))
        if batch:
            self._failed([item.pending for item in batch if item.pending is not None], error)
