"""Being nobody for a while, because root may read and write everything."""

from __future__ import annotations

import encodings
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65534


@contextmanager
def as_nobody(folder: Path, *, owner: bool = False) -> Iterator[None]:
    """Have the rights of nobody, if this process has root's.

    Args:
        folder: a place that nobody may enter too; its parents are opened for it.
        owner: the folder and the files in it become nobody's.
    """
    if sys.platform == "win32" or os.geteuid() != 0:
        yield
        return
    for place in (folder, *folder.parents):
        if not place.stat().st_mode & stat.S_IXOTH:
            place.chmod(0o755)
    for file in (folder, *folder.iterdir()) if owner else ():
        os.chown(file, NOBODY, -1)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        # Nobody may not import what is in root's home. An encoding that was looked up meanwhile would be
        # remembered as unknown, and fail later tests of this process.
        remembered = vars(encodings)["_cache"]
        for name in [name for name, found in remembered.items() if found is None]:
            del remembered[name]
