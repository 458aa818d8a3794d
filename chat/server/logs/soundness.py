"""Whether the file of a log is as its server left it, so that it need not be read from end to end again.

A server that closes its log well notes beside it how the file looks. Whatever writes the file, copies it or
puts another in its place afterwards changes that.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_SET_BACK = 2 * 10**9
"""Nanoseconds by which the time of the file is set back, so that a write in the same tick of the clock
changes it, too."""


def note_sound(path: Path, sound: Callable[[], bool] = lambda: True) -> None:
    """Note how the file looks, if it is ``sound``. It must be closed."""
    if not sound():
        return
    with suppress(OSError):  # without the note it is read from end to end
        stat = os.stat(path)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns - _SET_BACK))
        _note(path).write_text(_look(path))


def is_sound(path: Path) -> bool:
    """Return whether nothing has changed the file since it was noted."""
    try:
        return _note(path).read_text() == _look(path)
    except (OSError, UnicodeDecodeError):
        return False


def _note(path: Path) -> Path:
    return Path(f"{path}.sound")


def _look(path: Path) -> str:
    stat = os.stat(path)
    return f"{stat.st_dev} {stat.st_ino} {stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}\n"
