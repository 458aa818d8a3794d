"""Writes a file that is there whole or not at all, and takes no other file's place unasked."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chat.domain.errors import ChatError
from chat.domain.validation import printable
from chat.server.logs.files import SQLITE_ERRORS, no_space, resolved, shown, sync
from chat.server.logs.lock import InUse, file_locked


@contextmanager
def placed(to: Path, what: str, *, force: bool) -> Iterator[Path]:
    """Yield the name of an empty file beside ``to``; it takes its name when the block ends without an error.

    Only this user can read it.

    Args:
        to: the file to make.
        what: it is, for error texts: "backup".
        force: replace a file that has the name; but not a log that a server uses.

    Raises:
        ChatError: the file exists, or can't be written; the text says what to do.
    """
    try:
        if to.is_dir():
            raise ChatError(f"{shown(to)} is a folder: name a file in it for the {what}")
        to = resolved(to)
        if to.exists():
            _may_be_replaced(to, force)
        new = to.with_name(f"{to.name}.{os.getpid()}.new")
        os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        try:
            yield new
            sync(new)
            if force:
                os.replace(new, to)
            else:
                _rename(new, to)
            sync(to.parent)
        finally:
            for part in ("", "-journal"):
                Path(f"{new}{part}").unlink(missing_ok=True)
    except FileExistsError:
        raise _exists(to) from None
    except (OSError, *SQLITE_ERRORS) as error:
        raise not_written(to, what, error) from error


def not_written(to: Path, what: str, error: Exception) -> ChatError:
    """Return an error for the user: why the file can't be written, and what to do."""
    if no_space(error):
        return ChatError(f"no space on the disk for the {what} {shown(to)}: free some, or name another disk")
    if isinstance(error, FileNotFoundError) and not to.parent.exists():
        return ChatError(f"there is no folder {shown(to.parent)} for the {what}: make it, or name another")
    reason = printable((isinstance(error, OSError) and error.strerror) or str(error))
    return ChatError(
        f"can't write the {what} {shown(to)} ({reason}): name a file in a folder that you may write"
    )


def _may_be_replaced(to: Path, force: bool) -> None:
    if not force:
        raise _exists(to)
    if Path(f"{to}-wal").exists():
        raise ChatError(
            f"{shown(to)} is a log that a server writes or was killed with, because a -wal stands beside it: "
            "name another file"
        )
    try:
        with file_locked(to):  # only to see that no server uses it
            pass
    except InUse as error:
        raise ChatError(f"{error.fact}: name another file") from None


def _exists(to: Path) -> ChatError:
    return ChatError(f"{shown(to)} exists: name another file, or replace it with --force")


def _rename(new: Path, to: Path) -> None:
    """Rename a file, but not to a name that is taken. Raises `FileExistsError`."""
    if sys.platform == "win32":
        os.rename(new, to)
        return
    try:
        os.link(new, to)
    except FileExistsError:
        raise
    except OSError:  # a file system without links: between the two lines somebody may take the name
        if to.exists():
            raise FileExistsError from None
        os.rename(new, to)
