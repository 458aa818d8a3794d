"""The file of a durable log: created whole, checked before use, set aside.

A file that is not an undamaged log of ours is only read, never written.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path

from chat.domain.errors import ChatError
from chat.domain.validation import printable
from chat.language import N_
from chat.server.logs.lock import file_locked, locked
from chat.server.logs.soundness import is_sound

APPLICATION_ID = int.from_bytes(b"chat")
VERSION = 1
"""The format of the log, in `PRAGMA user_version`."""

BUSY = 5.0
"""Seconds for which a log may be another program's, until that is said; SQLite's own default."""
_MAGIC = b"SQLite format 3\0"
_HEADER = 100  # bytes; https://www.sqlite.org/fileformat2.html#the_database_header
SQLITE_ERRORS = (sqlite3.Error, UnicodeDecodeError)
"""The second: SQLite's text quotes a damaged file, and the bytes that it quotes are no UTF-8."""
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_FRESH = N_("chat serve --fresh sets it aside and begins a new one")

_SCHEMA = f"""
PRAGMA journal_mode = MEMORY;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {VERSION};
BEGIN;
CREATE TABLE entries (
    room TEXT NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (room, seq)
) WITHOUT ROWID;
CREATE TABLE refused (
    room TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (room, seq)
) WITHOUT ROWID;
COMMIT;
"""
GENERATIONS = (
    "CREATE TABLE IF NOT EXISTS generations (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
    "CREATE TABLE IF NOT EXISTS begun (room TEXT NOT NULL, number INTEGER NOT NULL, seq INTEGER NOT NULL, "
    "PRIMARY KEY (room, number)) WITHOUT ROWID",
)
"""Every run of a server on this log, and where it began to write each room. Not part of the format: a log of
an older chat gets the tables, and an older chat does not look at them."""


def log_path(place: str) -> Path:
    """Return the path that follows ``sqlite:`` in the URL of a log. Raises `ChatError`."""
    if place.startswith("//"):  # elsewhere three slashes mean a relative path, or four an absolute one
        rest = place.lstrip("/")
        raise ChatError(f"'sqlite:{printable(place)}' is not a log: write sqlite:{rest} or sqlite:/{rest}")
    if not place:
        raise ChatError("the sqlite log needs a file: write sqlite:PATH")
    return Path(place)


def resolved(path: Path) -> Path:
    """Return the absolute path of a log, whose file need not exist.

    Raises:
        ChatError: something else than a regular file is there. Such a thing is never opened or renamed.
        OSError: the disk can't be used; `explained` makes a text of it.
    """
    try:
        path = path.expanduser().resolve()
        what = _kind(path.stat().st_mode)
    except FileNotFoundError:
        return path
    except (RuntimeError, ValueError) as error:  # no home folder, a loop of links, a NUL
        raise ChatError(f"{shown(path)} can't be the file of a log: {printable(str(error))}") from None
    if what:
        raise ChatError(f"{shown(path)} is {what}, and no file: name a file, e.g. --log sqlite:chat.db")
    return path


def _kind(mode: int) -> str:
    """Return what is not a regular file."""
    kinds = {stat.S_ISDIR: N_("a folder"), stat.S_ISCHR: N_("a device"), stat.S_ISBLK: N_("a device")}
    if stat.S_ISREG(mode):
        return ""
    return next((name for test, name in kinds.items() if test(mode)), N_("a pipe or a socket"))


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """Open the database without creating it, ``mode`` "ro" or "rw". For one thread at a time."""
    return sqlite3.connect(
        f"{path.as_uri()}?mode={mode}", BUSY, uri=True, isolation_level=None, check_same_thread=False
    )


def empty_wal(db: sqlite3.Connection) -> None:
    """Carry what a killed server left in the -wal into the database, and cut the -wal off.

    Otherwise the rest of a commit that a power failure left unfinished would stand behind the next commits,
    and look like damage. While somebody reads, the -wal stays as it is.
    """
    with suppress(sqlite3.OperationalError):  # no space: the next commit meets it, too
        (waits,) = db.execute("PRAGMA busy_timeout").fetchone()
        db.execute("PRAGMA busy_timeout = 0")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.execute(f"PRAGMA busy_timeout = {waits}")


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold a log that is created or checked, so that no other process uses it. Its folder must exist.

    Raises:
        ChatError: the file can't be used, or is in use.
        OSError: the disk can't be used; `explained` makes a text of it.
        sqlite3.Error, UnicodeDecodeError: the same.
    """
    with locked(path), ExitStack() as stack:
        if not path.exists():
            prepare(path)
        retake = stack.enter_context(file_locked(path))
        if path.stat().st_nlink > 1:
            raise ChatError(
                f"the log {shown(path)} has a second name (a hard link). The newest entries are in a file "
                "beside one of the names, and a server that is started with the other loses them: "
                "remove one of the names"
            )
        prepare(path)
        retake()
        yield


def prepare(path: Path) -> None:
    """Create the log, or check the one that is there. Its folder must exist, and its lock be held.

    Raises:
        ChatError: the file can't be used.
        OSError: the disk can't be used; `explained` makes a text of it.
        sqlite3.Error, UnicodeDecodeError: the same.
    """
    if path.exists():
        _check(path)
    elif Path(f"{path}-wal").exists():
        raise ChatError(f"the log {shown(path)} is gone, but its {path.name}-wal is there: {_FRESH}")
    else:
        _create(path)


def set_aside(path: Path) -> Path | None:
    """Rename the log to a dated name beside it.

    Returns:
        The new name; None: there was no log.

    Raises:
        ChatError: a server uses it, or it is no file.
    """
    try:
        path = resolved(path)
        if not _parts(path):
            return None
        with locked(path):
            if path.exists():
                with file_locked(
                    path
                ):  # only to see that nobody has it: Windows renames no file that is open
                    pass
            stem = f"{path.stem}-{datetime.now():%Y-%m-%dT%H%M%S}"
            aside, number = path.with_name(stem + path.suffix), 1
            while _parts(aside):
                number += 1
                aside = path.with_name(f"{stem}-{number}{path.suffix}")
            for part in _parts(path):
                os.rename(f"{path}{part}", f"{aside}{part}")
    except OSError as error:
        raise explained(path, error) from error
    return aside


def explained(path: Path, error: Exception) -> ChatError:
    """Return an error for the user: why the log can't be used, and what to do."""
    log = N_(f"the log {shown(path)}")
    if is_damage(error):
        return ChatError(f"{log} is damaged ({damage_text(error)}): {_FRESH}")
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith("SQLITE_BUSY"):
        return ChatError(f"another program holds {log} open for writing: close that program")
    if no_space(error):
        return ChatError(f"no space on the disk for {log}: free some, or name another place with --log")
    reason = printable((isinstance(error, OSError) and error.strerror) or str(error))
    return ChatError(
        f"can't write {log} ({reason}): give yourself the right to write it and its folder, "
        "or name another place with --log"
    )


