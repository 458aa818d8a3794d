"""Copies a log, also while its server writes it."""

from __future__ import annotations

from contextlib import closing, suppress
from pathlib import Path

from chat.domain.errors import ChatError
from chat.server.logs.files import SQLITE_ERRORS, connect, is_damage, shown
from chat.server.logs.placing import not_written, placed
from chat.server.logs.reading import existing, not_readable, reading
from chat.server.logs.verify import Report, verify_database
from chat.server.logs.wal_check import wal_problems


def back_up(path: Path, to: Path, *, force: bool = False) -> Report:
    """Copy a log to one file that a server can open at once.

    Everything that was acknowledged before the call is in it. Its server goes on meanwhile; the -wal grows
    until the copy is made. The copy is verified before it gets its name.

    Args:
        path: the log.
        to: the file to make.
        force: replace a file of this name.

    Returns:
        What is in the backup.

    Raises:
        ChatError: the log is damaged, or one of the files can't be used; no backup was made.
    """
    path = existing(path)
    with suppress(OSError):  # `placed` will say what is wrong
        if path.samefile(to):
            raise ChatError(f"{shown(path)} can't be its own backup: name another file")
    with placed(to, "backup", force=force) as new, reading(path) as source:
        report = Report(path)
        for text in wal_problems(Path(f"{path}-wal")):
            report.problem(text)
        with closing(connect(new, "rw")) as target:
            try:
                source.backup(target)  # in one step, so of one state
                target.execute("PRAGMA journal_mode = DELETE")  # one file, without a -wal
            except SQLITE_ERRORS as error:
                if is_damage(error):
                    raise not_readable(path, error) from error
                raise not_written(to, "backup", error) from error
            verify_database(target, report)
        if report.problems:
            raise ChatError(
                f"the log {shown(path)} is damaged, so no backup was made ({report.problems[0]}): "
                "chat log verify says all of it"
            )
    return report
