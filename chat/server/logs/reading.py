"""Opens the file of a log for reading only, also while its server writes it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from chat.domain.errors import ChatError
from chat.domain.validation import printable
from chat.language import N_
from chat.server.logs.files import (
    SQLITE_ERRORS,
    check_header,
    connect,
    damage_text,
    is_damage,
    no_space,
    resolved,
    shown,
)

BACKUP = N_("put a backup in its place")


def existing(path: Path) -> Path:
    """Return the absolute path of a log that exists.

    Raises:
        ChatError: there is no such file, or it is no log of this format; the text says what to do.
    """
    try:
        path = resolved(path)
        if not path.exists():
            raise ChatError(f"there is no log {shown(path)}: name the file, as chat status shows it")
        check_header(path, "rb", BACKUP)
    except OSError as error:
        raise not_readable(path, error) from error
    return path


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a log that `existing` has found; yield a connection that sees one state of it, until the end.

    A server may write meanwhile, start or stop. A log that a killed server left is read with its -wal, and
    stays as it is.

    Raises:
        ChatError: it can't be read; the text says what to do.
    """
    try:
        with closing(_opened(path)) as db:
            yield db
    except SQLITE_ERRORS as error:
        raise not_readable(path, error) from error


def tables(db: sqlite3.Connection) -> set[str]:
    """Return the names of the tables."""
    return {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def not_readable(path: Path, error: Exception) -> ChatError:
    """Return an error for the user: why the log can't be read, and what to do."""
    log = N_(f"the log {shown(path)}")
    if is_damage(error):
        return ChatError(f"{log} is damaged ({damage_text(error)}): {BACKUP}")
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith("SQLITE_BUSY"):
        return ChatError(f"another program holds {log} for itself: close that program")
    if no_space(error):
        return ChatError(f"no space on the disk for reading {log}: free some, or set TMPDIR to another disk")
    reason = printable((isinstance(error, OSError) and error.strerror) or str(error))
    return ChatError(
        f"can't read {log} ({reason}): give yourself the right to read it and to write its folder"
    )


def _opened(path: Path) -> sqlite3.Connection:
    if Path(f"{path}-wal").exists():
        return _begun(path, "ro")  # closing it does not carry the -wal into a file that may be damaged
    try:
        return _begun(path, "rw")  # SQLite makes a -wal even to read, and only a writer removes it again
    except sqlite3.OperationalError as error:
        if not error.sqlite_errorname.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN")):
            raise
        return _begun(path, "ro&immutable=1")  # on a disk that is read-only nobody else writes


def _begun(path: Path, mode: str) -> sqlite3.Connection:
    db = connect(path, mode)
    try:
        db.text_factory = _text
        db.execute("BEGIN")
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()  # the state is that of the first read
    except BaseException:
        db.close()
        raise
    return db


def _text(data: bytes) -> str:
    return data.decode(errors="replace")  # a flipped bit is for `chat log verify` to find