def is_damage(error: Exception) -> bool:
    """Return whether an error of SQLite means that the file is damaged."""
    name = getattr(error, "sqlite_errorname", "")
    return name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) or isinstance(error, UnicodeDecodeError)


def damage_text(error: Exception) -> str:
    """Return what SQLite says about the damage."""
    if isinstance(error, UnicodeDecodeError):
        return printable(error.object.decode(errors="replace"))
    return printable(str(error))


def no_space(error: Exception) -> bool:
    """Return whether an error of the disk or of SQLite means that the disk is full."""
    name = getattr(error, "sqlite_errorname", "")
    return name.startswith("SQLITE_FULL") or getattr(error, "errno", 0) in _NO_SPACE


def shown(path: Path) -> str:
    return printable(str(path))


def _parts(path: Path) -> list[str]:
    """Return which files of the log exist. The database is first: `prepare` notices a -wal without it."""
    return [part for part in ("", "-wal", "-shm") if Path(f"{path}{part}").exists()]


def check_header(path: Path, mode: str, way_out: str = _FRESH) -> None:
    """Read the beginning of the file. SQLite would touch its neighbours to tell us.

    Args:
        path: the log.
        mode: "rb", or "r+b" to notice now, and not at the first entry, that the file can only be read.
        way_out: what to do with a file that is no log.

    Raises:
        ChatError: the file is no log of this format.
        OSError: it can't be opened.
    """
    with path.open(mode) as file:
        header = file.read(_HEADER)
    log = N_(f"the log {shown(path)}")
    if not header:
        raise ChatError(f"{log} is an empty file, so its entries are lost: {way_out}")
    if header[:16] != _MAGIC[: len(header)]:
        raise ChatError(f"{shown(path)} is not a chat log (not even SQLite): name another file, or {way_out}")
    if len(header) < _HEADER:
        raise ChatError(f"{log} is damaged (cut off after {len(header)} bytes): {way_out}")
    version = int.from_bytes(header[60:64])
    if int.from_bytes(header[68:72]) != APPLICATION_ID:
        raise ChatError(f"{shown(path)} is the database of another program: name another file, or {way_out}")
    if version != VERSION:
        raise ChatError(
            f"{log} has format {version}, this chat knows format {VERSION}: "
            f"use the chat that wrote it, or {way_out}"
        )


def _check(path: Path) -> None:
    check_header(path, "r+b")
    log = N_(f"the log {shown(path)}")
    # Read-only, so that closing it does not carry the -wal into a damaged file. Immutable, so that
    # SQLite does not make a -wal, where there is none.
    mode = "ro" if Path(f"{path}-wal").exists() else "ro&immutable=1"
    with closing(connect(path, mode)) as db:
        if not is_sound(path):
            (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise ChatError(f"{log} is damaged ({printable(verdict)}): {_FRESH}")
        names = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not {"entries", "refused"} <= names:
            raise ChatError(f"{log} is damaged (a table is missing): {_FRESH}")


def _create(path: Path) -> None:
    """Create the database under another name, so that a file with the log's name is always complete."""
    new = Path(f"{path}.new")
    new.unlink(missing_ok=True)
    try:
        os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))  # SQLite would make it 0644
        with closing(connect(new, "rw")) as db:
            db.executescript(_SCHEMA)
        os.replace(new, path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    # SQLite syncs the folder of a -wal that it makes. That folder may be new as well: after a power failure
    # an acknowledged entry is there only if every name that leads to it is.
    for folder in path.parents:
        with suppress(OSError):  # one that this user may not read is not new
            sync(folder)


def sync(path: Path) -> None:
    """Write a file, or the names in a folder, to the disk. Raises `OSError`."""
    with suppress(PermissionError):  # Windows opens no folder
        file = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
        try:
            os.fsync(file)
        finally:
            os.close(file)
